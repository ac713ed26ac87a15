//! What the client side needs of HTTP: one small trait, to be replaced at will.

use std::fmt;
use std::time::Duration;

use zeroize::Zeroizing;

/// A request to a provider.
#[derive(Clone)]
#[non_exhaustive]
pub struct FetchRequest {
    /// Where to. Judged already are the scheme, and that no provider's document leads to loopback or
    /// to a private address by its number. What a name resolves to is for the client to judge, with
    /// [`AddressPolicy`](super::AddressPolicy) for example.
    pub url: String,
    /// A form body; with it or a JSON body the method is POST, else GET.
    pub form: Option<Zeroizing<String>>,
    /// A JSON body.
    pub json: Option<Zeroizing<String>>,
    /// The value of `Authorization`.
    pub authorization: Option<Zeroizing<String>>,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// Longest body to read; a longer one is [`FetchError::TooLarge`].
    pub bytes_max: usize,
    /// Time for all of it, from name resolution to the last byte.
    pub timeout: Duration,
}

impl FetchRequest {
    /// A GET for JSON.
    #[must_use]
    pub fn new(url: &str, bytes_max: usize, timeout: Duration) -> Self {
        let accept = "application/json";
        let (form, json, authorization) = (None, None, None);
        Self {
            url: url.to_owned(),
            form,
            json,
            authorization,
            accept,
            bytes_max,
            timeout,
        }
    }
}

impl fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// A provider's answer.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct FetchResponse {
    /// Status code.
    pub status: u16,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Age`, in seconds.
    pub age_seconds: Option<u64>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// How long `Retry-After` says to wait.
    pub retry_after: Option<Duration>,
    /// Body.
    pub body: Vec<u8>,
}

impl FetchResponse {
    /// An answer with this status and body, and nothing in its head.
    #[must_use]
    pub fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body,
            ..Self::default()
        }
    }
}

impl fmt::Debug for FetchResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.body.len();
        f.debug_struct("FetchResponse")
            .field("status", &self.status)
            .field("len", &len)
            .finish_non_exhaustive()
    }
}

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL or the address that its name resolves to may not be asked.
    #[error("fetch: address refused")]
    AddressRefused,
    /// The body exceeds the limit.
    #[error("fetch: answer too large")]
    TooLarge,
    /// No answer in time.
    #[error("fetch: timed out")]
    TimedOut,
    /// The connection or the protocol failed.
    #[error("fetch: {0}")]
    Failed(Box<str>),
    /// An answer other than 200.
    #[error("fetch: status {0}")]
    Status(u16),
    /// An answer of 429 or 503 that says when to come back.
    #[error("fetch: status {status}, come back in {retry_after:?}")]
    Busy {
        /// The status.
        status: u16,
        /// `Retry-After`.
        retry_after: Duration,
    },
    /// The metadata are those of this issuer, and not of the one that was asked for.
    #[error("fetch: metadata of another issuer, {0:?}")]
    OtherIssuer(Box<str>),
    /// The answer is not what it should be.
    #[error("fetch: {0}")]
    Invalid(&'static str),
}

impl FetchResponse {
    /// The answer, if it is one of 200 within `bytes_max`.
    pub(crate) fn accepted(self, bytes_max: usize) -> Result<Self, FetchError> {
        match (self.status, self.retry_after) {
            (200, _) if self.body.len() > bytes_max => Err(FetchError::TooLarge),
            (200, _) => Ok(self),
            (status @ (429 | 503), Some(retry_after)) => Err(FetchError::Busy {
                status,
                retry_after,
            }),
            (status, _) => Err(FetchError::Status(status)),
        }
    }
}

/// Sends one request and waits for the answer.
///
/// It is called on a thread of its own, so it may block. It should not follow redirects unasked:
/// where a provider's keys are is not for a third party to say.
pub trait HttpClient: Send + Sync + 'static {
    /// Sends the request.
    ///
    /// # Errors
    /// [`FetchError`] when there is no answer; an answer of any status is a success.
    fn fetch(&self, request: &FetchRequest) -> Result<FetchResponse, FetchError>;
}
