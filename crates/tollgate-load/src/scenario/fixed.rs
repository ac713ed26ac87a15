//! The same request over and over: health and the baselines.

use super::{Expect, Scenario, Target};
use crate::request;
use crate::response::Response;

/// One request and its right answer.
pub(super) struct Fixed {
    request: Vec<u8>,
    expect: Expect,
}

/// `GET path`, which must answer with something.
pub(super) fn get(target: &Target, path: &str) -> Fixed {
    let request = request::get(&target.host, path);
    Fixed {
        request,
        expect: Expect {
            status: 200,
            holding: b"",
        },
    }
}

/// `GET path`, which must say hello.
pub(super) fn hello(target: &Target, path: &str) -> Fixed {
    Fixed {
        expect: Expect {
            status: 200,
            holding: b"hello",
        },
        ..get(target, path)
    }
}

/// A token request to `path`, which must answer with JSON.
pub(super) fn form(target: &Target, path: &str) -> Fixed {
    let body = "grant_type=client_credentials";
    let request = request::form(&target.host, path, &target.authorization, body);
    Fixed {
        request,
        expect: Expect {
            status: 200,
            holding: b"{\"",
        },
    }
}

/// `GET /health`.
pub(super) fn health(target: &Target) -> Fixed {
    let request = request::get(&target.host, "/health");
    Fixed {
        request,
        expect: Expect {
            status: 200,
            holding: b"{\"status\":\"ok\"}",
        },
    }
}

impl Scenario for Fixed {
    fn request(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        out.extend_from_slice(&self.request);
        Some(0)
    }

    fn check(&mut self, _: usize, response: &Response<'_>) -> bool {
        self.expect.holds(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_healthy_answer_counts() {
        let target = Target {
            address: ([127, 0, 0, 1], 1).into(),
            host: "h".to_owned(),
            authorization: String::new(),
        };
        let mut health = health(&target);
        let mut check = |status, body: &[u8]| {
            health.check(
                0,
                &Response {
                    status,
                    body,
                    length: body.len(),
                },
            )
        };
        assert!(check(200, b"{\"status\":\"ok\"}"));
        assert!(!check(503, b"{\"status\":\"ok\"}"));
        assert!(!check(200, b"{\"status\":\"down\"}"));
    }
}
