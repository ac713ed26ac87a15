//! One HTTP/3 request: its head, its handler, its answer, each within its time.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use h3::error::Code;
use h3::server::{RequestResolver, RequestStream};
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, DATE, HeaderName, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use tokio::time::timeout;

use super::super::date;
use super::super::request::{Connected, serve};
use super::SENT_BYTES_MAX;
use super::body::{QuicBody, told_length};
use super::transport::{Note, Receiving, Sending, Transport};
use crate::http_metrics::Closed;
use crate::response::StreamError;
use crate::{Handler, RequestBody, RequestContext, ResponseBody, error_response};

/// Bytes of an answer that a client must take within the write time-out.
const PIECE_BYTES: usize = 16 * 1024;
const SENT_PIECES_MAX: u64 = SENT_BYTES_MAX / PIECE_BYTES as u64;

/// What speaks of one connection of HTTP/1.1, and of none of HTTP/3 (RFC 9114 §4.2).
static CONNECTION_FIELDS: [HeaderName; 5] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Where an answer goes. Dropped before its end, as when the handler's body panics, it resets the
/// stream: an end in good order would make the client take a part for the whole (RFC 9114 §4.1).
struct Answering {
    stream: RequestStream<Sending, Bytes>,
    ended: bool,
}

impl Answering {
    fn new(stream: RequestStream<Sending, Bytes>) -> Self {
        Self {
            stream,
            ended: false,
        }
    }

    async fn finish(&mut self) -> Result<(), h3::error::StreamError> {
        self.stream.finish().await?;
        self.ended = true;
        Ok(())
    }

    /// Gives up what has not arrived, for a client that does not read (RFC 9114 §4.1.1).
    fn cancel(mut self) {
        self.ended = true;
        self.stream.stop_stream(Code::H3_REQUEST_CANCELLED);
        tracing::debug!("gave up an answer that its client does not read");
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.stop_stream(Code::H3_INTERNAL_ERROR);
        }
    }
}

/// Answers one request. An error ends the whole connection; a client that does not read an answer
/// loses that answer alone.
pub(super) async fn answer<H: Handler>(
    connected: Arc<Connected<H>>,
    resolver: RequestResolver<Transport, Bytes>,
    note: Note,
) -> Result<(), Closed> {
    let Note {
        early,
        mut over,
        used,
        connection,
    } = note;
    let state = Arc::clone(&connected.state);
    let config = &state.shared.config;
    let head = timeout(config.header_timeout, resolver.resolve_request()).await;
    // What is wrong with a head has been told to the client: 431, or the stream's reset.
    let Ok((request, stream)) = head.map_err(|_| Closed::HeaderTimeout)? else {
        return Ok(());
    };
    let (sending, receiving) = stream.split();
    let mut sending = Answering::new(sending);
    let to_head = request.method() == Method::HEAD;
    let asked = Asked {
        request,
        receiving,
        used,
        early,
    };
    let response = tokio::select! {
        biased;
        // The client has left or has no use for the answer any more: the handler is dropped.
        _ = over.as_mut() => return Ok(()),
        response = handle(connected, asked) => response,
    };
    let writing = write(&mut sending, response, to_head, config.write_timeout);
    let written = tokio::select! {
        biased;
        _ = over.as_mut() => return Ok(()),
        written = writing => written,
    };
    let ended = match written {
        Ok(()) => Some(sending),
        Err(Broken::Slow) => {
            sending.cancel();
            return Ok(());
        }
        Err(Broken::Gone) => return Ok(()),
        Err(Broken::Body(error)) => {
            tracing::debug!(%error, "an answer broke off");
            // Which resets the stream; what was sent may still be on its way.
            drop(sending);
            None
        }
    };
    // A connection that is closed takes with it whatever has not arrived yet.
    let heard = || connection.stats().frame_rx.acks;
    if !arrives(over, heard, config.write_timeout).await
        && let Some(sending) = ended
    {
        sending.cancel();
    }
    Ok(())
}

/// Waits until the client has all of an answer that has been sent; whether it has. A client that
/// says that it received something has more time, but no more than if it took one piece each time.
async fn arrives(over: impl Future, heard: impl Fn() -> u64, patience: Duration) -> bool {
    let mut over = std::pin::pin!(over);
    let mut heard_before = heard();
    for _ in 0..SENT_PIECES_MAX {
        if timeout(patience, over.as_mut()).await.is_ok() {
            return true;
        }
        let heard_now = heard();
        if heard_now == heard_before {
            return false;
        }
        heard_before = heard_now;
    }
    false
}

/// A request's head, and where its body comes from.
struct Asked {
    request: Request<()>,
    receiving: RequestStream<Receiving, Bytes>,
    used: Arc<AtomicU64>,
    early: bool,
}

