//! What the handlers of the management API share.

use std::{sync::Arc, time::Instant};

use tollgate_issuer::{Context, Issuer};
use tollgate_protocol::UnixMillis;
use tollgate_store::Store;
use tollgate_web::metrics::Registry;

use super::{AdminToken, extract::Origin, failure::Failure};
use crate::{
    Api,
    audit::{AuditEvent, key_events},
};

/// What the management API needs beside the public one.
pub struct AdminParts {
    /// The token that callers prove themselves with.
    pub token: AdminToken,
    /// Where all metrics are registered.
    pub registry: Registry,
    /// The version of the program.
    pub version: &'static str,
    /// Which store is underneath, as the configuration calls it.
    pub store: &'static str,
    /// The configuration in effect, secrets redacted, for people to read.
    pub config: serde_json::Value,
}

/// What the handlers share; cheap to clone.
pub struct AdminState<S> {
    pub(super) api: Arc<Api<S>>,
    pub(super) parts: Arc<AdminParts>,
    pub(super) started_at: UnixMillis,
    pub(super) started: Instant,
}

impl<S> Clone for AdminState<S> {
    fn clone(&self) -> Self {
        Self {
            api: Arc::clone(&self.api),
            parts: Arc::clone(&self.parts),
            started_at: self.started_at,
            started: self.started,
        }
    }
}

impl<S: Store> AdminState<S> {
    /// The management side of `api`.
    pub fn new(api: Arc<Api<S>>, parts: AdminParts) -> Self {
        let started_at = api.clock.now().wall;
        Self {
            api,
            parts: Arc::new(parts),
            started_at,
            started: Instant::now(),
        }
    }

    pub(super) fn issuer(&self) -> &Issuer<S> {
        &self.api.issuer
    }

    pub(super) fn context(&self) -> Context<'_> {
        self.api.context()
    }

    /// Tells the audit log how `done` ended, and hands it on.
    pub(super) fn audited<T>(
        &self,
        origin: &Origin,
        note: Note<'_>,
        done: Result<T, impl Into<Failure>>,
    ) -> Result<T, Failure> {
        let done = done.map_err(Into::into);
        let time = self.api.clock.now().wall;
        let event = AuditEvent {
            outcome: done.as_ref().map_or_else(Failure::code, |_| "ok"),
            target: note.target,
            token_id: note.token_id,
            ..origin.audit_event(time, note.event)
        };
        match note.also {
            None => self.api.audit.tell(&[event]),
            Some(also) => {
                let mut other = event.clone();
                other.event = also;
                self.api.audit.tell(&[event, other]);
            }
        }
        done
    }

    /// Tells the audit log of the signing keys that came and went since they were `before`, all but
    /// the one that is told of otherwise.
    pub(super) fn audit_keys(&self, origin: &Origin, before: &[String], told: Option<&str>) {
        let (time, after) = (self.api.clock.now().wall, self.issuer().key_ids());
        let events = key_events(time, before, &after).filter(|event| event.target != told);
        let events: Vec<AuditEvent<'_>> = events
            .map(|event| AuditEvent {
                target: event.target,
                ..origin.audit_event(time, event.event)
            })
            .collect();
        if !events.is_empty() {
            self.api.audit.tell(&events);
        }
    }
}

/// What the audit log is told of an administrator's deed.
#[derive(Clone, Debug, Default)]
pub(super) struct Note<'a> {
    event: &'static str,
    also: Option<&'static str>,
    target: Option<&'a str>,
    token_id: Option<String>,
}

impl<'a> Note<'a> {
    pub(super) fn new(event: &'static str) -> Self {
        Self {
            event,
            ..Self::default()
        }
    }

    /// What was done along with it.
    pub(super) fn also(self, event: Option<&'static str>) -> Self {
        Self {
            also: event,
            ..self
        }
    }

    /// What it was done to.
    pub(super) fn of(self, target: &'a str) -> Self {
        Self {
            target: Some(target),
            ..self
        }
    }

    /// The public handle of the token.
    pub(super) fn token(self, token_id: Option<String>) -> Self {
        Self { token_id, ..self }
    }
}
