//! The row of a token: compact, and read in place.

use std::sync::Arc;

use tollgate_protocol::{Resource, Resources, Scope, Subject, UnixMillis, UnixSeconds};
use tollgate_store::{ClientEpoch, ClientRecord, TokenRecord, TokenUse};

use crate::codec::{Damaged, RowReader, RowWriter};

const CONSUMED: u8 = 0;
const ACCESS: u8 = 1;
const ONE_TIME: u8 = 2;

/// What is kept of a token.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    /// All of it.
    Live(Arc<TokenRecord>),
    /// It was consumed; that much until it would have expired.
    Consumed {
        /// When it would have.
        expires_at: UnixSeconds,
    },
}

/// The row of `kept`.
pub(crate) fn encode(row_key: &[u8], kept: &Kept) -> Vec<u8> {
    let mut row = RowWriter::new();
    match kept {
        Kept::Consumed { expires_at } => {
            row.byte(CONSUMED).number(expires_at.0);
        }
        Kept::Live(record) => write_record(&mut row, record),
    }
    row.seal(row_key)
}

fn write_record(row: &mut RowWriter, record: &TokenRecord) {
    let client = record.client.as_str();
    let subject = record.subject.as_str();
    row.byte(match record.usage {
        TokenUse::Access => ACCESS,
        TokenUse::OneTime => ONE_TIME,
    });
    row.number(record.expires_at.0)
        .number(record.issued_at.0)
        .number(record.epoch.0)
        .bytes(client.as_bytes())
        // A subject is never empty: an empty one stands for the client itself.
        .bytes(if subject == client {
            b""
        } else {
            subject.as_bytes()
        })
        .bytes(record.scope.as_str().as_bytes())
        .number(record.audience.len() as u64);
    for resource in record.audience.iter() {
        row.bytes(resource.as_str().as_bytes());
    }
    match &record.data {
        Some(data) => row.byte(1).bytes(data.as_bytes()),
        None => row.byte(0),
    };
}

/// A row, read as far as is needed to say whether its token counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenRow<'a> {
    pub(crate) expires_at: UnixSeconds,
    /// None of a consumed token.
    pub(crate) live: Option<LiveRow<'a>>,
}

/// The row of a token that was not consumed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveRow<'a> {
    usage: TokenUse,
    expires_at: UnixSeconds,
    issued_at: UnixMillis,
    pub(crate) epoch: ClientEpoch,
    pub(crate) client: &'a str,
    subject: &'a str,
    rest: RowReader<'a>,
}

impl<'a> TokenRow<'a> {
    pub(crate) fn read(row_key: &[u8], row: &'a [u8]) -> Result<Self, Damaged> {
        Self::parse(RowReader::open(row_key, row)?)
    }

    /// Reads a row that was read before, and was in memory since.
    pub(crate) fn reread(row: &'a [u8]) -> Result<Self, Damaged> {
        Self::parse(RowReader::reopen(row)?)
    }

    fn parse(mut reader: RowReader<'a>) -> Result<Self, Damaged> {
        let tag = reader.byte()?;
        let expires_at = UnixSeconds(reader.number()?);
        let usage = match tag {
            CONSUMED => {
                reader.end()?;
                return Ok(Self {
                    expires_at,
                    live: None,
                });
            }
            ACCESS => TokenUse::Access,
            ONE_TIME => TokenUse::OneTime,
            _ => return Err(Damaged),
        };
        let live = LiveRow {
            usage,
            expires_at,
            issued_at: UnixMillis(reader.number()?),
            epoch: ClientEpoch(reader.number()?),
            client: reader.text()?,
            subject: reader.text()?,
            rest: reader,
        };
        Ok(Self {
            expires_at,
            live: Some(live),
        })
    }
}

impl LiveRow<'_> {
    pub(crate) fn subject(&self) -> &str {
        if self.subject.is_empty() {
            self.client
        } else {
            self.subject
        }
    }

    /// The whole record. What it has in common with its client, if that is at hand, it shares.
    pub(crate) fn record(self, client: Option<&ClientRecord>) -> Result<TokenRecord, Damaged> {
        let mut rest = self.rest;
        let client_id = match client {
            Some(client) if client.id.as_str() == self.client => client.id.clone(),
            _ => self.client.parse().map_err(|_| Damaged)?,
        };
        let subject = if self.subject.is_empty() {
            Subject::from(&client_id)
        } else {
            self.subject.parse().map_err(|_| Damaged)?
        };
        let scope = read_scope(&mut rest, client)?;
        let audience = read_audience(&mut rest, client)?;
        let data = match rest.byte()? {
            0 => None,
            1 => Some(rest.text()?.into()),
            _ => return Err(Damaged),
        };
        rest.end()?;
        Ok(TokenRecord {
            usage: self.usage,
            client: client_id,
            epoch: self.epoch,
            subject,
            scope,
            audience,
            issued_at: self.issued_at,
            expires_at: self.expires_at,
            data,
        })
    }
}

fn read_scope(row: &mut RowReader<'_>, client: Option<&ClientRecord>) -> Result<Scope, Damaged> {
    let text = row.text()?;
    match client {
        Some(client) if client.scope.as_str() == text => Ok(client.scope.clone()),
        _ => text.parse().map_err(|_| Damaged),
    }
}

