//! Why a request is refused and how that is answered: the one map from causes to OAuth errors to
//! status codes.

use http::{HeaderValue, Response, StatusCode, header::WWW_AUTHENTICATE};
use tollgate_issuer::{
    IssuerError,
    authenticate::AuthenticationError,
    grant::GrantError,
    one_time::{OneTimeError, RedeemError},
};
use tollgate_protocol::{Challenge, ErrorCode, FormError, OAuthError};
use tollgate_store::StoreError;
use tollgate_web::{BodyError, Rejection, ResponseBody};

use crate::{
    audit::AuditUnavailable,
    limits::{Limited, retry_after},
    respond,
};

/// The realm that challenges name.
pub(crate) const REALM: &str = "tollgate";

/// A request that is not answered as it wished.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: OAuthError,
    challenge: Option<String>,
    retry_after_seconds: Option<u64>,
}

impl Refusal {
    pub(crate) const fn new(status: StatusCode, error: OAuthError) -> Self {
        Self {
            status,
            error,
            challenge: None,
            retry_after_seconds: None,
        }
    }

    /// 400 with an error of `code`.
    pub(crate) fn bad_request(code: ErrorCode, description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, OAuthError::new(code, description))
    }

    /// 401: the client did not prove who it is. The same bytes whatever the cause.
    pub(crate) fn invalid_client() -> Self {
        let error = OAuthError::new(ErrorCode::InvalidClient, "client authentication failed");
        let challenge = Some(format!("Basic realm=\"{REALM}\", charset=\"UTF-8\""));
        Self {
            challenge,
            ..Self::new(StatusCode::UNAUTHORIZED, error)
        }
    }

    /// A refusal of a bearer token (RFC 6750 §3.1).
    pub(crate) fn bearer(status: StatusCode, code: ErrorCode, challenge: &Challenge) -> Self {
        let description = challenge
            .error
            .map_or("no bearer token", |(_, description)| description);
        let error = OAuthError::new(code, description);
        Self {
            challenge: Some(challenge.to_header(REALM)),
            ..Self::new(status, error)
        }
    }

    /// 503: later it may work.
    fn unavailable(description: &'static str) -> Self {
        let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, description);
        Self {
            retry_after_seconds: Some(1),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, error)
        }
    }

    pub(crate) fn into_response(self) -> Response<ResponseBody> {
        let mut response = respond::json(self.status, &self.error);
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge
            && let Ok(challenge) = HeaderValue::try_from(challenge)
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after_seconds {
            retry_after(seconds, headers);
        }
        response
    }
}

impl From<FormError> for Refusal {
    fn from(error: FormError) -> Self {
        let error = OAuthError::new(ErrorCode::InvalidRequest, error.to_string());
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let explained = OAuthError::new(ErrorCode::InvalidRequest, error.to_string());
        Self::new(error.status(), explained)
    }
}

impl From<Limited> for Refusal {
    fn from(limited: Limited) -> Self {
        let error = OAuthError::new(
            ErrorCode::TemporarilyUnavailable,
            "too many requests; see Retry-After",
        );
        Self {
            retry_after_seconds: Some(limited.retry_after_seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, error)
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(_: Rejection) -> Self {
        Self::unavailable("the server is busy; see Retry-After")
    }
}

impl From<AuditUnavailable> for Refusal {
    fn from(error: AuditUnavailable) -> Self {
        tracing::error!(%error, "request refused");
        Self::unavailable("the server cannot answer now; see Retry-After")
    }
}

impl From<AuthenticationError> for Refusal {
    fn from(error: AuthenticationError) -> Self {
        match error {
            AuthenticationError::Broken(error) => error.into(),
            _ => Self::invalid_client(),
        }
    }
}

impl From<GrantError> for Refusal {
    fn from(error: GrantError) -> Self {
        let code = match error {
            GrantError::UnauthorizedClient => ErrorCode::UnauthorizedClient,
            GrantError::InvalidScope => ErrorCode::InvalidScope,
            GrantError::InvalidTarget => ErrorCode::InvalidTarget,
            GrantError::Broken(error) => return error.into(),
            _ => ErrorCode::InvalidRequest,
        };
        Self::new(
            StatusCode::BAD_REQUEST,
            OAuthError::new(code, error.to_string()),
        )
    }
}

impl From<OneTimeError> for Refusal {
    fn from(error: OneTimeError) -> Self {
        match error {
            OneTimeError::Grant(error) => error.into(),
            refused => {
                let error = OAuthError::new(ErrorCode::InvalidRequest, refused.to_string());
                Self::new(StatusCode::BAD_REQUEST, error)
            }
        }
    }
}

impl From<RedeemError> for Refusal {
    /// One answer for a token that is unknown, spent or somebody else's: the difference would tell
    /// a thief whether the token is worth keeping.
    fn from(error: RedeemError) -> Self {
        match error {
            RedeemError::Broken(error) => error.into(),
            _ => Self::bad_request(
                ErrorCode::InvalidGrant,
                "the one-time token is not valid, was redeemed before or is another client's",
            ),
        }
    }
}

impl From<IssuerError> for Refusal {
    fn from(error: IssuerError) -> Self {
        tracing::warn!(%error, "request not served");
        match error {
            IssuerError::Store(StoreError::Corrupt(_)) | IssuerError::Corrupt(_) => Self::failed(),
            IssuerError::Store(_) => {
                Self::unavailable("the store cannot answer now; see Retry-After")
            }
            IssuerError::TokensFull => {
                Self::unavailable("the bound on live tokens is reached; see Retry-After")
            }
            IssuerError::SigningLaneFull => {
                Self::unavailable("the server is busy signing; see Retry-After")
            }
            _ => Self::failed(),
        }
    }
}

impl Refusal {
    /// 500: what broke stands in the log alone.
    fn failed() -> Self {
        let error = OAuthError::new(ErrorCode::ServerError, "internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, error)
    }
}
