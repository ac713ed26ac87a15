//! Issuing tokens: JWT, opaque and one-time.

use super::{ALIVE, Probe, Scenario, Target, introspection};
use crate::arguments::Arguments;
use crate::request;
use crate::response::Response;
use memchr::memmem;

/// One token in this many is kept and asked about after the run.
const SAMPLE_EVERY: usize = 1009;
const SAMPLES_MAX: usize = 200;

/// The kind of token asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Jwt,
    Opaque,
    OneTime,
}

impl Kind {
    fn path(self) -> &'static str {
        match self {
            Self::Jwt | Self::Opaque => "/oauth/token",
            Self::OneTime => "/oauth/ott",
        }
    }

    /// The member of the answer that holds the token.
    fn member(self) -> &'static [u8] {
        match self {
            Self::Jwt | Self::Opaque => b"\"access_token\":\"",
            Self::OneTime => b"\"token\":\"",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Jwt => "eyJ",
            Self::Opaque => "tgat_",
            Self::OneTime => "tgot_",
        }
    }
}

/// How many tokens are kept.
enum Keep {
    /// A few, to ask about.
    Samples,
    /// All of this many, to spend.
    All(usize),
}

/// Asks for tokens.
pub(super) struct Issue {
    request: Vec<u8>,
    kind: Kind,
    keep: Keep,
    asked: usize,
    tokens: Vec<Box<str>>,
    target: Target,
}

impl Issue {
    /// Asks for tokens as long as the run lasts.
    pub(super) fn new(target: &Target, kind: Kind, arguments: &Arguments) -> Self {
        let mut body = match kind {
            Kind::Jwt | Kind::Opaque => "grant_type=client_credentials".to_owned(),
            Kind::OneTime => "subject=load".to_owned(),
        };
        for (name, value) in [
            ("scope", &arguments.scope),
            ("resource", &arguments.resource),
        ] {
            if let Some(value) = value {
                body.push_str(&format!("&{name}={}", request::form_encoded(value)));
            }
        }
        Self {
            request: request::form(&target.host, kind.path(), &target.authorization, &body),
            kind,
            keep: Keep::Samples,
            asked: 0,
            tokens: Vec::new(),
            target: target.clone(),
        }
    }

    /// Asks for `count` tokens and keeps them.
    pub(super) fn collecting(
        target: &Target,
        kind: Kind,
        arguments: &Arguments,
        count: usize,
    ) -> Self {
        let issue = Self::new(target, kind, arguments);
        Self {
            keep: Keep::All(count),
            tokens: Vec::with_capacity(count),
            ..issue
        }
    }

    /// The tokens that were kept.
    pub(super) fn into_tokens(self) -> Vec<Box<str>> {
        self.tokens
    }

    fn token<'a>(&self, body: &'a [u8]) -> Option<&'a str> {
        let member = self.kind.member();
        let start = memmem::find(body, member)?.checked_add(member.len())?;
        let rest = body.get(start..)?;
        let token = std::str::from_utf8(rest.get(..memchr::memchr(b'"', rest)?)?).ok()?;
        (token.len() > 40 && token.starts_with(self.kind.prefix())).then_some(token)
    }
}

impl Scenario for Issue {
    fn request(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        if matches!(self.keep, Keep::All(count) if self.asked >= count) {
            return None;
        }
        out.extend_from_slice(&self.request);
        self.asked += 1;
        Some(self.asked)
    }

    fn check(&mut self, tag: usize, response: &Response<'_>) -> bool {
        if response.status != 200 {
            return false;
        }
        let Some(token) = self.token(response.body) else {
            return false;
        };
        let wanted = match self.keep {
            Keep::All(_) => true,
            Keep::Samples => tag % SAMPLE_EVERY == 1 && self.tokens.len() < SAMPLES_MAX,
        };
        if wanted {
            if self.tokens.last().is_some_and(|last| **last == *token) {
                return false;
            }
            self.tokens.push(token.into());
        }
        true
    }

    fn probes(&self) -> Vec<Probe> {
        self.tokens
            .iter()
            .map(|token| introspection(&self.target, token, ALIVE))
            .collect()
    }
}
