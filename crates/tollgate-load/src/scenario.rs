//! What is asked and which answers are right, one kind of scenario a file.

mod fixed;
mod issue;
mod spend;

use crate::arguments::Arguments;
use crate::engine::{self, Plan};
use crate::error::LoadError;
use crate::request;
use crate::response::Response;
use clap::ValueEnum;
use issue::{Issue, Kind};
use spend::{Reuse, Shape, Spend};
use std::collections::HashSet;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A source of requests that knows the right answers.
pub(crate) trait Scenario {
    /// Appends the next request to `out` and names it; `None` when there is nothing left to ask.
    fn request(&mut self, out: &mut Vec<u8>) -> Option<usize>;

    /// Whether `response` is the right answer to the request called `tag`.
    fn check(&mut self, tag: usize, response: &Response<'_>) -> bool;

    /// Questions after the run that show that it did what its answers said.
    fn probes(&self) -> Vec<Probe> {
        Vec::new()
    }
}

/// A right answer.
#[derive(Clone)]
pub(crate) struct Expect {
    pub(crate) status: u16,
    /// What the body must hold.
    pub(crate) holding: &'static [u8],
}

impl Expect {
    /// Whether `response` is right.
    pub(crate) fn holds(&self, response: &Response<'_>) -> bool {
        response.status == self.status
            && memchr::memmem::find(response.body, self.holding).is_some()
    }
}

/// A question with the answer that it must get.
pub(crate) struct Probe {
    pub(crate) request: Vec<u8>,
    pub(crate) expect: Expect,
}

/// The server under test and the client that it knows.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// The value of the `Host` header.
    pub(crate) host: String,
    /// The value of the `Authorization` header that authenticates the client.
    pub(crate) authorization: String,
}

/// Everything that can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// `GET` of `--path`: the baseline "hello".
    Get,
    /// `GET` of `--path`, which must say hello.
    Hello,
    /// `POST` of a token request to `--path`: the baseline "form".
    Form,
    /// `GET /health`.
    Health,
    /// JWT access tokens for the client.
    TokenJwt,
    /// Opaque access tokens for the client.
    TokenOpaque,
    /// One-time tokens.
    OttIssue,
    /// Redeems one-time tokens issued before, each once.
    OttRedeem,
    /// Introspects live opaque tokens, over and over.
    IntrospectOpaque,
    /// Validates JWTs that the server has not seen before, each once.
    ValidateJwt,
    /// Validates the same few JWTs over and over.
    ValidateCached,
    /// Revokes live opaque tokens, each once.
    Revoke,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.to_possible_value();
        f.write_str(value.as_ref().map_or("", |value| value.get_name()))
    }
}

/// Distinct tokens of a cached run: fewer than any cache holds.
const CACHED_TOKENS: usize = 1000;

/// Prepares the scenario that `arguments` name; issues the tokens that it spends.
///
/// # Errors
/// When the server does not issue them.
pub(crate) fn build(
    arguments: &Arguments,
    target: &Target,
) -> Result<Box<dyn Scenario>, LoadError> {
    let spend = |kind: Kind, count: usize, shape: Shape, reuse: Reuse| {
        let tokens = collect(target, arguments, kind, count)?;
        let spend = Spend::new(target.clone(), tokens, shape, reuse);
        Ok(Box::new(spend) as Box<dyn Scenario>)
    };
    let count = arguments.tokens;
    match arguments.scenario {
        Name::Get => Ok(Box::new(fixed::get(target, &arguments.path))),
        Name::Hello => Ok(Box::new(fixed::hello(target, &arguments.path))),
        Name::Form => Ok(Box::new(fixed::form(target, &arguments.path))),
        Name::Health => Ok(Box::new(fixed::health(target))),
        Name::TokenJwt => Ok(Box::new(Issue::new(target, Kind::Jwt, arguments))),
        Name::TokenOpaque => Ok(Box::new(Issue::new(target, Kind::Opaque, arguments))),
        Name::OttIssue => Ok(Box::new(Issue::new(target, Kind::OneTime, arguments))),
        Name::OttRedeem => spend(Kind::OneTime, count, Shape::Redeem, Reuse::Once),
        Name::IntrospectOpaque => spend(Kind::Opaque, count, Shape::Introspect, Reuse::Cycle),
        Name::ValidateJwt => spend(Kind::Jwt, count, Shape::Validate, Reuse::Once),
        Name::ValidateCached => spend(
            Kind::Jwt,
            count.min(CACHED_TOKENS),
            Shape::Validate,
            Reuse::Cycle,
        ),
        Name::Revoke => spend(Kind::Opaque, count, Shape::Revoke, Reuse::Once),
    }
}

/// Has the server issue `count` tokens.
fn collect(
    target: &Target,
    arguments: &Arguments,
    kind: Kind,
    count: usize,
) -> Result<Vec<Box<str>>, LoadError> {
    let plan = Plan {
        address: target.address,
        connections: arguments.connections,
        warm_up: Duration::ZERO,
        duration: Duration::from_secs(600),
        rate: None,
        pid: None,
        spin: false,
        label: "issuing tokens",
    };
    let mut issue = Issue::collecting(target, kind, arguments, count);
    let outcome = engine::run(&plan, &mut issue)?;
    if let Some(example) = outcome.example {
        return Err(LoadError::Preparation(format!(
            "a token was refused: {example}"
        )));
    }
    let tokens = issue.into_tokens();
    let distinct: HashSet<&str> = tokens.iter().map(|token| &**token).collect();
    if distinct.len() != count {
        let found = distinct.len();
        return Err(LoadError::Preparation(format!(
            "{found} distinct tokens, not {count}"
        )));
    }
    Ok(tokens)
}

/// Asks whether `token` is alive, or dead.
fn introspection(target: &Target, token: &str, holding: &'static [u8]) -> Probe {
    let body = format!("token={token}");
    Probe {
        request: request::form(
            &target.host,
            "/oauth/introspect",
            &target.authorization,
            &body,
        ),
        expect: Expect {
            status: 200,
            holding,
        },
    }
}

const ALIVE: &[u8] = b"\"active\":true";
const DEAD: &[u8] = b"\"active\":false";
