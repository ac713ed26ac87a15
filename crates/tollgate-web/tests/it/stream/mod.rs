//! Streamed answers over real sockets, on HTTP/1.1 and HTTP/2 alike.

mod clients;
mod endings;
mod events;
mod leaving;
mod server;
