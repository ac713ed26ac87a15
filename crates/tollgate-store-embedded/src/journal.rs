//! Reads the engine's journals over before the engine does.
//!
//! At a byte that it cannot read the engine cuts its journal off and goes on, as after a torn last
//! write. It cannot tell that from a bit that flipped in the middle, where it would lose all that
//! was acknowledged after. Nor does it protect the sequence numbers, by which it decides which
//! batches it still needs. So here every batch is read and checked, and only an unfinished last one
//! is forgiven.
//!
//! After anything but a clean close, what the last journal holds is written anew and synced: were
//! its last sync to have failed, the pages might be read back from memory and yet not be on disk,
//! and everything appended behind them would be lost with them.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use crate::{
    codec::RowReader,
    config::OpenError,
    journal_batch::{Broken, Parsed, read_batch},
    keys,
    open::sync_directory,
};

/// How far a sequence number may be from the bound that its batch carries: the engine draws some
/// for itself.
const SEQUENCE_GAP_MAX: u64 = 1 << 20;

const SECTOR_BYTES: usize = 512;

/// What of a batch must be gone for it to count as lost with its sector and not as damaged. In so
/// much of a head at least three bits are set, and no more than two are taken to flip.
const HEAD_BYTES_LOST_MIN: usize = 13;

/// What ends a batch.
pub(crate) const TRAILER: [u8; 4] = [b'F', b'J', b'L', 3];

/// What the journals say of the last commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Its number; none where no journal has any.
    pub(crate) tick: Option<u64>,
    sequence: Option<u64>,
}

/// Reads all journals in `directory` over. `clean` is the number of the last commit before a clean
/// close.
pub(crate) fn check(directory: &Path, clean: Option<u64>) -> Result<Replay, OpenError> {
    let journals = journals(directory)?;
    let mut replay = Replay::default();
    let mut torn_before = None;
    for (position, path) in journals.iter().enumerate() {
        let before = replay;
        let mut file = File::open(path)?;
        let Extent { end, torn } = read_over(&mut file, &mut replay, path)?;
        if let Some(torn) = torn_before.take().filter(|_| replay != before) {
            return Err(corrupt(torn, "ends early, and a later one goes on"));
        }
        torn_before = torn.then_some(path);
        let is_last = position + 1 == journals.len();
        if is_last && !(clean.is_some() && clean == replay.tick) {
            write_anew(path, &mut file, end)?;
        }
    }
    Ok(replay)
}

/// The journals, oldest first.
fn journals(directory: &Path) -> Result<Vec<PathBuf>, OpenError> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension() != Some(OsStr::new("jnl")) {
            continue;
        }
        let number = path.file_stem().and_then(OsStr::to_str);
        let number = number.and_then(|number| number.parse::<u64>().ok());
        let number = number.ok_or_else(|| corrupt(&path, "has no number"))?;
        journals.push((number, path));
    }
    journals.sort_unstable();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

/// How far a journal could be read.
struct Extent {
    /// Where the last batch ends.
    end: u64,
    /// Whether an unfinished one follows.
    torn: bool,
}

/// Reads as many batches as there are.
fn read_over(file: &mut File, replay: &mut Replay, path: &Path) -> Result<Extent, OpenError> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut end = 0u64;
    let broken = loop {
        match read_batch(&mut reader)? {
            Parsed::Batch {
                sequence,
                tick_row,
                bytes,
            } => {
                replay
                    .follow(sequence, tick_row.as_deref())
                    .map_err(|what| corrupt(path, what))?;
                end = end.saturating_add(bytes);
            }
            Parsed::Broken(broken) => break broken,
        }
    };
    let tail = rest(reader.into_inner(), end)?;
    judge(&tail, end, broken).map_err(|what| corrupt(path, what))?;
    let torn = !tail.is_empty();
    if torn {
        let (bytes, path) = (tail.len(), path.display());
        tracing::warn!(bytes, %path, "a write that was never finished is dropped");
    }
    Ok(Extent { end, torn })
}

impl Replay {
    /// Takes the next batch in, which must follow the one before.
    fn follow(&mut self, sequence: u64, tick_row: Option<&[u8]>) -> Result<(), &'static str> {
        if self.sequence.is_some_and(|before| sequence <= before) {
            return Err("has batches out of order");
        }
        self.sequence = Some(sequence);
        let row = tick_row.ok_or("has a batch without a number")?;
        let mut row = RowReader::open(keys::TICK, row).map_err(|_| "has a damaged number")?;
        let numbers = row.number().and_then(|tick| Ok((tick, row.number()?)));
        let (tick, floor) = numbers.map_err(|_| "has a damaged number")?;
        if self
            .tick
            .is_some_and(|before| before.checked_add(1) != Some(tick))
        {
            return Err("lacks a batch");
        }
        if !(floor..=floor.saturating_add(SEQUENCE_GAP_MAX)).contains(&sequence) {
            return Err("has a batch with a wrong sequence number");
        }
        self.tick = Some(tick);
        Ok(())
    }
}

