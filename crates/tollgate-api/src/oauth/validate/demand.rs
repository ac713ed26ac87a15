//! What a token must be to be let through: from the query, and from the target that the gateway
//! names.

use http::StatusCode;
use tollgate_protocol::{Challenge, ErrorCode, Form, Resource, Scope};
use tollgate_store::{Store, TokenRecord};

use super::target::Target;
use crate::{Api, call::Call, refusal::Refusal, state::RouteDemand};

/// Demands on a token; the empty demand is met by every live token.
#[derive(Default)]
pub(super) struct Demand {
    pub(super) scope: Option<Scope>,
    audiences: Vec<Resource>,
}

/// Which demand is not met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    Scope,
    Audience,
}

impl Demand {
    /// What is demanded of a token for this call.
    pub(super) fn of<S: Store>(api: &Api<S>, call: &Call<'_>) -> Result<Self, Refusal> {
        let mut demand = Self::of_query(call.parts.uri.query().unwrap_or_default())?;
        if api.targets.is_empty() {
            return Ok(demand);
        }
        let is_explicit = demand.scope.is_some() || !demand.audiences.is_empty();
        // A gateway commonly stands on the same machine; any other must be a trusted proxy.
        let is_believed = call.peer.is_loopback() || api.trusted_proxies.contains(call.peer);
        let target = if is_believed {
            Target::of(&call.parts.headers)?
        } else {
            None
        };
        match target.as_ref().and_then(|target| api.targets.find(target)) {
            Some(route) => demand.add(route),
            None if target.is_none() && is_explicit => {}
            // With a table, what is not in it is nobody's to reach.
            None => return Err(no_route()),
        }
        Ok(demand)
    }

    fn of_query(query: &str) -> Result<Self, Refusal> {
        let form = Form::parse(query.as_bytes())?;
        form.refuse_repeated(&[])?;
        let scope = super::super::parameters::scope(&form)?;
        let audience = form
            .value("audience")?
            .map(|audience| audience.parse())
            .transpose();
        let audience = audience.map_err(|_| {
            Refusal::bad_request(
                ErrorCode::InvalidRequest,
                "audience must be an absolute URI",
            )
        })?;
        Ok(Self {
            scope,
            audiences: audience.into_iter().collect(),
        })
    }

    fn add(&mut self, route: &RouteDemand) {
        self.audiences.extend(route.audience.clone());
        self.scope = match (self.scope.take(), &route.scope) {
            (Some(asked), Some(needed)) => format!("{asked} {needed}").parse().ok(),
            (asked, needed) => asked.or_else(|| needed.clone()),
        };
    }

    pub(super) fn check(&self, record: &TokenRecord) -> Result<(), Unmet> {
        if !self
            .audiences
            .iter()
            .all(|audience| record.audience.contains(audience))
        {
            return Err(Unmet::Audience);
        }
        match &self.scope {
            Some(scope) if !record.scope.covers(scope) => Err(Unmet::Scope),
            _ => Ok(()),
        }
    }
}

fn no_route() -> Refusal {
    let code = ErrorCode::InsufficientScope;
    let error = Some((code, "no route is configured for this target"));
    Refusal::bearer(
        StatusCode::FORBIDDEN,
        code,
        &Challenge { error, scope: None },
    )
}
