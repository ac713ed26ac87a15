//! A plain HTTP/1.1 connection: one request at a time, every failure told apart.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;

use tollgate_testkit::{TestClient, TestServer};

pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

impl Connection {
    /// To the public listener at `url`.
    pub(crate) fn open(url: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("http://"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    pub(crate) fn to(server: &TestServer) -> Self {
        Self::open(server.url()).unwrap()
    }

    pub(crate) fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, "")
    }

    /// Gets `path` with further header lines, each ended by CRLF.
    pub(crate) fn get_with(&mut self, path: &str, headers: &str) -> Answer {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nhost: test\r\n{headers}\r\n"
        ))
        .unwrap()
    }

    /// Posts a form; the server may be gone at any moment.
    pub(crate) fn try_post(
        &mut self,
        client: &TestClient,
        path: &str,
        form: &str,
    ) -> io::Result<Answer> {
        let credentials = STANDARD.encode(format!("{}:{}", client.id, client.secret));
        self.send(&format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\nauthorization: Basic {credentials}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            form.len()
        ))
    }

    pub(crate) fn post(&mut self, client: &TestClient, path: &str, form: &str) -> Answer {
        self.try_post(client, path, form).unwrap()
    }

    pub(crate) fn send(&mut self, request: &str) -> io::Result<Answer> {
        self.stream.write_all(request.as_bytes())?;
        let head_length = loop {
            if let Some(end) = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n")
            {
                break end + 4;
            }
            self.fill()?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_length]).to_lowercase();
        let status = head[9..12].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let end = head_length + length.map_or(0, |length| length.parse::<usize>().unwrap());
        while self.buffer.len() < end {
            self.fill()?;
        }
        let body = String::from_utf8_lossy(&self.buffer[head_length..end]).into_owned();
        self.buffer.drain(..end);
        Ok(Answer { status, body })
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            length => {
                self.buffer.extend_from_slice(&bytes[..length]);
                Ok(())
            }
        }
    }
}
