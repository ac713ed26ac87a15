//! What is few and asked for often, in memory: clients, cuts, the key ring.

use std::{collections::BTreeSet, ops::Bound, sync::Arc};

use hashbrown::HashMap;
use tollgate_protocol::{ClientId, Subject, UnixMillis, UnixSeconds};
use tollgate_store::{ClientEpoch, ClientRecord, ClientState, Cut, CutScope, KeyRing, TokenRecord};

use crate::keys::Generation;

/// The state that the last commits left.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) generation: Generation,
    pub(crate) clients: HashMap<ClientId, Arc<ClientRecord>>,
    /// Whose they are, in order: a page must not sort all of them.
    ids: BTreeSet<ClientId>,
    pub(crate) cuts: HashMap<CutScope, Cut>,
    pub(crate) key_ring: KeyRing,
}

/// A change of the index, made after the commit that it belongs to.
#[derive(Debug)]
pub(crate) enum IndexChange {
    Client(Arc<ClientRecord>),
    NoClient(ClientId),
    Cut(Cut),
    NoCuts(Vec<CutScope>),
    KeyRing(KeyRing),
    Everything(Box<Index>),
}

impl Index {
    pub(crate) fn new(generation: Generation, key_ring: KeyRing) -> Self {
        Self {
            generation,
            key_ring,
            ..Self::default()
        }
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Arc<ClientRecord>> {
        self.clients.get(id)
    }

    /// Clients in the order of their identifiers, those after `after`.
    pub(crate) fn clients_after(
        &self,
        after: Option<&ClientId>,
    ) -> impl Iterator<Item = &Arc<ClientRecord>> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let ids = self.ids.range::<ClientId, _>((from, Bound::Unbounded));
        ids.filter_map(|id| self.clients.get(id))
    }

    /// The client, if it may do anything and is in `epoch`.
    pub(crate) fn standing_client(&self, id: &str, epoch: ClientEpoch) -> Option<&ClientRecord> {
        let client = self.clients.get(id)?;
        let stands = client.state == ClientState::Enabled && client.epoch == epoch;
        stands.then_some(&**client)
    }

    pub(crate) fn is_cut(&self, subject: &Subject, issued_at: UnixMillis) -> bool {
        if self.cuts.is_empty() {
            return false;
        }
        let scopes = [CutScope::All, CutScope::Subject(subject.clone())];
        let mut cuts = scopes.iter().filter_map(|scope| self.cuts.get(scope));
        cuts.any(|cut| cut.covers(subject, issued_at))
    }

    /// Whether nothing brings the token back: its client is gone or in another life, of which none
    /// comes twice, or a cut covers it.
    pub(crate) fn is_lost(&self, record: &TokenRecord) -> bool {
        let client = self.client(record.client.as_str());
        client.is_none_or(|client| client.epoch != record.epoch)
            || self.is_cut(&record.subject, record.issued_at)
    }

    pub(crate) fn latest_cut(&self) -> Option<UnixMillis> {
        self.cuts.values().map(|cut| cut.issued_up_to).max()
    }

    /// The cuts that may be forgotten at `now`.
    pub(crate) fn expired_cuts(&self, now: UnixSeconds) -> Vec<CutScope> {
        let expired = self.cuts.values().filter(|cut| cut.expires_at <= now);
        expired.map(|cut| cut.scope.clone()).collect()
    }

    /// `cut`, together with what is known of its scope.
    pub(crate) fn merged(&self, mut cut: Cut) -> Cut {
        if let Some(own) = self.cuts.get(&cut.scope) {
            cut.issued_up_to = cut.issued_up_to.max(own.issued_up_to);
            cut.expires_at = cut.expires_at.max(own.expires_at);
        }
        cut
    }

    pub(crate) fn apply(&mut self, change: IndexChange) {
        match change {
            IndexChange::Client(client) => {
                self.ids.insert(client.id.clone());
                self.clients.insert(client.id.clone(), client);
            }
            IndexChange::NoClient(id) => {
                self.ids.remove(&id);
                self.clients.remove(&id);
            }
            IndexChange::Cut(cut) => {
                self.cuts.insert(cut.scope.clone(), cut);
            }
            IndexChange::NoCuts(scopes) => {
                for scope in scopes {
                    self.cuts.remove(&scope);
                }
            }
            IndexChange::KeyRing(ring) => self.key_ring = ring,
            IndexChange::Everything(index) => *self = *index,
        }
    }
}
