//! Connections that stay open: one that asks again and again, and many that ask once.

use anyhow::{Context, Result, ensure};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection with one request at a time, which allocates nothing for them.
pub struct KeepAlive(TcpStream);

impl KeepAlive {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    /// Asks once and has the right answer.
    ///
    /// # Errors
    /// When the answer is another.
    pub fn ask(&mut self) -> Result<()> {
        self.0.write_all(REQUEST)?;
        let mut answer = [0; 2048];
        let mut filled = 0;
        while !answer[..filled].ends_with(b"\r\n\r\nhello") {
            let count = self.0.read(&mut answer[filled..])?;
            ensure!(count > 0, "the answer ends early");
            filled += count;
        }
        ensure!(answer.starts_with(b"HTTP/1.1 200 "), "not 200");
        Ok(())
    }
}

/// Opens `count` connections of which each has had an answer.
///
/// # Errors
/// When an answer is wrong.
pub fn idle(address: SocketAddr, count: usize) -> Result<Vec<KeepAlive>> {
    let open = |number| {
        let mut connection = KeepAlive::open(address)?;
        connection
            .ask()
            .with_context(|| format!("connection {number}"))?;
        Ok(connection)
    };
    (0..count).map(open).collect()
}
