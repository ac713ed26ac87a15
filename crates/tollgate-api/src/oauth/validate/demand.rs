//! What a token must be to be let through: from the query, and from the target that the gateway
//! names.

use std::net::IpAddr;

use http::HeaderMap;
use tollgate_protocol::{ErrorCode, Form, Resource, Scope};
use tollgate_store::{Store, TokenRecord};
use tollgate_web::TrustedProxies;

use super::target::{Target, Targets};
use crate::{Api, call::Call, refusal::Refusal, state::RouteDemand};

/// Demands on a token; the empty demand is met by every live token.
#[derive(Default)]
pub(super) struct Demand {
    scopes: Vec<Scope>,
    audiences: Vec<Resource>,
    place: Place,
}

/// What the table says of the target.
#[derive(Default, PartialEq, Eq)]
enum Place {
    /// There is no table, the target is in it, or the query says what is demanded.
    #[default]
    Known,
    /// What is not in the table is nobody's to reach, whatever the token. That is said of a live
    /// token alone: who has none is told that first.
    Unlisted,
}

/// Which demand is not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unmet {
    /// What the scope of the token lacks.
    Scope(Scope),
    Audience,
    Target,
}

impl Demand {
    /// What is demanded of a token for this call.
    pub(super) fn of<S: Store>(api: &Api<S>, call: &Call<'_>) -> Result<Self, Refusal> {
        let gateway = Gateway {
            targets: &api.targets,
            trusted: &api.trusted_proxies,
            peer: call.peer,
        };
        let query = call.parts.uri.query().unwrap_or_default();
        gateway.demand(query, &call.parts.headers)
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
            place: Place::default(),
        })
    }

    fn add(&mut self, route: &RouteDemand) {
        self.audiences.extend(route.audience.clone());
        self.scopes.extend(route.scope.clone());
    }

    pub(super) fn check(&self, record: &TokenRecord) -> Result<(), Unmet> {
        if self.place == Place::Unlisted {
            return Err(Unmet::Target);
        }
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

/// Who asks, and what it may ask about.
struct Gateway<'a> {
    targets: &'a Targets,
    trusted: &'a TrustedProxies,
    /// Who sent the call, whatever it says of others.
    peer: IpAddr,
}

impl Gateway<'_> {
    fn demand(&self, query: &str, headers: &HeaderMap) -> Result<Demand, Refusal> {
        let mut demand = Demand::of_query(query)?;
        if self.targets.is_empty() {
            return Ok(demand);
        }
        let Some(target) = Target::of(headers)? else {
            // Without a target the query must say what is demanded.
            if demand.scopes.is_empty() && demand.audiences.is_empty() {
                demand.place = Place::Unlisted;
            }
            return Ok(demand);
        };
        // A gateway commonly stands on the same machine; any other must be a trusted proxy. A
        // target that is not believed is no reason to demand less.
        let is_believed = self.peer.is_loopback() || self.trusted.contains(self.peer);
        match self.targets.find(&target).filter(|_| is_believed) {
            Some(route) => demand.add(route),
            None => demand.place = Place::Unlisted,
        }
        Ok(demand)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demanded(
        peer: &str,
        query: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Option<usize> {
        let route = RouteDemand {
            method: Some("GET".to_owned()),
            path: "/orders/{id}".parse().unwrap(),
            scope: Some("orders:read".parse().unwrap()),
            audience: None,
        };
        let gateway = Gateway {
            targets: &Targets::new(&[route]),
            trusted: &TrustedProxies::new(vec!["192.0.2.0/28".parse().unwrap()]),
            peer: peer.parse().unwrap(),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        gateway
            .demand(query, &headers)
            .ok()
            .filter(|demand| demand.place == Place::Known)
            .map(|demand| demand.scopes.len())
    }

    /// Whoever is not a gateway could name the target that demands the least.
    #[test]
    fn a_target_counts_from_gateways_alone() {
        let named = [
            ("x-forwarded-method", "GET"),
            ("x-forwarded-uri", "/orders/1"),
        ];
        let original = [
            ("x-original-method", "GET"),
            ("x-original-uri", "/orders/1"),
        ];
        let elsewhere = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/other")];
        for (peer, query, headers, scopes) in [
            ("127.0.0.1", "", &named[..], Some(1)),
            ("::1", "", &original, Some(1)),
            ("192.0.2.1", "", &named, Some(1)),
            ("192.0.2.1", "scope=admin", &named, Some(2)),
            ("192.0.2.1", "", &elsewhere, None),
            ("192.0.2.16", "", &named, None),
            ("192.0.2.16", "", &original, None),
            ("2001:db8::1", "", &named, None),
            // Nor does it take away what the query demands, or let it do with that alone.
            ("192.0.2.16", "scope=admin", &named, None),
            ("192.0.2.16", "scope=admin", &elsewhere, None),
            ("192.0.2.16", "scope=admin", &[], Some(1)),
            ("192.0.2.16", "", &[], None),
        ] {
            assert_eq!(
                demanded(peer, query, headers),
                scopes,
                "{peer} {query} {headers:?}"
            );
        }
    }
}
