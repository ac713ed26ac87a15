//! Protection of cookie-based routes against requests that other sites make their visitors send.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CACHE_CONTROL, COOKIE, HOST, HeaderName, ORIGIN, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use subtle::ConstantTimeEq;

use super::policy::{Policy, Refusal, policy_layer, refusal};
use crate::cors::parse_origin;
use crate::{OriginError, RequestInfo, Scheme};

static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
static X_CSRF_TOKEN: HeaderName = HeaderName::from_static("x-csrf-token");

/// The prefix keeps other hosts of the domain from setting it (RFC 6265bis §4.1.3.2).
const COOKIE_NAME: &str = "__Host-csrf";
/// 32 bytes in base64url.
const TOKEN_CHARS: usize = 43;

/// Refuses with 403 what changes something and was not meant by the visitor.
///
/// `GET`, `HEAD`, `OPTIONS` and `TRACE` pass, and must change nothing. Any other request
/// 1. must come from this origin or a trusted one, by its `Sec-Fetch-Site` or else its `Origin`;
/// 2. must repeat in its `X-CSRF-Token` header the token of its `__Host-csrf` cookie.
///
/// The cookie is set on the first answer to a client that has none; pages find the token in the
/// cookie, or the service finds it as [`CsrfToken`] among the request's extensions and writes it
/// into the page, which it must then mark as a [`SecretAnswer`](super::SecretAnswer): packed, its
/// length would tell of the token. Browsers keep the cookie over https alone, and on `localhost`.
///
/// # Security
/// For routes that know their visitor by a cookie. Where requests carry `Authorization` there is
/// nothing to protect, and programs without cookies would be refused.
///
/// ```
/// use axum::{Router, routing::post};
/// use tollgate_web::layers::Csrf;
///
/// # fn random() -> [u8; 32] { [7; 32] } // in earnest: the system's random generator
/// let app: Router = Router::new()
///     .route("/transfer", post(|| async { "done" }))
///     .layer(Csrf::new(random));
/// ```
#[derive(Clone)]
pub struct Csrf(Arc<Rules>);

#[derive(Clone)]
struct Rules {
    random: Arc<dyn Fn() -> [u8; 32] + Send + Sync>,
    trusted: Vec<HeaderValue>,
}

/// The token that the client's next request must repeat.
#[derive(Clone)]
pub struct CsrfToken([u8; TOKEN_CHARS]);

impl CsrfToken {
    fn new(random: &[u8; 32]) -> Self {
        let mut chars = [b'A'; TOKEN_CHARS];
        // 32 bytes fill 43 characters exactly.
        let _ = URL_SAFE_NO_PAD.encode_slice(random, &mut chars);
        Self(chars)
    }

    fn parse(untrusted: &[u8]) -> Option<Self> {
        let in_alphabet = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'_';
        let chars: [u8; TOKEN_CHARS] = untrusted.try_into().ok()?;
        chars.iter().all(in_alphabet).then_some(Self(chars))
    }

    /// The token as text: letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

impl Csrf {
    /// Trusts this origin alone. `random` gives 32 bytes from a cryptographic generator each time.
    pub fn new(random: impl Fn() -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self(Arc::new(Rules {
            random: Arc::new(random),
            trusted: Vec::new(),
        }))
    }

    /// Lets these origins send requests too; they still need the token.
    ///
    /// # Errors
    /// When one of them is not an origin.
    pub fn trust<O: AsRef<str>>(mut self, origins: &[O]) -> Result<Self, OriginError> {
        let origins = origins.iter().map(|origin| parse_origin(origin.as_ref()));
        Arc::make_mut(&mut self.0).trusted = origins.collect::<Result<_, _>>()?;
        Ok(self)
    }

    fn comes_from_here<B>(&self, request: &Request<B>) -> bool {
        let headers = request.headers();
        let origin = headers.get(ORIGIN);
        if origin.is_some_and(|origin| self.0.trusted.contains(origin)) {
            return true;
        }
        match (headers.get(&SEC_FETCH_SITE), origin) {
            // `none`: the visitor's own doing, such as a bookmark.
            (Some(site), _) => site == "same-origin" || site == "none",
            (None, Some(origin)) => is_own(origin, request),
            // No browser, or one from before 2020; the token decides.
            (None, None) => true,
        }
    }
}

/// Whether the origin is the one that the request was sent to.
fn is_own<B>(origin: &HeaderValue, request: &Request<B>) -> bool {
    let Some((scheme, authority)) = origin.to_str().ok().and_then(|o| o.split_once("://")) else {
        return false;
    };
    let info = request.extensions().get::<RequestInfo>();
    let forwarded = info.and_then(|info| info.forwarded_host());
    let of_uri = || request.uri().authority().map(http::uri::Authority::as_str);
    let of_header = || request.headers().get(HOST)?.to_str().ok();
    let Some(host) = forwarded.or_else(of_uri).or_else(of_header) else {
        return false;
    };
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let spoken = info.map_or(scheme, |info| Scheme::as_str(info.scheme()));
    scheme == spoken && authority.eq_ignore_ascii_case(host)
}

/// The token of the request's cookie; of two cookies one is somebody else's, and none counts.
fn cookie_token(headers: &HeaderMap) -> Option<CsrfToken> {
    let lines = headers.get_all(COOKIE).into_iter();
    let cookies = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';'));
    let mut values = cookies.filter_map(|cookie| {
        let named = cookie.trim_ascii().strip_prefix(COOKIE_NAME.as_bytes())?;
        named.strip_prefix(b"=")
    });
    match (values.next(), values.next()) {
        (Some(value), None) => CsrfToken::parse(value),
        _ => None,
    }
}

fn is_repeated(token: &CsrfToken, headers: &HeaderMap) -> bool {
    let sent = headers.get(&X_CSRF_TOKEN);
    sent.is_some_and(|sent| bool::from(sent.as_bytes().ct_eq(&token.0)))
}

impl Policy for Csrf {
    /// The cookie to set.
    type Kept = Option<HeaderValue>;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Self::Kept, Refusal> {
        let known = cookie_token(request.headers());
        let safe = [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE];
        if safe.contains(request.method()) {
            let fresh = known.is_none();
            let token = known.unwrap_or_else(|| CsrfToken::new(&(self.0.random)()));
            let cookie = fresh.then(|| set_cookie(&token));
            request.extensions_mut().insert(token);
            return Ok(cookie);
        }
        match known {
            Some(token)
                if self.comes_from_here(request) && is_repeated(&token, request.headers()) =>
            {
                request.extensions_mut().insert(token);
                Ok(None)
            }
            _ => Err(refusal(StatusCode::FORBIDDEN)),
        }
    }

    fn after<B>(&self, cookie: Self::Kept, response: &mut Response<B>) {
        let Some(cookie) = cookie else { return };
        let headers = response.headers_mut();
        headers.append(SET_COOKIE, cookie);
        // A token that a shared cache hands to everyone protects nobody.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    }
}

fn set_cookie(token: &CsrfToken) -> HeaderValue {
    let cookie = format!(
        "{COOKIE_NAME}={}; Path=/; Secure; SameSite=Lax",
        token.as_str()
    );
    let mut value = HeaderValue::from_str(&cookie).unwrap_or(HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

policy_layer!(Csrf);
