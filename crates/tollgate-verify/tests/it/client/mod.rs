//! Keys over the network, against providers that behave and that do not.

mod default_client;
mod discovery;
mod fake;
mod refresh;
mod sharing;
