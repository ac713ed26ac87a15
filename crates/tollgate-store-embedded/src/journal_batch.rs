//! The shape of a batch in the engine's journal: a head, items, a checksum over the items, four
//! fixed bytes.

use std::io::{self, Read};

use xxhash_rust::xxh3::Xxh3;

use crate::{journal::TRAILER, keys};

const HEAD: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;

/// The most bytes in a value; far more than any row has.
const VALUE_BYTES_MAX: u32 = 1 << 28;

/// What lies at some place of a journal.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// A whole batch.
    Batch {
        sequence: u64,
        /// The row of [`keys::TICK`] in it.
        tick_row: Option<Vec<u8>>,
        bytes: u64,
    },
    /// Anything else.
    Broken(Broken),
}

/// Why there is no batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It stops, or goes on in no way that a batch does.
    Cut,
    /// It is whole, but is not what was written.
    Checksum,
    /// It is whole but for the bytes that say so.
    Trailer([u8; 4]),
}

/// Reads one batch.
///
/// # Errors
///
/// When the disk refuses.
pub(crate) fn read_batch(reader: &mut impl Read) -> io::Result<Parsed> {
    let mut source = Source {
        reader,
        bytes: 0,
        hasher: Xxh3::new(),
    };
    match source.batch() {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Ok(Parsed::Broken(Broken::Cut))
        }
        parsed => parsed,
    }
}

struct Source<'a, R> {
    reader: &'a mut R,
    bytes: u64,
    hasher: Xxh3,
}

impl<R: Read> Source<'_, R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes)?;
        self.bytes += N as u64;
        Ok(bytes)
    }

    fn batch(&mut self) -> io::Result<Parsed> {
        if self.take()? != [HEAD] {
            return Ok(Parsed::Broken(Broken::Cut));
        }
        let items = u32::from_le_bytes(self.take()?);
        let sequence = u64::from_le_bytes(self.take()?);
        let mut tick_row = None;
        for _ in 0..items {
            match self.item()? {
                None => return Ok(Parsed::Broken(Broken::Cut)),
                Some((key, value)) if key == keys::TICK => tick_row = Some(value),
                Some(_) => {}
            }
        }
        if self.take()? != [END] {
            return Ok(Parsed::Broken(Broken::Cut));
        }
        let checksum = u64::from_le_bytes(self.take()?);
        let trailer = self.take()?;
        Ok(if checksum != self.hasher.digest() {
            Parsed::Broken(if trailer == TRAILER {
                Broken::Checksum
            } else {
                Broken::Cut
            })
        } else if trailer != TRAILER {
            Parsed::Broken(Broken::Trailer(trailer))
        } else {
            Parsed::Batch {
                sequence,
                tick_row,
                bytes: self.bytes,
            }
        })
    }

    /// The key and the value of an item, if one is there.
    fn item(&mut self) -> io::Result<Option<(Vec<u8>, Vec<u8>)>> {
        let head: [u8; 21] = self.take()?;
        self.hasher.update(&head);
        // Tag, kind of value, compression, keyspace, length of the key, length of the value, and
        // that once more as it is on disk.
        let [
            ITEM,
            _,
            0,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            _,
            k0,
            k1,
            _,
            _,
            _,
            _,
            v0,
            v1,
            v2,
            v3,
        ] = head
        else {
            return Ok(None);
        };
        let value_bytes = u32::from_le_bytes([v0, v1, v2, v3]);
        if value_bytes > VALUE_BYTES_MAX {
            return Ok(None);
        }
        let key = self.take_vec(u64::from(u16::from_le_bytes([k0, k1])))?;
        let value = self.take_vec(u64::from(value_bytes))?;
        Ok(Some((key, value)))
    }

    fn take_vec(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        // Grows as it reads: a length that lies allocates no more than there is.
        self.reader.by_ref().take(length).read_to_end(&mut bytes)?;
        if (bytes.len() as u64) < length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.bytes += length;
        self.hasher.update(&bytes);
        Ok(bytes)
    }
}
