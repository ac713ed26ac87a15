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
    /// The request, as the logs name it.
    pub request_id: &'a str,
    /// From where.
    pub ip: IpAddr,
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

    /// Takes an event, without waiting for the disk.
    ///
    /// # Errors
    ///
    /// When it cannot be taken although the check before said so; what it speaks of is done.
    fn record(&self, event: &AuditEvent<'_>) -> Result<(), AuditUnavailable>;
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

    fn record(&self, _event: &AuditEvent<'_>) -> Result<(), AuditUnavailable> {
        Ok(())
    }
}
