//! h3 on quinn, without a bound or a metric.

use crate::{HELLO, TEXT, runtime, tls};
use anyhow::{Context, Result};
use bytes::Bytes;
use h3_quinn::Connection;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response};
use quinn::crypto::rustls::QuicServerConfig;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

type Resolver = h3::server::RequestResolver<Connection, Bytes>;

pub(crate) fn serve(address: SocketAddr, directory: Option<&Path>) -> Result<()> {
    let tls = tls::server(directory.context("needs --tls")?)?;
    let crypto = QuicServerConfig::try_from(tls)?;
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    runtime()?.block_on(async {
        let endpoint = quinn::Endpoint::server(config, address)?;
        while let Some(incoming) = endpoint.accept().await {
            // A client that breaks off is no event here.
            tokio::spawn(async { drop(connection(incoming).await) });
        }
        Ok(())
    })
}

async fn connection(incoming: quinn::Incoming) -> Result<()> {
    let transport = Connection::new(incoming.await?);
    let mut connection = h3::server::Connection::new(transport).await?;
    while let Some(resolver) = connection.accept().await? {
        tokio::spawn(async { drop(answer(resolver).await) });
    }
    Ok(())
}

async fn answer(resolver: Resolver) -> Result<()> {
    let (_, mut stream) = resolver.resolve_request().await?;
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    headers.insert(CONTENT_LENGTH, HELLO.len().into());
    stream.send_response(response).await?;
    stream
        .send_data(Bytes::from_static(HELLO.as_bytes()))
        .await?;
    stream.finish().await?;
    Ok(())
}
