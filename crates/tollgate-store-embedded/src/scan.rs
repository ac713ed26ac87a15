//! Walks over all tokens or marks, a bounded piece at a time: for administrators and for the
//! sweep, never on an async thread.

use std::{ops::Bound, sync::Arc};

use fjall::{Keyspace, Readable, Snapshot as View};
use tollgate_protocol::UnixSeconds;
use tollgate_store::{Batch, Page, Snapshot, StoreError, TokenFilter, TokenKey, TokenRecord};

use crate::{
    codec,
    engine::{Engine, store_error},
    index::Index,
    keys::{self, Generation, MarkKind},
    token_row::TokenRow,
};

/// How many rows are read at once.
pub(crate) const PIECE: usize = 1024;

/// Up to [`PIECE`] rows after `after`, to `see`. Answers the key of the last, if there may be more.
pub(crate) fn piece(
    keyspace: &Keyspace,
    after: &Bound<Vec<u8>>,
    mut see: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
) -> Result<Option<Vec<u8>>, StoreError> {
    let range = (after.as_ref().map(Vec::as_slice), Bound::Unbounded);
    let mut last = None;
    let mut seen = 0;
    for row in keyspace.range::<&[u8], _>(range).take(PIECE) {
        let (key, value) = row.into_inner().map_err(store_error)?;
        see(&key, &value)?;
        seen += 1;
        last = Some(key);
    }
    Ok(last.filter(|_| seen == PIECE).map(|key| key.to_vec()))
}

impl Engine {
    /// The live tokens that pass `filter`, those after `after`, to `see` until it has enough.
    fn each_live(
        &self,
        filter: &TokenFilter,
        after: Option<TokenKey>,
        now: UnixSeconds,
        mut see: impl FnMut(TokenKey, TokenRecord) -> Enough,
    ) -> Result<(), StoreError> {
        let generation = self.index.read().generation;
        let mut from = match after {
            Some(key) => Bound::Excluded(keys::token(generation, key).to_vec()),
            None => Bound::Included(generation.0.to_be_bytes().to_vec()),
        };
        loop {
            let mut rows = Vec::with_capacity(PIECE);
            // Without the index, for which commits wait, and all other readers behind them.
            let next = piece(&self.tokens, &from, |row_key, row| {
                rows.push((row_key.to_vec(), row.to_vec()));
                Ok(())
            })?;
            let index = self.index.read();
            for (row_key, row) in rows {
                let Some((own, key)) = keys::parse_token(&row_key) else {
                    return Err(codec::Damaged.into());
                };
                // A restore may have come in between.
                let wanted = own == index.generation && own == generation;
                if wanted
                    && let Some(record) = live(&index, filter, &row_key, &row, now)?
                    && see(key, record) == Enough::Yes
                {
                    return Ok(());
                }
            }
            match next {
                Some(next) => from = Bound::Excluded(next),
                None => return Ok(()),
            }
        }
    }

    /// A page of live tokens.
    pub(crate) fn tokens(
        &self,
        filter: &TokenFilter,
        after: Option<TokenKey>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Page, StoreError> {
        let limit = limit.min(Batch::ITEMS_MAX);
        let mut page = Page::default();
        if limit == 0 {
            return Ok(page);
        }
        self.each_live(filter, after, now, |key, record| {
            if page.tokens.len() == limit {
                page.next = page.tokens.last().map(|(key, _)| *key);
                return Enough::Yes;
            }
            page.tokens.push((key, Arc::new(record)));
            Enough::No
        })?;
        Ok(page)
    }

    /// How many live tokens pass `filter`.
    pub(crate) fn count(&self, filter: &TokenFilter, now: UnixSeconds) -> Result<u64, StoreError> {
        let mut count = 0;
        self.each_live(filter, None, now, |_, _| {
            count += 1;
            Enough::No
        })?;
        Ok(count)
    }

    /// What a backup carries, all at one moment.
    pub(crate) fn export(&self) -> Result<Snapshot, StoreError> {
        let (index, view) = {
            let index = self.index.read();
            (index.clone(), self.database.snapshot())
        };
        let clients = index.clients_after(None);
        Ok(Snapshot {
            clients: clients.map(|client| (**client).clone()).collect(),
            assertions: self.assertions(&view, index.generation)?,
            key_ring: index.key_ring,
        })
    }

    fn assertions(
        &self,
        view: &View,
        current: Generation,
    ) -> Result<Vec<(TokenKey, UnixSeconds)>, StoreError> {
        let kind = MarkKind::Assertion;
        let generation = kind.generation(current);
        let first = keys::mark(kind, generation, TokenKey([0; 16]));
        let last = keys::mark(kind, generation, TokenKey([0xff; 16]));
        let mut marks = Vec::new();
        for row in view.range(&self.marks, first..=last) {
            let (row_key, row) = row.into_inner().map_err(store_error)?;
            let (_, _, key) = keys::parse_mark(&row_key).ok_or(codec::Damaged)?;
            let end = UnixSeconds(codec::read_number_row(&row_key, &row)?);
            marks.push((key, end));
        }
        Ok(marks)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Enough {
    Yes,
    No,
}

fn live(
    index: &Index,
    filter: &TokenFilter,
    row_key: &[u8],
    row: &[u8],
    now: UnixSeconds,
) -> Result<Option<TokenRecord>, StoreError> {
    let row = TokenRow::read(row_key, row)?;
    let Some(live) = row.live.filter(|_| row.expires_at > now) else {
        return Ok(None);
    };
    let passes = filter
        .client
        .as_ref()
        .is_none_or(|client| client.as_str() == live.client)
        && filter
            .subject
            .as_ref()
            .is_none_or(|subject| subject.as_str() == live.subject());
    let Some(client) = index
        .standing_client(live.client, live.epoch)
        .filter(|_| passes)
    else {
        return Ok(None);
    };
    let record = live.record(Some(client))?;
    Ok(Some(record).filter(|record| !index.is_cut(&record.subject, record.issued_at)))
}
