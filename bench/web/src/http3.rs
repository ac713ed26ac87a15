//! A client that asks over HTTP/3, many streams at a time on few connections.

use crate::{HELLO, runtime, tls};
use anyhow::{Result, ensure};
use bytes::{Buf, Bytes};
use h3::client::SendRequest;
use h3_quinn::OpenStreams;
use http::{Request, StatusCode};
use quinn::crypto::rustls::QuicClientConfig;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

type Requests = SendRequest<OpenStreams, Bytes>;

/// What is asked for.
pub struct Load {
    pub address: SocketAddr,
    pub requests: usize,
    pub connections: usize,
    /// Requests under way on each connection.
    pub streams: usize,
}

impl Load {
    /// Asks everything; how long that took, without the handshakes. `directory` holds the server's
    /// certificate.
    ///
    /// # Errors
    /// When an answer is wrong.
    pub fn run(&self, directory: &Path) -> Result<Duration> {
        runtime()?.block_on(self.ask_all(directory))
    }

    async fn ask_all(&self, directory: &Path) -> Result<Duration> {
        let crypto = QuicClientConfig::try_from(tls::client(directory)?)?;
        let config = quinn::ClientConfig::new(Arc::new(crypto));
        let mut connections = Vec::new();
        for _ in 0..self.connections {
            connections.push(self.connect(config.clone()).await?);
        }
        let begin = Instant::now();
        let left = Arc::new(AtomicUsize::new(self.requests));
        let mut asking = JoinSet::new();
        for (_, requests) in &connections {
            for _ in 0..self.streams {
                asking.spawn(ask_until_done(requests.clone(), Arc::clone(&left)));
            }
        }
        while let Some(asked) = asking.join_next().await {
            asked??;
        }
        Ok(begin.elapsed())
    }

    async fn connect(&self, config: quinn::ClientConfig) -> Result<(quinn::Endpoint, Requests)> {
        let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into())?;
        let connecting = endpoint.connect_with(config, self.address, "localhost")?;
        let transport = h3_quinn::Connection::new(connecting.await?);
        let (mut driver, requests) = h3::client::new(transport).await?;
        tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
        Ok((endpoint, requests))
    }
}

async fn ask_until_done(mut requests: Requests, left: Arc<AtomicUsize>) -> Result<()> {
    let take = || {
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            left.checked_sub(1)
        })
    };
    while take().is_ok() {
        ask(&mut requests).await?;
    }
    Ok(())
}

async fn ask(requests: &mut Requests) -> Result<()> {
    let request = Request::get("https://localhost/").body(())?;
    let mut stream = requests.send_request(request).await?;
    stream.finish().await?;
    let head = stream.recv_response().await?;
    ensure!(head.status() == StatusCode::OK, "{}", head.status());
    let mut body = Vec::with_capacity(HELLO.len());
    while let Some(mut data) = stream.recv_data().await? {
        body.extend_from_slice(&data.copy_to_bytes(data.remaining()));
    }
    ensure!(body == HELLO.as_bytes(), "not hello");
    Ok(())
}
