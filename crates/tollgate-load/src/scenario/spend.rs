//! Asking about tokens, or using them up: introspection, validation, redemption, revocation.

use super::{DEAD, Expect, Probe, Scenario, Target, introspection};
use crate::request;
use crate::response::Response;
use std::io::Write as _;

/// Spent tokens that are asked about after a run.
const SAMPLES_MAX: usize = 200;

/// What is done with a token.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Introspect,
    Validate,
    Redeem,
    Revoke,
}

/// Whether a token may be used again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    Once,
    Cycle,
}

/// Uses tokens.
pub(super) struct Spend {
    target: Target,
    tokens: Vec<Box<str>>,
    shape: Shape,
    reuse: Reuse,
    asked: usize,
    /// Everything up to the value of `Content-Length`, or of the bearer token.
    head: Vec<u8>,
    expect: Expect,
}

impl Shape {
    fn head(self, target: &Target) -> Vec<u8> {
        let path = match self {
            Self::Validate => {
                let host = &target.host;
                let start = "GET /oauth/validate HTTP/1.1";
                return format!("{start}\r\nHost: {host}\r\nAuthorization: Bearer ").into_bytes();
            }
            Self::Introspect => "/oauth/introspect",
            Self::Redeem => "/oauth/ott/redeem",
            Self::Revoke => "/oauth/revoke",
        };
        let empty = request::form(&target.host, path, &target.authorization, "");
        let end = empty.len() - "0\r\n\r\n".len();
        empty.get(..end).unwrap_or_default().to_vec()
    }

    fn expect(self) -> Expect {
        let holding: &[u8] = match self {
            Self::Introspect => super::ALIVE,
            Self::Validate => b"\"valid\":true",
            Self::Redeem => b"\"sub\":\"load\"",
            Self::Revoke => b"",
        };
        Expect {
            status: 200,
            holding,
        }
    }
}

impl Spend {
    /// Uses `tokens` in their order.
    pub(super) fn new(target: Target, tokens: Vec<Box<str>>, shape: Shape, reuse: Reuse) -> Self {
        let (head, expect) = (shape.head(&target), shape.expect());
        Self {
            target,
            tokens,
            shape,
            reuse,
            asked: 0,
            head,
            expect,
        }
    }

    /// Tokens that were used, spread over the run.
    fn samples(&self) -> impl Iterator<Item = &str> {
        let used = self.asked.min(self.tokens.len());
        let step = used.div_ceil(SAMPLES_MAX).max(1);
        self.tokens
            .iter()
            .take(used)
            .step_by(step)
            .map(|token| &**token)
    }
}

impl Scenario for Spend {
    fn request(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let tag = match self.reuse {
            Reuse::Once => self.asked,
            Reuse::Cycle => self.asked.checked_rem(self.tokens.len())?,
        };
        let token = self.tokens.get(tag)?;
        out.extend_from_slice(&self.head);
        if self.shape == Shape::Validate {
            out.extend_from_slice(token.as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
        } else {
            let length = "token=".len() + token.len();
            let _infallible = write!(out, "{length}\r\n\r\ntoken={token}");
        }
        self.asked += 1;
        Some(tag)
    }

    fn check(&mut self, _: usize, response: &Response<'_>) -> bool {
        self.expect.holds(response)
    }

    fn probes(&self) -> Vec<Probe> {
        match self.shape {
            // What does not change a token leaves nothing to ask.
            Shape::Introspect | Shape::Validate => Vec::new(),
            Shape::Revoke => self
                .samples()
                .map(|token| introspection(&self.target, token, DEAD))
                .collect(),
            Shape::Redeem => self
                .samples()
                .map(|token| second_redemption(self, token))
                .collect(),
        }
    }
}

fn second_redemption(spend: &Spend, token: &str) -> Probe {
    let target = &spend.target;
    let body = format!("token={token}");
    Probe {
        request: request::form(
            &target.host,
            "/oauth/ott/redeem",
            &target.authorization,
            &body,
        ),
        expect: Expect {
            status: 400,
            holding: b"invalid_grant",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spend(shape: Shape, reuse: Reuse) -> Spend {
        let target = Target {
            address: ([127, 0, 0, 1], 1).into(),
            host: "h".to_owned(),
            authorization: "Basic x".to_owned(),
        };
        Spend::new(target, vec!["one".into(), "two".into()], shape, reuse)
    }

    fn requests(mut spend: Spend, count: usize) -> Vec<Option<String>> {
        let mut next = || {
            let mut out = Vec::new();
            spend
                .request(&mut out)
                .map(|_| String::from_utf8(out).expect("text"))
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn tokens_are_spent_once_or_over_and_over() {
        let once = requests(spend(Shape::Redeem, Reuse::Once), 3);
        assert!(
            once[0]
                .as_ref()
                .is_some_and(|text| text.ends_with("9\r\n\r\ntoken=one"))
        );
        assert!(
            once[1]
                .as_ref()
                .is_some_and(|text| text.ends_with("9\r\n\r\ntoken=two"))
        );
        assert_eq!(once[2], None);
        let cycle = requests(spend(Shape::Introspect, Reuse::Cycle), 3);
        assert_eq!(cycle[0], cycle[2]);
        assert_ne!(cycle[0], cycle[1]);
    }

    #[test]
    fn a_validation_carries_its_token_in_the_head() {
        let text = requests(spend(Shape::Validate, Reuse::Once), 1)
            .remove(0)
            .expect("a token");
        let expected = "GET /oauth/validate HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer one";
        assert_eq!(text, format!("{expected}\r\n\r\n"));
    }

    #[test]
    fn only_what_was_spent_is_asked_about() {
        let mut spend = spend(Shape::Redeem, Reuse::Once);
        assert!(spend.probes().is_empty());
        spend.request(&mut Vec::new());
        assert_eq!(spend.probes().len(), 1);
    }
}
