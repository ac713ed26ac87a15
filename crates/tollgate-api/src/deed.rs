//! What a call does and the audit log is told of: once, however it ends, and also when nobody waits
//! for the end any more.

use tollgate_store::{Store, TokenKey};

use crate::{Api, audit::AuditEvent, call::Call};

/// Something that a call does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deed<'a> {
    /// What, as `noun.verb`.
    pub(crate) event: &'static str,
    /// Which client asked.
    pub(crate) client_id: Option<&'a str>,
    /// The tokens that it is done to, as far as they are known before.
    pub(crate) tokens: Tokens<'a>,
}

/// What tokens a deed is done to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tokens<'a> {
    /// One that is to be made.
    New,
    /// The one under this key.
    Known(TokenKey),
    /// These, as they were presented.
    Presented(&'a [&'a str]),
}

/// How a deed ended for one token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    /// `ok`, or why not.
    pub(crate) outcome: &'static str,
    /// The public handle of the token.
    pub(crate) token: Option<TokenKey>,
}

impl Ended {
    /// It was done to the token under `key`.
    pub(crate) const fn ok(key: TokenKey) -> Self {
        Self {
            outcome: "ok",
            token: Some(key),
        }
    }

    /// The store, or the randomness, did not answer as it should; what was done is not known.
    pub(crate) const fn failed() -> Self {
        Self {
            outcome: "failed",
            token: None,
        }
    }
}

/// The outcome of what nobody waited for. It was given to the store, which may have done it.
const UNANSWERED: &str = "unanswered";

/// A deed that was begun.
///
/// # Security
///
/// The store makes durable what it was given whether or not anybody waits. Were the deed told of
/// after its end alone, callers could redeem and revoke without a trace: they would leave a moment
/// too early, and the call is dropped with them. So the drop tells, unless the end did.
#[must_use = "dropped, it counts as unanswered"]
pub(crate) struct Pending<'a, S: Store> {
    api: &'a Api<S>,
    call: &'a Call<'a>,
    /// What is still to be told; none where nobody listens.
    untold: Option<Deed<'a>>,
}

impl<'a, S: Store> Pending<'a, S> {
    /// What is about to be asked of the store.
    pub(crate) fn new(api: &'a Api<S>, call: &'a Call<'a>, deed: Deed<'a>) -> Self {
        Self {
            api,
            call,
            untold: api.audit.is_enabled().then_some(deed),
        }
    }

    /// Tells how it ended.
    pub(crate) fn end(mut self, ended: impl FnOnce() -> Ended) {
        if let Some(deed) = self.untold.take() {
            self.tell(&deed, &[ended()]);
        }
    }

    /// Tells how it ended for each of several tokens, in one piece.
    pub(crate) fn end_each(mut self, ended: impl Iterator<Item = Ended>) {
        if let Some(deed) = self.untold.take() {
            self.tell(&deed, &ended.collect::<Vec<_>>());
        }
    }

    /// Nothing was done: what was asked for was refused before.
    pub(crate) fn refused(mut self) {
        self.untold = None;
    }

    fn tell(&self, deed: &Deed<'_>, ended: &[Ended]) {
        let event = |ended: &Ended| AuditEvent {
            outcome: ended.outcome,
            client_id: deed.client_id,
            token_id: ended.token.map(|key| key.to_string()),
            ..self.call.audit_event(deed.event)
        };
        match ended {
            // The usual case, without a list.
            [one] => self.api.audit.tell(&[event(one)]),
            several => self
                .api
                .audit
                .tell(&several.iter().map(event).collect::<Vec<_>>()),
        }
    }
}

impl<S: Store> Drop for Pending<'_, S> {
    fn drop(&mut self) {
        let Some(deed) = self.untold.take() else {
            return;
        };
        let ended = |token| Ended {
            outcome: UNANSWERED,
            token,
        };
        let key = |token: &&str| self.api.issuer.key_of(token, &self.call.context);
        let ended: Vec<Ended> = match deed.tokens {
            Tokens::New => vec![ended(None)],
            Tokens::Known(key) => vec![ended(Some(key))],
            Tokens::Presented(tokens) => tokens.iter().map(|token| ended(key(token))).collect(),
        };
        self.tell(&deed, &ended);
    }
}
