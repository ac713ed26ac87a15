//! The claims of a JWT access token (RFC 9068 §2.2): written from a template, read back strictly.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use tollgate_protocol::{ClientId, Resource, Resources, Scope, Subject, UnixSeconds};

use crate::jti::Jti;

/// The claims that every token of one client, scope and audience shares.
pub(crate) struct Constant<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) client: &'a ClientId,
    pub(crate) subject: &'a Subject,
    pub(crate) audience: &'a Resources,
    pub(crate) scope: &'a Scope,
}

/// The claims that no two tokens share.
pub(crate) struct Dates {
    pub(crate) issued_at: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
    pub(crate) jti: Jti,
}

/// The constant claims as an unfinished JSON object, ready for [`complete`].
pub(crate) fn constant(claims: &Constant<'_>) -> String {
    #[derive(Serialize)]
    struct Members<'a> {
        iss: &'a str,
        sub: &'a Subject,
        client_id: &'a ClientId,
        aud: Audience,
        #[serde(skip_serializing_if = "Scope::is_empty")]
        scope: &'a Scope,
    }
    let members = Members {
        iss: claims.issuer,
        sub: claims.subject,
        client_id: claims.client,
        aud: Audience::from(claims.audience),
        scope: claims.scope,
    };
    // Strings and lists of strings always serialise.
    let mut text = serde_json::to_string(&members).unwrap_or_default();
    text.pop();
    text
}

/// The whole JSON object.
pub(crate) fn complete(constant: &str, dates: &Dates) -> String {
    let mut text = String::with_capacity(constant.len() + 96);
    text.push_str(constant);
    let (iat, exp) = (dates.issued_at.0, dates.expires_at.0);
    // Writing to a string cannot fail.
    let _ = write!(text, ",\"iat\":{iat},\"exp\":{exp},\"jti\":\"");
    dates.jti.write(&mut text);
    text.push_str("\"}");
    text
}

/// `aud`: one string when there is one, a list otherwise (RFC 7519 §4.1.3).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(Resource),
    Many(Resources),
}

impl From<&Resources> for Audience {
    fn from(resources: &Resources) -> Self {
        match &**resources {
            [one] => Self::One(one.clone()),
            _ => Self::Many(resources.clone()),
        }
    }
}

impl From<Audience> for Resources {
    fn from(audience: Audience) -> Self {
        match audience {
            Audience::One(resource) => Self::one(resource),
            Audience::Many(resources) => resources,
        }
    }
}

/// The claims as they are read back. What was written here has them all; a token that lacks one
/// was not made here, whatever its signature says.
#[derive(Deserialize)]
pub(crate) struct AccessClaims {
    pub(crate) iss: String,
    pub(crate) sub: Subject,
    pub(crate) client_id: ClientId,
    pub(crate) aud: Audience,
    #[serde(default)]
    pub(crate) scope: Scope,
    pub(crate) iat: UnixSeconds,
    pub(crate) exp: UnixSeconds,
    pub(crate) jti: String,
}

#[cfg(test)]
mod tests {
    use tollgate_store::{ClientEpoch, TokenKey};

    use super::*;

    #[track_caller]
    fn check(audience: &[&str], scope: &str, expected: &str) {
        let audience = audience.iter().map(|resource| resource.parse().unwrap());
        let text = complete(
            &constant(&Constant {
                issuer: "https://auth.example.com",
                client: &"demo".parse().unwrap(),
                subject: &"a \"quoted\" subject".parse().unwrap(),
                audience: &Resources::new(audience).unwrap(),
                scope: &scope.parse().unwrap(),
            }),
            &Dates {
                issued_at: UnixSeconds(100),
                expires_at: UnixSeconds(200),
                jti: Jti {
                    epoch: ClientEpoch(0),
                    key: TokenKey([0; 16]),
                },
            },
        );
        let jti = "A".repeat(32);
        assert_eq!(
            text,
            format!(
                r#"{{"iss":"https://auth.example.com","sub":"a \"quoted\" subject","client_id":"demo",{expected},"iat":100,"exp":200,"jti":"{jti}"}}"#
            )
        );
        let read: AccessClaims = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (read.exp, read.scope.as_str(), read.jti),
            (UnixSeconds(200), scope, jti)
        );
    }

    #[test]
    fn what_is_written_is_read_back() {
        check(&["https://a"], "r w", r#""aud":"https://a","scope":"r w""#);
        check(
            &["https://a", "https://b"],
            "",
            r#""aud":["https://a","https://b"]"#,
        );
    }
}
