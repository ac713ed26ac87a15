//! Compressed request bodies, unpacked under a bound.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, GzipDecoder, ZstdDecoder};
use async_compression::zstd::DParameter;
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyDataStream, BodyExt};
use pin_project_lite::pin_project;
use tokio::io::{AsyncBufRead, AsyncRead};
use tokio_util::io::{StreamReader, poll_read_buf};
use tower_layer::Layer;
use tower_service::Service;

use super::bounded::{BoundedBody, BoundedFuture, Tripped};
use super::policy::{Refusal, refusal};
use crate::StreamError;

const PIECE_BYTES: usize = 16 * 1024;
/// 8 MiB, all that RFC 9659 lets a sender ask for; the library's own bound is sixteen times that.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Unpacks request bodies sent with `Content-Encoding: gzip`, `br` or `zstd`.
///
/// A body that grows beyond the bound fails, and where the service then fails or answers with an
/// error, the answer is 413; any other coding, or one upon another, is answered 415. Bodies without a coding pass as
/// they are: bound them by [`BodyLimit`](super::BodyLimit), outside of this layer.
///
/// # Security
/// A client can ask for a window of 8 MiB (zstd) or 16 MiB (br) while a request lasts, with a body
/// of a few bytes. Bound the requests in flight.
///
/// ```
/// use axum::{Router, routing::post};
/// use tollgate_web::layers::Decompression;
///
/// let app: Router = Router::new()
///     .route("/import", post(|text: String| async move { text }))
///     .layer(Decompression::new(1 << 20));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decompression(u64);

impl Decompression {
    /// Lets a body have this many bytes once unpacked.
    #[must_use]
    pub fn new(unpacked_bytes_max: u64) -> Self {
        Self(unpacked_bytes_max)
    }
}

impl<S> Layer<S> for Decompression {
    type Service = Decompressed<S>;

    fn layer(&self, inner: S) -> Decompressed<S> {
        Decompressed {
            inner,
            bytes_max: self.0,
        }
    }
}

/// The service of [`Decompression`].
#[derive(Clone, Debug)]
pub struct Decompressed<S> {
    inner: S,
    bytes_max: u64,
}

#[derive(Clone, Copy)]
enum Coding {
    Gzip,
    Brotli,
    Zstd,
}

impl<S, B, R> Service<Request<B>> for Decompressed<S>
where
    S: Service<Request<DecodedBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StreamError>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoundedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let coding = match coding(request.headers()) {
            Ok(Some(coding)) => coding,
            Ok(None) => {
                let request = request.map(|body| DecodedBody {
                    kind: Kind::Plain { body },
                });
                return BoundedFuture::asked(self.inner.call(request), None);
            }
            Err(refusal) => return BoundedFuture::refused(refusal),
        };
        request.headers_mut().remove(CONTENT_ENCODING);
        request.headers_mut().remove(CONTENT_LENGTH);
        let tripped = Tripped::default();
        let request = request.map(|body| {
            let unpacked = unpack(coding, body);
            let body = BoundedBody::new(unpacked, self.bytes_max, Some(tripped.clone()));
            DecodedBody {
                kind: Kind::Unpacked { body },
            }
        });
        BoundedFuture::asked(self.inner.call(request), Some(tripped))
    }
}

fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Refusal> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    let Some(name) = codings.next() else {
        return Ok(None);
    };
    let name = name.as_bytes().trim_ascii().to_ascii_lowercase();
    match (name.as_slice(), codings.next()) {
        (b"gzip" | b"x-gzip", None) => Ok(Some(Coding::Gzip)),
        (b"br", None) => Ok(Some(Coding::Brotli)),
        (b"zstd", None) => Ok(Some(Coding::Zstd)),
        (b"identity", None) => Ok(None),
        _ => {
            let mut refused = refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            // RFC 9110 §15.5.16: what would be supported.
            let known = HeaderValue::from_static("gzip, br, zstd");
            refused.headers_mut().insert(ACCEPT_ENCODING, known);
            Err(refused)
        }
    }
}

type Unpacked = Pin<Box<dyn Body<Data = Bytes, Error = io::Error> + Send>>;

fn unpack<B>(coding: Coding, body: B) -> Unpacked
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<StreamError>,
{
    let body = body.map_err(|error| io::Error::other(error.into()));
    let packed = StreamReader::new(BodyDataStream::new(body));
    match coding {
        Coding::Gzip => {
            let mut reader = GzipDecoder::new(packed);
            reader.multiple_members(true);
            Box::pin(ReadBody::new(reader))
        }
        Coding::Brotli => {
            let ends = |reader: Pin<&mut BrotliDecoder<_>>, cx: &mut Context<'_>| {
                poll_nothing(reader.get_pin_mut(), cx)
            };
            Box::pin(ReadBody::ending(BrotliDecoder::new(packed), ends))
        }
        Coding::Zstd => {
            let window = [DParameter::window_log_max(ZSTD_WINDOW_LOG_MAX)];
            let mut reader = ZstdDecoder::with_params(packed, &window);
            reader.multiple_members(true);
            Box::pin(ReadBody::new(reader))
        }
    }
}

/// Nothing may follow a packed body: a service that was shown less than another could be misled.
fn poll_nothing(packed: Pin<&mut impl AsyncBufRead>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    let rest = ready!(packed.poll_fill_buf(cx))?;
    Poll::Ready(match rest.is_empty() {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    })
}

/// Whether what a reader has read is really all.
type Ends<R> = fn(Pin<&mut R>, &mut Context<'_>) -> Poll<io::Result<()>>;

pin_project! {
    /// A body read from a reader.
    struct ReadBody<R> {
        #[pin]
        reader: R,
        buffer: BytesMut,
        ends: Ends<R>,
    }
}

impl<R> ReadBody<R> {
    fn new(reader: R) -> Self {
        Self::ending(reader, |_, _| Poll::Ready(Ok(())))
    }

    fn ending(reader: R, ends: Ends<R>) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            ends,
        }
    }
}

impl<R: AsyncRead> Body for ReadBody<R> {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut this = self.project();
        this.buffer.reserve(PIECE_BYTES);
        let read = ready!(poll_read_buf(this.reader.as_mut(), cx, this.buffer))?;
        if read == 0 {
            ready!((this.ends)(this.reader, cx))?;
            return Poll::Ready(None);
        }
        Poll::Ready(Some(Ok(Frame::data(this.buffer.split().freeze()))))
    }
}

pin_project! {
    /// The body that the service reads: as it came, or unpacked.
    pub struct DecodedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Plain { #[pin] body: B },
        Unpacked { #[pin] body: BoundedBody<Unpacked> },
    }
}

impl<B> Body for DecodedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<StreamError>,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        match self.project().kind.project() {
            KindProjection::Plain { body } => body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            KindProjection::Unpacked { body } => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Plain { body } => body.is_end_stream(),
            Kind::Unpacked { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Plain { body } => body.size_hint(),
            Kind::Unpacked { body } => body.size_hint(),
        }
    }
}
