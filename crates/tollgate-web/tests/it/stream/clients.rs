//! Clients that read an answer piece by piece.

use std::net::SocketAddr;

use bytes::{Bytes, BytesMut};
use http::Request;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use crate::support::STUCK;

/// What the system takes for a client that does not read.
const RECEIVE_BYTES: u32 = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

pub(super) const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];

/// An answer being read.
pub(super) struct Reading {
    pub(super) status: u16,
    /// Header lines in lower case.
    pub(super) head: String,
    body: Body,
}

enum Body {
    Http1(BufReader<TcpStream>),
    Http2(h2::RecvStream, Connection),
}

/// The connection that carries the stream; it ends when dropped.
struct Connection(JoinHandle<Result<(), h2::Error>>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What came next of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Data(Bytes),
    /// It ended as it should.
    End,
    /// It broke off.
    Broken,
}

impl Reading {
    pub(super) async fn begin(
        address: SocketAddr,
        protocol: Protocol,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
        let stream = socket.connect(address).await.unwrap();
        let reading = async {
            match protocol {
                Protocol::Http1 => Self::begin_http1(stream, path, headers).await,
                Protocol::Http2 => Self::begin_http2(stream, path, headers).await,
            }
        };
        tokio::time::timeout(STUCK, reading).await.unwrap()
    }

    async fn begin_http1(mut stream: TcpStream, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = format!("GET {path} HTTP/1.1\r\nHost: t\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(stream.read_line(&mut head).await.unwrap() > 0, "{head}");
        }
        Self {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_lowercase(),
            body: Body::Http1(stream),
        }
    }

    async fn begin_http2(stream: TcpStream, path: &str, headers: &[(&str, &str)]) -> Self {
        let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
        let driver = Connection(tokio::spawn(connection));
        let mut request = Request::builder().uri(format!("http://t{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let (head, stream) = response.await.unwrap().into_parts();
        let lines = head.headers.iter();
        Self {
            status: head.status.as_u16(),
            head: lines
                .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()))
                .collect(),
            body: Body::Http2(stream, driver),
        }
    }

    /// The next piece of the body, as it was framed on the wire.
    pub(super) async fn next(&mut self) -> Next {
        let next = async {
            match &mut self.body {
                Body::Http1(stream) => next_chunk(stream).await.unwrap_or(Next::Broken),
                Body::Http2(stream, _) => match stream.data().await {
                    None => Next::End,
                    Some(Err(_)) => Next::Broken,
                    Some(Ok(data)) => {
                        stream.flow_control().release_capacity(data.len()).unwrap();
                        Next::Data(data)
                    }
                },
            }
        };
        tokio::time::timeout(STUCK, next).await.unwrap()
    }

    /// The rest of the body, and how it ended.
    pub(super) async fn rest(&mut self) -> (Bytes, Next) {
        let mut rest = BytesMut::new();
        loop {
            match self.next().await {
                Next::Data(data) => rest.extend(data),
                end => return (rest.freeze(), end),
            }
        }
    }

    /// Reads until the body has said this in full; what else it said is left out.
    pub(super) async fn until(&mut self, text: &str) {
        let mut read = Vec::new();
        while !String::from_utf8_lossy(&read).contains(text) {
            match self.next().await {
                Next::Data(data) => read.extend(data),
                end => panic!("{end:?} before {text:?} in {read:?}"),
            }
        }
    }

    /// Gives up on this answer alone, where the protocol can: the connection stays.
    pub(super) fn cancel(self) -> Option<impl Sized> {
        match self.body {
            Body::Http1(_) => None,
            Body::Http2(stream, connection) => {
                drop(stream);
                Some(connection)
            }
        }
    }
}

/// The next chunk of an HTTP/1.1 body; `None` if the connection ends within it.
async fn next_chunk(stream: &mut BufReader<TcpStream>) -> Option<Next> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let length = usize::from_str_radix(line.strip_suffix("\r\n")?, 16).unwrap();
    let mut chunk = vec![0; length + 2];
    stream.read_exact(&mut chunk).await.ok()?;
    assert_eq!(chunk.split_off(length), b"\r\n");
    Some(match length {
        0 => Next::End,
        _ => Next::Data(chunk.into()),
    })
}

/// Runs a client's side of a conversation.
pub(super) fn talk<T>(conversation: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(conversation)
}

/// Waits for what must come.
pub(super) async fn hear(signal: &tokio::sync::Notify) {
    tokio::time::timeout(STUCK, signal.notified())
        .await
        .unwrap();
}
