//! An API without any protection of its own: it answers with what it was told about the caller.

use crate::server::free_address;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Headers that the API hands back, one a line.
const SHOWN: [&str; 5] = [
    "authorization",
    "x-auth-client-id",
    "x-auth-expires-at",
    "x-auth-scope",
    "x-auth-subject",
];

/// Starts the API; its threads end with the test process.
pub(crate) fn start() -> SocketAddr {
    let listener = TcpListener::bind(free_address()).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || serve(stream));
        }
    });
    address
}

fn serve(mut stream: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let mut shown = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if SHOWN
                .iter()
                .any(|name| line.starts_with(&format!("{name}:")))
            {
                shown.push(line);
            }
        }
        shown.sort();
        let body = shown.join("\n");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    }
}
