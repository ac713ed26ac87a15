//! One keep-alive connection with at most one request under way.

use crate::response::{self, Malformed, Response};
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

/// The largest answer that is read.
const RESPONSE_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 16 << 10;

/// A request under way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// What the scenario knows the request by.
    pub(crate) tag: usize,
    /// When it started, or was due.
    pub(crate) since: Instant,
}

/// How an answer ended.
pub(crate) enum Progress<T> {
    /// More must come.
    Pending,
    /// The whole answer was there; what the reader made of it.
    Answered(T),
    /// The peer closed, or sent what is no answer.
    Broken,
}

/// One connection.
pub(crate) struct Connection {
    stream: TcpStream,
    out: Vec<u8>,
    out_sent: usize,
    buffer: Vec<u8>,
    filled: usize,
    closed: bool,
    /// The request under way, if any.
    pub(crate) asked: Option<Asked>,
}

impl Connection {
    /// Connects to `address`, and waits until that is done.
    ///
    /// # Errors
    /// When nobody listens.
    pub(crate) fn open(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<Self> {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(Self {
            stream,
            out: Vec::with_capacity(2048),
            out_sent: 0,
            buffer: vec![0; READ_BYTES],
            filled: 0,
            closed: false,
            asked: None,
        })
    }

    /// An empty buffer for the next request.
    pub(crate) fn compose(&mut self) -> &mut Vec<u8> {
        self.out.clear();
        self.out_sent = 0;
        &mut self.out
    }

    /// Sends what is left of the request; the rest follows when the socket can take it.
    ///
    /// # Errors
    /// When the peer is gone.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(rest) = self
            .out
            .get(self.out_sent..)
            .filter(|rest| !rest.is_empty())
        {
            match self.stream.write(rest) {
                Ok(sent) => self.out_sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads what is there, and hands a complete answer to `read`.
    pub(crate) fn receive<T>(&mut self, read: impl FnOnce(&Response<'_>) -> T) -> Progress<T> {
        // The event queue tells of new bytes once, so a full buffer may not end the reading.
        while self.fill() == Filled::Full {
            if self.buffer.len() >= RESPONSE_BYTES_MAX {
                return Progress::Broken;
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match response::parse(self.buffer.get(..self.filled).unwrap_or_default()) {
            Ok(None) if self.closed => Progress::Broken,
            Ok(None) => Progress::Pending,
            // Without pipelining, bytes after the answer belong to nothing that was asked.
            Ok(Some(response)) if response.length == self.filled => {
                let result = read(&response);
                self.filled = 0;
                Progress::Answered(result)
            }
            Ok(Some(_)) | Err(Malformed) => Progress::Broken,
        }
    }

    fn fill(&mut self) -> Filled {
        loop {
            let Some(room) = self.buffer.get_mut(self.filled..) else {
                return Filled::Partly;
            };
            let size = room.len();
            match self.stream.read(room) {
                Ok(0) => self.closed = true,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => self.closed |= error.kind() != ErrorKind::WouldBlock,
            }
            let full = self.filled == self.buffer.len() && size > 0;
            return if full && !self.closed {
                Filled::Full
            } else {
                Filled::Partly
            };
        }
    }
}

/// Whether the buffer took all that was there.
#[derive(PartialEq, Eq)]
enum Filled {
    Partly,
    Full,
}