fn read_audience(
    row: &mut RowReader<'_>,
    client: Option<&ClientRecord>,
) -> Result<Resources, Damaged> {
    let count = usize::try_from(row.number()?).map_err(|_| Damaged)?;
    if count > Resources::MAX {
        return Err(Damaged);
    }
    if let Some(client) = client.filter(|client| client.audiences.len() == count) {
        let mut ahead = *row;
        let mut same = true;
        for resource in client.audiences.iter() {
            same &= ahead.text()? == resource.as_str();
        }
        if same {
            *row = ahead;
            return Ok(client.audiences.clone());
        }
    }
    let mut resources = Vec::with_capacity(count);
    for _ in 0..count {
        resources.push(row.text()?.parse::<Resource>().map_err(|_| Damaged)?);
    }
    Resources::new(resources).map_err(|_| Damaged)
}

/// What a row says is kept.
pub(crate) fn decode(
    row: TokenRow<'_>,
    client: impl Fn(&str) -> Option<Arc<ClientRecord>>,
) -> Result<Kept, Damaged> {
    match row.live {
        None => Ok(Kept::Consumed {
            expires_at: row.expires_at,
        }),
        Some(live) => {
            let client = client(live.client);
            Ok(Kept::Live(Arc::new(live.record(client.as_deref())?)))
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_store::conformance::sample;

    use super::*;
    use crate::keys::{self, Generation};

    const GENERATION: Generation = Generation(3);

    fn round_trip(record: &TokenRecord, client: Option<&Arc<ClientRecord>>) -> Kept {
        let key = sample::key(1);
        let row_key = keys::token(GENERATION, key);
        let row = encode(&row_key, &Kept::Live(Arc::new(record.clone())));
        let row = TokenRow::read(&row_key, &row).expect("reads");
        decode(row, |_| client.cloned()).expect("decodes")
    }

    #[test]
    fn records_come_back_with_and_without_their_client() {
        let plain = sample::access_token(1, "shop").record;
        let mut other = sample::one_time_token(1, "shop").record;
        other.subject = sample::subject("somebody else");
        other.scope = Scope::default();
        other.audience = Resources::new(
            ["https://a.example.com", "urn:b"].map(|uri| uri.parse().expect("a resource")),
        )
        .expect("few");
        other.epoch = ClientEpoch(u64::MAX);
        let mut bare = plain.clone();
        bare.audience = Resources::default();
        let mut stranger = sample::client("stranger");
        stranger.scope = plain.scope.clone();
        for record in [plain, other, bare] {
            for client in [None, Some(sample::client("shop")), Some(stranger.clone())] {
                match round_trip(&record, client.map(Arc::new).as_ref()) {
                    Kept::Live(back) => assert_eq!(*back, record),
                    Kept::Consumed { .. } => panic!("not consumed"),
                }
            }
        }
    }

    #[test]
    fn a_common_record_is_small() {
        let record = sample::access_token(1, "shop").record;
        let row = encode(b"key", &Kept::Live(Arc::new(record)));
        assert!(row.len() <= 80, "{} bytes", row.len());
        let consumed = Kept::Consumed {
            expires_at: sample::NOW,
        };
        assert!(encode(b"key", &consumed).len() <= 12);
    }

    /// A row that begins well, of this client and this subject, and goes on with `rest`.
    fn begun(client: &[u8], subject: &[u8], rest: &[u8]) -> Vec<u8> {
        let mut row = RowWriter::new();
        row.byte(ACCESS).number(9).number(8).number(7);
        row.bytes(client).bytes(subject);
        for byte in rest {
            row.byte(*byte);
        }
        row.seal(&keys::token(GENERATION, sample::key(1)))
    }

    fn bare(bytes: &[u8]) -> Vec<u8> {
        let mut row = RowWriter::new();
        for byte in bytes {
            row.byte(*byte);
        }
        row.seal(&keys::token(GENERATION, sample::key(1)))
    }

    #[test]
    fn rows_that_lie_are_refused() {
        let row_key = keys::token(GENERATION, sample::key(1));
        let decode = |row: &[u8]| decode(TokenRow::read(&row_key, row)?, |_| None);
        assert!(decode(&begun(b"a", b"", &[0, 0, 0])).is_ok());
        for (what, row) in [
            ("unknown tag", bare(&[9, 9])),
            ("cut short", bare(&[ACCESS, 9])),
            ("more than consumed", bare(&[CONSUMED, 9, 0])),
            ("bad client", begun(b"", b"", &[0, 0, 0])),
            ("bad subject", begun(b"a", b"\n", &[0, 0, 0])),
            ("bad scope", begun(b"a", b"", &[1, b'"', 0, 0])),
            ("many audiences", begun(b"a", b"", &[0, 33, 0])),
            ("bad audience", begun(b"a", b"", &[0, 1, 1, b'x', 0])),
            ("bad data", begun(b"a", b"", &[0, 0, 2])),
            ("something after", begun(b"a", b"", &[0, 0, 0, 0])),
        ] {
            assert_eq!(decode(&row).err(), Some(Damaged), "{what}");
        }
    }
}
