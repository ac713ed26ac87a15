//! Listening sockets: one a thread on the same port, and how they stop without losing anyone.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, SockRef, Type};

use super::ServerError;
use super::listener::{Listener, Ownership, Socket};

const BACKLOG: i32 = 4096;

type Listeners = (Vec<Vec<Listener>>, Vec<SocketAddr>);

/// Binds every address once a thread; the first result is indexed by thread.
pub(super) fn bind(addresses: &[SocketAddr], threads: usize) -> Result<Listeners, ServerError> {
    let mut by_thread: Vec<Vec<Listener>> = (0..threads).map(|_| Vec::new()).collect();
    let mut local_addrs = Vec::with_capacity(addresses.len());
    for &address in addresses {
        let failed = |cause| ServerError::Listen { address, cause };
        let mut bound = reserve(address).map_err(failed)?;
        for listeners in &mut by_thread {
            let listener = listen(bound).map_err(failed)?;
            bound = listener.local_addr().map_err(failed)?;
            listeners.push(Listener {
                socket: Socket::Tcp(listener),
                ownership: Ownership::Port,
            });
        }
        local_addrs.push(bound);
    }
    Ok((by_thread, local_addrs))
}

/// Fails when the address is taken: sharing a port must not let a second server steal a part of
/// the first one's connections.
fn reserve(address: SocketAddr) -> io::Result<SocketAddr> {
    let socket = socket(address)?;
    socket.bind(&address.into())?;
    Ok(address)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    // Before the first connection stands: each takes this over from its listener.
    bound_unsent(&socket);
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// Bytes of answers that wait in the system to be sent, for each connection: more than these it takes
/// only as the client takes some.
#[cfg(target_os = "linux")]
const UNSENT_BYTES_MAX: u32 = 128 * 1024;

/// Bounds what connections from this listener leave to the system. On its own it takes megabytes of
/// an answer, from each client that reads but little of it.
pub(super) fn bound_unsent(listener: &impl AsFd) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(listener).set_tcp_notsent_lowat(UNSENT_BYTES_MAX) {
        tracing::warn!(%error, "failed to bound what waits to be sent");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = listener;
}

/// Lets no further connection begin, while handshakes under way still finish.
///
/// Closing a listening socket resets whatever stands in its backlog, so the backlog must be
/// emptied first; it can be only once nothing new gets in.
pub(super) fn refuse_new(listener: &impl AsFd) {
    #[cfg(target_os = "linux")]
    if let Err(error) = SockRef::from(listener).attach_filter(&syn_filter()) {
        tracing::warn!(%error, "failed to refuse new connections before closing the listener");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = listener;
}

/// A packet filter that drops segments opening a connection (SYN without ACK): their senders try
/// again later, and by then find the port closed.
#[cfg(target_os = "linux")]
fn syn_filter() -> [socket2::SockFilter; 5] {
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const TCP_FLAGS_OFFSET: u32 = 13;
    const SYN: u32 = 0x02;
    const SYN_AND_ACK: u32 = 0x12;
    [
        socket2::SockFilter::new(LOAD_BYTE, 0, 0, TCP_FLAGS_OFFSET),
        socket2::SockFilter::new(AND, 0, 0, SYN_AND_ACK),
        socket2::SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        socket2::SockFilter::new(RETURN, 0, 0, 0),
        socket2::SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
