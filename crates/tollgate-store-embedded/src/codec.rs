//! What every row has around it, and the few shapes that rows are made of.
//!
//! A row is a format byte, the content, and a CRC-32 over the row's key, the format byte and the
//! content. The engine has checksums of its own for what it wrote; this one also notices a row
//! under a key that is not its own.

use tollgate_store::StoreError;

const FORMAT: u8 = 1;

/// A row is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl From<Damaged> for StoreError {
    fn from(Damaged: Damaged) -> Self {
        Self::Corrupt("a record does not match its checksum".to_owned())
    }
}

fn checksum(key: &[u8], sealed: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(sealed);
    hasher.finalize().to_le_bytes()
}

/// Writes the content of a row.
#[derive(Debug)]
pub(crate) struct RowWriter(Vec<u8>);

impl RowWriter {
    pub(crate) fn new() -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.push(FORMAT);
        Self(bytes)
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.0.push(byte);
        self
    }

    /// Seven bits a byte, the lowest first.
    pub(crate) fn number(&mut self, mut number: u64) -> &mut Self {
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                return self.byte(low);
            }
            self.byte(low | 0x80);
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// The row, as it is kept under `key`.
    pub(crate) fn seal(mut self, key: &[u8]) -> Vec<u8> {
        let checksum = checksum(key, &self.0);
        self.0.extend_from_slice(&checksum);
        self.0
    }
}

/// Reads the content of a row that [`RowReader::open`] found whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowReader<'a>(&'a [u8]);

impl<'a> RowReader<'a> {
    /// The content of `row` as kept under `key`.
    pub(crate) fn open(key: &[u8], row: &'a [u8]) -> Result<Self, Damaged> {
        let (sealed, sum) = row.split_last_chunk::<4>().ok_or(Damaged)?;
        match sealed.split_first() {
            Some((&FORMAT, content)) if checksum(key, sealed) == *sum => Ok(Self(content)),
            _ => Err(Damaged),
        }
    }

    /// The content of a row that was found whole before, and was in memory since.
    pub(crate) fn reopen(row: &'a [u8]) -> Result<Self, Damaged> {
        let (sealed, _) = row.split_last_chunk::<4>().ok_or(Damaged)?;
        let (_, content) = sealed.split_first().ok_or(Damaged)?;
        Ok(Self(content))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Damaged> {
        let (byte, rest) = self.0.split_first().ok_or(Damaged)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Damaged> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Damaged)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = usize::try_from(self.number()?).map_err(|_| Damaged)?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Damaged)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), Damaged> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Damaged)
        }
    }
}

/// A row that holds one number.
pub(crate) fn number_row(key: &[u8], number: u64) -> Vec<u8> {
    let mut row = RowWriter::new();
    row.number(number);
    row.seal(key)
}

/// The number in a row that holds one.
pub(crate) fn read_number_row(key: &[u8], row: &[u8]) -> Result<u64, Damaged> {
    let mut reader = RowReader::open(key, row)?;
    let number = reader.number()?;
    reader.end()?;
    Ok(number)
}

/// The row that each commit carries: its number, so that a hole in the journal shows, and a lower
/// bound of the engine's sequence number, which the journal itself does not protect.
pub(crate) fn tick_row(tick: u64, sequence: u64) -> Vec<u8> {
    let mut row = RowWriter::new();
    row.number(tick).number(sequence);
    row.seal(crate::keys::TICK)
}

/// A row that holds a JSON document: for what is small in number and read at start alone.
pub(crate) fn json_row<T: serde::Serialize>(key: &[u8], value: &T) -> Result<Vec<u8>, StoreError> {
    let text = serde_json::to_vec(value)
        .map_err(|error| StoreError::Unavailable(format!("encode a record: {error}")))?;
    let mut row = RowWriter::new();
    row.bytes(&text);
    Ok(row.seal(key))
}

/// The value in a row that holds a JSON document.
pub(crate) fn read_json_row<T: serde::de::DeserializeOwned>(
    key: &[u8],
    row: &[u8],
) -> Result<T, Damaged> {
    let mut reader = RowReader::open(key, row)?;
    let text = reader.bytes()?;
    reader.end()?;
    serde_json::from_slice(text).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_texts_come_back() {
        for number in [0, 1, 127, 128, 16384, u64::from(u32::MAX), u64::MAX] {
            let row = number_row(b"key", number);
            assert_eq!(read_number_row(b"key", &row), Ok(number));
            assert_eq!(
                read_number_row(b"kez", &row),
                Err(Damaged),
                "under another key"
            );
        }
        let mut row = RowWriter::new();
        row.byte(9).bytes("größe".as_bytes()).bytes(b"");
        let row = row.seal(b"key");
        let mut reader = RowReader::open(b"key", &row).expect("whole");
        assert_eq!(reader.byte(), Ok(9));
        assert_eq!(reader.text(), Ok("größe"));
        assert_eq!(reader.text(), Ok(""));
        reader.end().expect("nothing follows");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let row = json_row(b"key", &"some text that is kept").expect("encodes");
        for index in 0..row.len() {
            for bit in 0..8 {
                let mut flipped = row.clone();
                flipped[index] ^= 1 << bit;
                assert_eq!(read_json_row::<String>(b"key", &flipped), Err(Damaged));
            }
            assert_eq!(read_json_row::<String>(b"key", &row[..index]), Err(Damaged));
        }
    }

    #[test]
    fn lengths_and_numbers_that_lie_are_refused() {
        let mut row = RowWriter::new();
        row.number(1000).byte(1);
        let row = row.seal(b"key");
        let mut reader = RowReader::open(b"key", &row).expect("whole");
        assert_eq!(reader.bytes(), Err(Damaged));
        let mut endless = RowWriter::new();
        for _ in 0..11 {
            endless.byte(0xff);
        }
        let endless = endless.seal(b"key");
        let mut reader = RowReader::open(b"key", &endless).expect("whole");
        assert_eq!(reader.number(), Err(Damaged));
    }
}
