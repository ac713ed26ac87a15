//! The parameters that several endpoints understand alike.

use std::borrow::Cow;

use tollgate_protocol::{ErrorCode, Form, Resource, Resources, Scope};

use crate::refusal::Refusal;

/// `scope` (RFC 6749 §3.3).
pub(crate) fn scope(form: &Form<'_>) -> Result<Option<Scope>, Refusal> {
    let Some(text) = form.value("scope")? else {
        return Ok(None);
    };
    match text.parse::<Scope>() {
        Ok(scope) if scope.is_empty() => Ok(None),
        Ok(scope) => Ok(Some(scope)),
        Err(_) => Err(Refusal::bad_request(
            ErrorCode::InvalidScope,
            "scope is malformed or too long",
        )),
    }
}

/// `resource`, which may repeat (RFC 8707 §2).
pub(crate) fn resources(form: &Form<'_>) -> Result<Resources, Refusal> {
    let malformed = || {
        Refusal::bad_request(
            ErrorCode::InvalidTarget,
            "a resource must be an absolute URI without a fragment, and there may be few of them",
        )
    };
    let values = form.values("resource")?;
    let parsed: Result<Vec<Resource>, _> = values.iter().map(|value| value.parse()).collect();
    Resources::new(parsed.map_err(|_| malformed())?).map_err(|_| malformed())
}

/// `token`, which must be there.
pub(crate) fn token<'a>(form: &Form<'a>) -> Result<Cow<'a, str>, Refusal> {
    form.value("token")?
        .ok_or_else(|| Refusal::bad_request(ErrorCode::InvalidRequest, "token is missing"))
}