async fn handle<H: Handler>(
    connected: Arc<Connected<H>>,
    asked: Asked,
) -> Response<impl Body<Data = Bytes, Error = StreamError>> {
    let Asked {
        request,
        receiving,
        used,
        early,
    } = asked;
    let told = told_length(request.headers());
    let mut body = QuicBody::new(receiving, told.unwrap_or_default(), used);
    let refused = match body.peek().await {
        Err(error) => Some(error.status()),
        Ok(()) if told.is_err() || speaks_of_connection(request.headers()) => {
            Some(StatusCode::BAD_REQUEST)
        }
        Ok(()) if early && !is_safe_to_replay(&request) => Some(StatusCode::TOO_EARLY),
        Ok(()) => None,
    };
    let request = request.map(|()| body);
    let Ok(response) = match refused {
        None => serve(connected, request).await,
        Some(status) => {
            let state = Arc::clone(&connected.state);
            let handler = Arc::new(Refusal(status));
            serve(Arc::new(Connected { state, handler }), request).await
        }
    };
    response
}

/// Whether the head has what no head on HTTP/3 may have (RFC 9114 §4.2): a service that passes it
/// on over HTTP/1.1 would let the client frame its own requests there.
fn speaks_of_connection(headers: &HeaderMap) -> bool {
    let forbidden = CONNECTION_FIELDS
        .iter()
        .any(|name| headers.contains_key(name));
    let mut wanted = headers.get_all(TE).iter();
    forbidden || wanted.any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"trailers"))
}

/// Whether it does no harm if somebody who listened sends the request again (RFC 8470 §3): it
/// changes nothing, and says nothing of who asks.
fn is_safe_to_replay<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) && !headers.contains_key(AUTHORIZATION)
        && !headers.contains_key(COOKIE)
}

/// Answers in place of the handler, so that refusals are counted and named like all else.
struct Refusal(StatusCode);

impl Handler for Refusal {
    async fn handle(
        &self,
        _: Request<RequestBody>,
        _: &mut RequestContext,
    ) -> Response<ResponseBody> {
        error_response(self.0)
    }
}

/// Why an answer was not written to its end.
enum Broken {
    Slow,
    Gone,
    Body(StreamError),
}

async fn write<B: Body<Data = Bytes, Error = StreamError>>(
    sending: &mut Answering,
    response: Response<B>,
    to_head: bool,
    patience: Duration,
) -> Result<(), Broken> {
    let (mut head, body) = response.into_parts();
    let bodiless = head.status.is_informational()
        || matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let length = body.size_hint().exact().filter(|_| !bodiless);
    complete(&mut head.headers, length);
    let head = Response::from_parts(head, ());
    within(patience, sending.stream.send_response(head)).await?;
    let mut body = std::pin::pin!(body);
    while !bodiless && !to_head && !body.is_end_stream() {
        let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        let Some(frame) = frame.transpose().map_err(Broken::Body)? else {
            break;
        };
        // Trailers are not sent on any protocol.
        let Ok(mut data) = frame.into_data() else {
            continue;
        };
        while !data.is_empty() {
            let piece = data.split_to(data.len().min(PIECE_BYTES));
            within(patience, sending.stream.send_data(piece)).await?;
        }
    }
    within(patience, sending.finish()).await
}

async fn within(
    patience: Duration,
    step: impl Future<Output = Result<(), h3::error::StreamError>>,
) -> Result<(), Broken> {
    match timeout(patience, step).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Broken::Gone),
        Err(_) => Err(Broken::Slow),
    }
}

/// Adds what hyper adds on the other protocols, and takes away what speaks of a connection
/// (RFC 9114 §4.2).
fn complete(headers: &mut HeaderMap, length: Option<u64>) {
    for name in &CONNECTION_FIELDS {
        headers.remove(name);
    }
    if let Some(length) = length {
        headers
            .entry(CONTENT_LENGTH)
            .or_insert_with(|| HeaderValue::from(length));
    }
    headers.entry(DATE).or_insert_with(date::now);
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::Poll;

    use super::*;

    /// However long the wait, it is over at once: only what the client does in between counts.
    const PATIENCE: Duration = Duration::ZERO;

    #[tokio::test]
    async fn who_confirms_nothing_is_not_waited_for() {
        let check = async |heard: &dyn Fn(u64) -> u64, rounds: u64, arrived: bool| {
            let asked = Cell::new(0);
            let counted = || {
                asked.set(asked.get() + 1);
                heard(asked.get())
            };
            let over = std::future::poll_fn(|_| match asked.get() > 10 && arrived {
                true => Poll::Ready(()),
                false => Poll::Pending,
            });
            assert_eq!(arrives(over, counted, PATIENCE).await, arrived);
            assert_eq!(asked.get(), rounds);
        };
        check(&|_| 7, 2, false).await;
        check(&|asked| asked.min(5), 6, false).await;
        check(&|asked| asked, 11, true).await;
        // Somebody who confirms and confirms without ever having all of it.
        check(&|asked| asked, SENT_PIECES_MAX + 1, false).await;
    }
}
