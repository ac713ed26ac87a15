//! What is told to the audit log; where it goes is the binary's business.

use std::net::IpAddr;

use serde::Serialize;
use tollgate_protocol::UnixMillis;

/// Something that somebody will want to know of later.
///
/// # Security
///
/// It names clients, subjects and token handles; it has no place for a secret or a token.
#[derive(Clone, Debug, Serialize)]
pub struct AuditEvent<'a> {
    /// When, in milliseconds since the Unix epoch.
    pub time: UnixMillis,
    /// What, as `noun.verb`: `token.issued`, `client.deleted`.
    pub event: &'static str,
    /// How it ended: `ok`, or why not.
    pub outcome: &'static str,
    /// Which client asked; none for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<&'a str>,
    /// What it was done to: a client, a key, a subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<&'a str>,
    /// The public handle of the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The request, as the logs name it; none for what the server does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<&'a str>,
    /// From where; none for what the server does by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
}

impl AuditEvent<'_> {
    /// Something that went well, of which nothing else is known yet.
    #[must_use]
    pub const fn new(time: UnixMillis, event: &'static str) -> Self {
        Self {
            time,
            event,
            outcome: "ok",
            client_id: None,
            target: None,
            token_id: None,
            request_id: None,
            ip: None,
        }
    }
}

/// What became of the signing keys between two looks at their ids: those that came and those that
/// left, at `time`.
pub fn key_events<'a>(
    time: UnixMillis,
    before: &'a [String],
    after: &'a [String],
) -> impl Iterator<Item = AuditEvent<'a>> {
    let only_in = |these: &'a [String], others: &'a [String], event| {
        let only = these.iter().filter(|kid| !others.contains(kid));
        only.map(move |kid| AuditEvent {
            target: Some(kid),
            ..AuditEvent::new(time, event)
        })
    };
    only_in(after, before, "key.created").chain(only_in(before, after, "key.removed"))
}

/// The audit log cannot take an event; what was asked for is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct AuditUnavailable;

/// Where audit events go.
pub trait AuditSink: Send + Sync + 'static {
    /// Whether anybody listens; events need not be made otherwise.
    fn is_enabled(&self) -> bool;

    /// Whether the events of what is about to be done will be taken.
    ///
    /// # Errors
    ///
    /// When they may not be. The caller then refuses the request before anything is done: an
    /// operation that the log missed would be worse than one that did not happen.
    fn check(&self) -> Result<(), AuditUnavailable>;

    /// Takes the events of one deed, all or none, without waiting for the disk.
    ///
    /// # Errors
    ///
    /// When they cannot be taken although the check before said so; what they speak of is done.
    fn record(&self, events: &[AuditEvent<'_>]) -> Result<(), AuditUnavailable>;

    /// The same, where nobody is left who could be refused: events that are lost are logged.
    fn tell(&self, events: &[AuditEvent<'_>]) {
        if !self.is_enabled() {
            return;
        }
        if let Err(error) = self.record(events) {
            for AuditEvent { event, outcome, .. } in events {
                tracing::error!(%error, event, outcome, "not audited");
            }
        }
    }
}

/// No audit log.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAudit;

impl AuditSink for NoAudit {
    fn is_enabled(&self) -> bool {
        false
    }

    fn check(&self) -> Result<(), AuditUnavailable> {
        Ok(())
    }

    fn record(&self, _events: &[AuditEvent<'_>]) -> Result<(), AuditUnavailable> {
        Ok(())
    }
}
