//! Bodies pass as they come, and are kept only when all of them has.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty};
use tollgate_web::response_cache::{ResponseCache, ResponseCacheConfig};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

type Frames = Vec<Result<Frame<Bytes>, &'static str>>;

/// A body of these frames that tells its length or does not.
struct Pieces(VecDeque<Result<Frame<Bytes>, &'static str>>, Option<u64>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front())
    }

    fn size_hint(&self) -> SizeHint {
        self.1.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

fn data(bytes: &'static str) -> Result<Frame<Bytes>, &'static str> {
    Ok(Frame::data(Bytes::from_static(bytes.as_bytes())))
}

/// Asks for a body of these frames and reads `read` of them; whether it is stored then.
async fn stores(frames: Frames, length: Option<u64>, read: usize) -> bool {
    stores_with(&[], frames, length, read).await
}

async fn stores_with(
    headers: &[(&str, &str)],
    frames: Frames,
    length: Option<u64>,
    read: usize,
) -> bool {
    let headers: Vec<(String, String)> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let cache = ResponseCache::new(ResponseCacheConfig {
        body_bytes_max: 6,
        ..ResponseCacheConfig::default()
    });
    let pieces = Arc::new(Mutex::new(Some(Pieces(frames.into(), length))));
    let service = service_fn(move |_: Request<Empty<Bytes>>| {
        let pieces = pieces.lock().unwrap().take().unwrap();
        let mut response = Response::builder().header("cache-control", "max-age=60");
        for (name, value) in &headers {
            response = response.header(name, value);
        }
        async move { Ok::<_, Infallible>(response.body(pieces).unwrap()) }
    });
    let request = Request::builder().uri("http://h/").body(Empty::new());
    let response = cache
        .layer(service)
        .oneshot(request.unwrap())
        .await
        .unwrap();
    let mut body = response.into_body();
    for _ in 0..read {
        let _ = body.frame().await;
    }
    drop(body);
    cache.statistics().stored == 1
}

#[tokio::test]
async fn only_what_came_to_its_end_is_stored() {
    assert!(stores(vec![data("abc"), data("def")], None, 3).await);
    assert!(
        stores(vec![data("abc"), data("def")], Some(6), 2).await,
        "not asked again"
    );
    assert!(stores(vec![], Some(0), 1).await);
    // The client left before the end.
    assert!(!stores(vec![data("abc"), data("def")], None, 1).await);
    assert!(!stores(vec![data("abc"), data("def")], Some(6), 1).await);
    // It broke off, or was shorter than it said.
    assert!(!stores(vec![data("abc"), Err("broken")], None, 3).await);
    assert!(!stores(vec![data("abc")], Some(6), 2).await);
    let told: &[(&str, &str)] = &[("content-length", "6")];
    assert!(!stores_with(told, vec![data("abc")], None, 2).await);
    assert!(stores_with(told, vec![data("abc"), data("def")], None, 3).await);
    // It is too long, told or not.
    assert!(!stores(vec![data("abc"), data("defg")], None, 3).await);
    assert!(!stores(vec![data("abcdefg")], Some(7), 2).await);
    let trailers = Ok(Frame::trailers(HeaderMap::new()));
    assert!(!stores(vec![data("abc"), trailers], None, 3).await);
}
