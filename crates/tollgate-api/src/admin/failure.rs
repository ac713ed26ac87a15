//! Why an administrator's request fails, and how that is answered.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::rejection::{BytesRejection, PathRejection, QueryRejection},
    http::{HeaderValue, StatusCode, header::WWW_AUTHENTICATE},
    response::{IntoResponse, Response},
};
use tollgate_issuer::{
    AdminError, IssuerError,
    grant::GrantError,
    one_time::{OneTimeError, RedeemError},
};
use tollgate_web::profiling::ProfileError;

use crate::{audit::AuditUnavailable, limits::Limited, refusal::Refusal, respond};

/// A request that is not answered as it wished.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request is at fault.
    Refused {
        status: StatusCode,
        code: &'static str,
        description: Cow<'static, str>,
    },
    /// The caller did not prove to be an administrator.
    Unauthorized {
        challenge: &'static str,
        description: &'static str,
    },
    /// The public API would answer it the same way.
    Shared(Refusal),
}

#[derive(serde::Serialize)]
struct Explained<'a> {
    error: &'a str,
    error_description: &'a str,
}

impl Failure {
    pub(super) fn invalid(description: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::BAD_REQUEST, "invalid_request", description)
    }

    pub(super) fn not_found(description: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::NOT_FOUND, "not_found", description)
    }

    pub(super) fn conflict(description: impl Into<Cow<'static, str>>) -> Self {
        Self::refused(StatusCode::CONFLICT, "conflict", description)
    }

    fn refused(
        status: StatusCode,
        code: &'static str,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::Refused {
            status,
            code,
            description: description.into(),
        }
    }

    pub(super) fn no_json() -> Self {
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        Self::refused(
            status,
            "invalid_request",
            "the body must be application/json",
        )
    }

    /// No token at all: RFC 6750 §3 leaves out the error then.
    pub(super) const fn no_token() -> Self {
        Self::Unauthorized {
            challenge: r#"Bearer realm="tollgate-admin""#,
            description: "the admin token is missing",
        }
    }

    pub(super) const fn wrong_token() -> Self {
        Self::Unauthorized {
            challenge: r#"Bearer realm="tollgate-admin", error="invalid_token""#,
            description: "the admin token is wrong",
        }
    }

    /// The error code, for the audit log.
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Unauthorized { .. } => "invalid_token",
            Self::Shared(_) => "failed",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let answer = |status, error, error_description| {
            respond::json(
                status,
                &Explained {
                    error,
                    error_description,
                },
            )
            .map(Body::new)
        };
        match self {
            Self::Refused {
                status,
                code,
                description,
            } => answer(status, code, &description),
            Self::Unauthorized {
                challenge,
                description,
            } => {
                let mut response = answer(StatusCode::UNAUTHORIZED, "invalid_token", description);
                let challenge = HeaderValue::from_static(challenge);
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                response
            }
            Self::Shared(refusal) => refusal.into_response().map(Body::new),
        }
    }
}

/// There is nothing at this path.
pub(super) async fn no_route() -> Failure {
    Failure::not_found("there is nothing at this path")
}

/// There is something, but not with this method; the router adds `Allow`.
pub(super) async fn no_method() -> Failure {
    Failure::refused(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request",
        "the method is not allowed here; see Allow",
    )
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound(_) => Self::not_found(error.to_string()),
            AdminError::AlreadyExists(_) | AdminError::Conflict(_) => {
                Self::conflict(error.to_string())
            }
            AdminError::Broken(error) => Self::Shared(error.into()),
            _ => Self::invalid(error.to_string()),
        }
    }
}

impl From<IssuerError> for Failure {
    fn from(error: IssuerError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<OneTimeError> for Failure {
    fn from(error: OneTimeError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<RedeemError> for Failure {
    fn from(error: RedeemError) -> Self {
        Self::Shared(error.into())
    }
}

impl From<Limited> for Failure {
    fn from(limited: Limited) -> Self {
        Self::Shared(limited.into())
    }
}

impl From<AuditUnavailable> for Failure {
    fn from(error: AuditUnavailable) -> Self {
        Self::Shared(error.into())
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Busy(_) => Self::conflict(error.to_string()),
            ProfileError::Duration => Self::invalid(error.to_string()),
            ProfileError::HeapNotProfiled => Self::not_found(error.to_string()),
            _ => {
                tracing::warn!(%error, "no profile");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Self::refused(status, "server_error", "internal error")
            }
        }
    }
}

/// What the extractors of axum refuse keeps its status: 400 or 413.
macro_rules! rejection {
    ($($rejection:ty),+) => {
        $(impl From<$rejection> for Failure {
            fn from(rejection: $rejection) -> Self {
                Self::refused(rejection.status(), "invalid_request", rejection.body_text())
            }
        })+
    };
}

rejection!(QueryRejection, PathRejection, BytesRejection);
