//! Follows HTTP/2 frames by their headers alone, to tell when a request's head begins and ends
//! (RFC 9113 §4.1, §6.2, §6.10). Judges nothing: that is the HTTP/2 implementation's.

use super::connection::PREFACE;

const FRAME_HEADER_BYTES: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;

/// Where in the client's byte stream we are.
#[derive(Debug)]
pub(super) struct Frames {
    preface_left: usize,
    header: [u8; FRAME_HEADER_BYTES],
    header_filled: usize,
    payload_left: usize,
    kind: u8,
    /// How many frames have begun.
    begun: usize,
    /// A header block has begun and its last frame has not.
    block_open: bool,
    block_seen: bool,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// No request has been asked for yet.
    NoneYet,
    /// A header block, or a frame other than data, has begun and not ended.
    Open,
    /// Nothing is half-done.
    Complete,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self {
            preface_left: PREFACE.len(),
            header: [0; FRAME_HEADER_BYTES],
            header_filled: 0,
            payload_left: 0,
            kind: DATA,
            begun: 0,
            block_open: false,
            block_seen: false,
        }
    }

    /// Takes in what the client sent next.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Head {
        let preface = self.preface_left.min(bytes.len());
        self.preface_left -= preface;
        bytes = bytes.get(preface..).unwrap_or_default();
        while let Some((&first, rest)) = bytes.split_first() {
            if self.payload_left > 0 {
                let payload = self.payload_left.min(bytes.len());
                self.payload_left -= payload;
                bytes = bytes.get(payload..).unwrap_or_default();
            } else {
                self.feed_header(first);
                bytes = rest;
            }
        }
        self.head()
    }

    /// How many frames have begun since this was asked last.
    pub(super) fn take_begun(&mut self) -> usize {
        std::mem::take(&mut self.begun)
    }

    fn feed_header(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.header_filled) {
            *place = byte;
        }
        self.header_filled += 1;
        if self.header_filled < FRAME_HEADER_BYTES {
            return;
        }
        self.header_filled = 0;
        self.begun += 1;
        let [high, middle, low, kind, flags, ..] = self.header;
        self.payload_left = u32::from_be_bytes([0, high, middle, low]) as usize;
        self.kind = kind;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.block_open = flags & END_HEADERS == 0;
            self.block_seen = true;
        }
    }

    fn head(&self) -> Head {
        let frame_open = self.payload_left > 0 && self.kind != DATA;
        if !self.block_seen {
            Head::NoneYet
        } else if self.block_open || self.header_filled > 0 || frame_open {
            Head::Open
        } else {
            Head::Complete
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(FRAME_HEADER_BYTES + payload, 0);
        frame
    }

    #[test]
    fn heads_open_and_close() {
        let settings = frame(4, 0, 6);
        let check = |frames: &[&[u8]], cut: usize, expected: Head| {
            let mut bytes = [PREFACE.to_vec(), settings.clone()].concat();
            frames.iter().for_each(|frame| bytes.extend(*frame));
            bytes.truncate(bytes.len() - cut);
            assert_eq!(
                Frames::new().feed(&bytes),
                expected,
                "{frames:?} less {cut}"
            );
            let mut by_the_byte = Frames::new();
            let last = bytes.chunks(1).map(|byte| by_the_byte.feed(byte)).last();
            // The cut is in the last one, and may be in its head.
            let whole = 1 + frames.len();
            assert!((whole.saturating_sub(1)..=whole).contains(&by_the_byte.take_begun()));
            assert_eq!(by_the_byte.take_begun(), 0);
            assert_eq!(last, Some(expected), "by the byte: {frames:?} less {cut}");
        };
        let whole = frame(HEADERS, END_HEADERS, 20);
        check(&[], 0, Head::NoneYet);
        check(&[], 3, Head::NoneYet);
        check(&[&whole], 0, Head::Complete);
        check(&[&whole], 1, Head::Open);
        check(&[&frame(HEADERS, 0, 20)], 0, Head::Open);
        check(
            &[&frame(HEADERS, 0, 20), &frame(CONTINUATION, 0, 9)],
            0,
            Head::Open,
        );
        check(
            &[&frame(HEADERS, 0, 20), &frame(CONTINUATION, END_HEADERS, 9)],
            0,
            Head::Complete,
        );
        check(&[&whole, &frame(DATA, 0, 30)], 10, Head::Complete);
        check(&[&whole, &frame(DATA, 0, 30)], 35, Head::Open);
        check(&[&whole, &frame(DATA, 0, 0)], 0, Head::Complete);
        check(&[&whole, &frame(4, 0, 6)], 2, Head::Open);
    }
}
