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
    scopes: Vec<Scope>,
    audiences: Vec<Resource>,
}

/// Which demand is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    /// What the scope of the token lacks.
    Scope(Scope),
    Audience,
}

impl Demand {
    /// What is demanded of a token for this call.
    pub(super) fn of<S: Store>(api: &Api<S>, call: &Call<'_>) -> Result<Self, Refusal> {
        let mut demand = Self::of_query(call.parts.uri.query().unwrap_or_default())?;
        if api.targets.is_empty() {
            return Ok(demand);
        }
        let is_explicit = !demand.scopes.is_empty() || !demand.audiences.is_empty();
        let Some(target) = Target::of(&call.parts.headers)? else {
            // Without a target the query must say what is demanded.
            return if is_explicit {
                Ok(demand)
            } else {
                Err(no_route())
            };
        };
        // A gateway commonly stands on the same machine; any other must be a trusted proxy. A
        // target that is not believed is no reason to demand less.
        let is_believed = call.peer.is_loopback() || api.trusted_proxies.contains(call.peer);
        match api.targets.find(&target).filter(|_| is_believed) {
            Some(route) => demand.add(route),
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
            scopes: scope.into_iter().collect(),
            audiences: audience.into_iter().collect(),
        })
    }

    fn add(&mut self, route: &RouteDemand) {
        self.audiences.extend(route.audience.clone());
        self.scopes.extend(route.scope.clone());
    }

    pub(super) fn check(&self, record: &TokenRecord) -> Result<(), Unmet> {
        if !self
            .audiences
            .iter()
            .all(|audience| record.audience.contains(audience))
        {
            return Err(Unmet::Audience);
        }
        match self.scopes.iter().find(|scope| !record.scope.covers(scope)) {
            Some(lacking) => Err(Unmet::Scope(lacking.clone())),
            None => Ok(()),
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
