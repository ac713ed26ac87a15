//! Listening sockets that systemd opened: socket activation (`sd_listen_fds(3)`).

use std::io;

use listenfd::ListenFd;

use super::listener::Socket;

/// The sockets meant for this process, none if there are none; another call finds none.
///
/// # Errors
/// When one of them is neither a TCP nor a Unix listener.
pub(super) fn inherited() -> io::Result<Vec<Socket>> {
    let mut handed = ListenFd::from_env();
    let count = handed.len();
    let take = |place| {
        let socket = match handed.take_tcp_listener(place) {
            Ok(Some(listener)) => {
                listener.set_nonblocking(true)?;
                Socket::Tcp(listener)
            }
            Ok(None) | Err(_) => {
                let listener = handed.take_unix_listener(place)?;
                let listener = listener.ok_or(io::ErrorKind::InvalidInput)?;
                listener.set_nonblocking(true)?;
                Socket::Unix(listener)
            }
        };
        Ok(socket)
    };
    (0..count).map(take).collect()
}
