//! The body of the batch endpoints: `{"tokens":[…]}`, with credentials beside it if they are not
//! in the header.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Deserialize;
use tollgate_protocol::ErrorCode;

use crate::{client_authentication::BodyCredentials, refusal::Refusal};

/// The most tokens in one batch.
pub(crate) const TOKENS_MAX: usize = 100;

/// A batch of tokens.
#[derive(Deserialize)]
pub(crate) struct BatchRequest<'a> {
    #[serde(borrow)]
    tokens: Vec<Cow<'a, str>>,
    #[serde(default, borrow)]
    client_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    client_secret: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    client_assertion: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    client_assertion_type: Option<Cow<'a, str>>,
}

impl<'a> BatchRequest<'a> {
    pub(crate) fn parse(body: &'a Bytes) -> Result<Self, Refusal> {
        let invalid = |why| Refusal::bad_request(ErrorCode::InvalidRequest, why);
        let batch: Self = serde_json::from_slice(body)
            .map_err(|_| invalid("the body must be JSON of the shape {tokens: [string, ...]}"))?;
        match batch.tokens.len() {
            0 => Err(invalid("tokens is empty")),
            1..=TOKENS_MAX => Ok(batch),
            _ => Err(invalid("tokens has more than 100 entries")),
        }
    }

    pub(crate) fn tokens(&self) -> Vec<&str> {
        self.tokens.iter().map(|token| &**token).collect()
    }

    pub(crate) fn credentials(&self) -> BodyCredentials<'_> {
        BodyCredentials {
            client_id: self.client_id.as_deref().map(Cow::Borrowed),
            client_secret: self.client_secret.as_deref().map(Cow::Borrowed),
            client_assertion: self.client_assertion.as_deref().map(Cow::Borrowed),
            client_assertion_type: self.client_assertion_type.as_deref().map(Cow::Borrowed),
        }
    }
}