/// What lies behind the last batch, without the zeros at its end that the engine allocates ahead.
fn rest(file: &mut File, from: u64) -> io::Result<Vec<u8>> {
    static PIECE: [u8; 1 << 16] = [0; 1 << 16];
    let mut end = from;
    let mut position = from;
    let mut piece = PIECE.to_vec();
    file.seek(SeekFrom::Start(from))?;
    loop {
        let read = file.read(&mut piece)?;
        let bytes = piece.get(..read).unwrap_or_default();
        if bytes.is_empty() {
            break;
        }
        // Most of it is zeros, which compare at once.
        if PIECE.get(..read) != Some(bytes)
            && let Some(last) = bytes.iter().rposition(|byte| *byte != 0)
        {
            end = position + last as u64 + 1;
        }
        position += read as u64;
    }
    file.seek(SeekFrom::Start(from))?;
    let mut rest = Vec::new();
    file.take(end - from).read_to_end(&mut rest)?;
    Ok(rest)
}

/// Whether what lies behind the last batch can be a write that was never finished, and so never
/// acknowledged. `from` is where it lies.
fn judge(rest: &[u8], from: u64, broken: Broken) -> Result<(), &'static str> {
    let trailers = rest.windows(TRAILER.len()).enumerate();
    for (position, _) in trailers.filter(|(_, window)| *window == TRAILER) {
        let mut after = rest.get(position + TRAILER.len()..).unwrap_or_default();
        if matches!(read_batch(&mut after), Ok(Parsed::Batch { .. })) {
            return Err("is damaged before its last batch");
        }
    }
    let ends_whole = match broken {
        Broken::Checksum => true,
        Broken::Trailer(trailer) => trailer.iter().all(|byte| *byte != 0),
        Broken::Cut => rest.last_chunk().is_some_and(|last| nearly(*last)),
    };
    // A write that power failing tore lacks whole sectors. One that has its end and all of its
    // sectors was finished, and may have been acknowledged.
    if ends_whole && !lacks_a_sector(rest, from) {
        return Err("is damaged in its last batch");
    }
    Ok(())
}

/// Whether this is the trailer, but for two bits at most.
fn nearly(trailer: [u8; 4]) -> bool {
    let differing = u32::from_le_bytes(trailer) ^ u32::from_le_bytes(TRAILER);
    differing.count_ones() <= 2
}

/// Whether a sector is zero that the write would have filled: whole, or from the place in it where
/// the write begins.
fn lacks_a_sector(rest: &[u8], from: u64) -> bool {
    let to_boundary = from.next_multiple_of(SECTOR_BYTES as u64) - from;
    let Some((first, whole)) = usize::try_from(to_boundary)
        .ok()
        .and_then(|first| rest.split_at_checked(first))
    else {
        return false;
    };
    let is_zero = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
    let lacks_first = first.len() >= HEAD_BYTES_LOST_MIN && is_zero(first);
    lacks_first || whole.chunks_exact(SECTOR_BYTES).any(is_zero)
}

/// Puts a synced copy of the first `end` bytes in the place of a journal.
fn write_anew(path: &Path, file: &mut File, end: u64) -> io::Result<()> {
    let copy_path = path.with_extension("new");
    let mut copy = File::create(&copy_path)?;
    file.seek(SeekFrom::Start(0))?;
    io::copy(&mut file.take(end), &mut copy)?;
    copy.sync_all()?;
    fs::rename(&copy_path, path)?;
    match path.parent() {
        Some(directory) => sync_directory(directory),
        None => Ok(()),
    }
}

fn corrupt(path: &Path, what: &str) -> OpenError {
    OpenError::Corrupt(format!("the journal {} {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A write of 2000 bytes that has its end and lacks `lost`, behind a journal that ends at `from`.
    fn is_unfinished(from: u64, lost: std::ops::Range<usize>) -> bool {
        let mut rest = vec![0xaa; 2000];
        rest.extend_from_slice(&TRAILER);
        rest.splice(lost.clone(), vec![0; lost.len()]);
        judge(&rest, from, Broken::Cut).is_ok()
    }

    #[test]
    fn a_write_that_lost_the_sector_that_it_begins_in_was_never_finished() {
        for (from, lost, unfinished) in [
            (512 - 100, 0..100, true),
            (1024 - 511, 0..511, true),
            (512 - 13, 0..13, true),
            (512 - 100, 100..612, true),
            (512, 0..512, true),
            // Less than the sector: not how power fails.
            (512 - 100, 0..99, false),
            (512 - 100, 1..100, false),
            (512, 0..100, false),
            (512 - 100, 101..612, false),
            // So little that bits which flipped may look like it.
            (512 - 12, 0..12, false),
            (512 - 1, 0..1, false),
            (512, 0..0, false),
        ] {
            assert_eq!(
                is_unfinished(from, lost.clone()),
                unfinished,
                "{from} {lost:?}"
            );
        }
    }
}
