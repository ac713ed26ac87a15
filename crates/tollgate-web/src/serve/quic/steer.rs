//! Keeps each QUIC connection on one thread, wherever its client moves: the first byte of every
//! connection id that we hand out tells the thread, and the kernel looks at nothing else.

use std::io;
use std::net::UdpSocket;

use quinn::{ConnectionId, ConnectionIdGenerator};
use rustls::crypto::{SecureRandom, aws_lc_rs};

/// One byte of a connection id tells this many threads apart.
pub(super) const THREADS_MAX: usize = 256;
/// Where an id's first byte stands in packets that have no length before it, and in those that do
/// (RFC 8999 §5).
const SHORT_HEADER_ID_OFFSET: u32 = 1;
const LONG_HEADER_ID_OFFSET: u32 = 6;
const LONG_HEADER: u32 = 0x80;

/// Makes the ids of one thread's connections: random but for what the first byte is modulo the
/// number of threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct SteeredIds {
    thread: u8,
    threads: usize,
    random: &'static dyn SecureRandom,
}

const ID_BYTES: usize = 12;

impl SteeredIds {
    /// `None` when there are more threads than a byte can tell apart.
    pub(super) fn new(thread: usize, threads: usize) -> Option<Self> {
        let fits = (1..=THREADS_MAX).contains(&threads) && thread < threads;
        fits.then_some(Self {
            thread: u8::try_from(thread).ok()?,
            threads,
            random: aws_lc_rs::default_provider().secure_random,
        })
    }

    fn mark(&self, byte: u8) -> u8 {
        let into_group = usize::from(byte) / self.threads * self.threads;
        match u8::try_from(into_group + usize::from(self.thread)) {
            Ok(marked) => marked,
            // The last group is cut short; the first holds every thread.
            Err(_) => self.thread,
        }
    }
}

impl ConnectionIdGenerator for SteeredIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        if self.random.fill(&mut id).is_err() {
            // Connections without ids of their own do not come about.
            tracing::error!("failed to make a connection id");
        }
        if let Some(first) = id.first_mut() {
            *first = self.mark(*first);
        }
        ConnectionId::new(&id)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

/// Has the kernel hand each packet to the socket whose place among those bound to the port is
/// what [`SteeredIds`] marked. First packets bear an id that the client made up, which chooses a
/// thread as good as any.
#[cfg(target_os = "linux")]
pub(super) fn steer(socket: &UdpSocket, threads: usize) -> io::Result<()> {
    use nix::libc::{sock_filter, sock_fprog};
    use nix::sys::socket::{setsockopt, sockopt::AttachReusePortCbpf};

    const LOAD_BYTE: u16 = 0x30;
    const MODULO: u16 = 0x94;
    const JUMP_IF_ANY_BIT: u16 = 0x45;
    const JUMP: u16 = 0x05;
    const RETURN_RESULT: u16 = 0x16;
    let step = |code, jt, jf, k| sock_filter { code, jt, jf, k };
    let threads = u32::try_from(threads).map_err(io::Error::other)?;
    let mut program = [
        step(LOAD_BYTE, 0, 0, 0),
        step(JUMP_IF_ANY_BIT, 0, 2, LONG_HEADER),
        step(LOAD_BYTE, 0, 0, LONG_HEADER_ID_OFFSET),
        step(JUMP, 0, 0, 1),
        step(LOAD_BYTE, 0, 0, SHORT_HEADER_ID_OFFSET),
        step(MODULO, 0, 0, threads),
        step(RETURN_RESULT, 0, 0, 0),
    ];
    let program = sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    Ok(setsockopt(socket, AttachReusePortCbpf, &program)?)
}

/// Elsewhere nothing steers, so that more than one socket would lose those who move.
#[cfg(not(target_os = "linux"))]
pub(super) fn steer(_: &UdpSocket, _: usize) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_their_thread() {
        for threads in [1, 2, 3, 7, 255, 256] {
            for thread in [0, threads / 2, threads - 1] {
                let mut ids = SteeredIds::new(thread, threads).unwrap();
                for byte in 0..=255 {
                    let marked = usize::from(ids.mark(byte));
                    assert_eq!(marked % threads, thread, "{byte} of {threads}");
                }
                let id = ids.generate_cid();
                assert_eq!((id.len(), usize::from(id[0]) % threads), (ID_BYTES, thread));
            }
        }
        assert!(SteeredIds::new(0, 0).is_none());
        assert!(SteeredIds::new(2, 2).is_none());
        assert!(SteeredIds::new(0, 257).is_none());
    }
}
