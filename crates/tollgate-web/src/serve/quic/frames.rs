//! Follows the frames of HTTP/3 streams (RFC 9114 §7.1) to bound what their parser must hold:
//! it gathers a whole frame before it looks at it, however long the frame says it is.

/// Frames that carry nothing, or nothing known, on one request stream.
const IDLE_FRAMES_MAX: u32 = 64;
/// The longest frame of a kind that has no bound of its own.
const OTHER_BYTES_MAX: u64 = 16 * 1024;
const DATA: u64 = 0x0;
const HEADERS: u64 = 0x1;
const CONTROL_STREAM: u64 = 0x0;

/// A frame is longer, or idle frames are more, than a client has any reason for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Excessive;

/// Where in a client's byte stream we are.
#[derive(Debug)]
pub(super) struct Frames {
    next: Next,
    varint: Varint,
    head_bytes_max: u64,
    idle_frames: u32,
    /// Bytes of DATA frames so far.
    pub(super) body_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Next {
    StreamType,
    Kind,
    Length {
        kind: u64,
    },
    Payload {
        kind: u64,
        left: u64,
    },
    /// Not a stream of frames; left alone.
    Opaque,
}

impl Frames {
    /// A stream that carries a request, whose head may take so many bytes as it is sent.
    pub(super) fn of_request(head_bytes_max: u64) -> Self {
        Self::beginning(Next::Kind, head_bytes_max)
    }

    /// A stream in one direction, which first says what it is (RFC 9114 §6.2).
    pub(super) fn of_other() -> Self {
        Self::beginning(Next::StreamType, OTHER_BYTES_MAX)
    }

    fn beginning(next: Next, head_bytes_max: u64) -> Self {
        Self {
            next,
            varint: Varint::default(),
            head_bytes_max,
            idle_frames: 0,
            body_bytes: 0,
        }
    }

    /// Takes in what the client sent next.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), Excessive> {
        while let Some((&first, rest)) = bytes.split_first() {
            match &mut self.next {
                Next::Opaque => return Ok(()),
                Next::Payload { kind, left } => {
                    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    let taken = length.min(*left);
                    *left -= taken;
                    if *kind == DATA {
                        self.body_bytes += taken;
                    }
                    if *left == 0 {
                        self.next = Next::Kind;
                    }
                    bytes = usize::try_from(taken)
                        .ok()
                        .and_then(|taken| bytes.get(taken..))
                        .unwrap_or_default();
                }
                _ => {
                    bytes = rest;
                    if let Some(number) = self.varint.feed(first) {
                        self.number(number)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn number(&mut self, number: u64) -> Result<(), Excessive> {
        self.next = match self.next {
            Next::StreamType if number == CONTROL_STREAM => Next::Kind,
            Next::StreamType | Next::Opaque => Next::Opaque,
            Next::Kind => Next::Length { kind: number },
            Next::Length { kind } | Next::Payload { kind, .. } => {
                self.begins(kind, number)?;
                match number {
                    0 => Next::Kind,
                    left => Next::Payload { kind, left },
                }
            }
        };
        Ok(())
    }

    fn begins(&mut self, kind: u64, length: u64) -> Result<(), Excessive> {
        let length_max = match kind {
            DATA => u64::MAX,
            HEADERS => self.head_bytes_max,
            _ => OTHER_BYTES_MAX,
        };
        if kind > HEADERS || length == 0 {
            self.idle_frames += 1;
        }
        match length > length_max || self.idle_frames > IDLE_FRAMES_MAX {
            true => Err(Excessive),
            false => Ok(()),
        }
    }
}

/// A number of one to eight bytes, whose first two bits say how many (RFC 9000 §16).
#[derive(Debug, Default)]
struct Varint {
    value: u64,
    bytes_left: u8,
}

impl Varint {
    fn feed(&mut self, byte: u8) -> Option<u64> {
        if self.bytes_left == 0 {
            self.bytes_left = 1 << (byte >> 6);
            self.value = u64::from(byte & 0x3f);
        } else {
            self.value = self.value << 8 | u64::from(byte);
        }
        self.bytes_left -= 1;
        (self.bytes_left == 0).then_some(self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: [u8; 4] = [0x80, 0, 0x40, 1];

    fn check(frames: fn() -> Frames, bytes: &[u8], expected: Result<u64, Excessive>) {
        let mut at_once = frames();
        let fed = at_once.feed(bytes).map(|()| at_once.body_bytes);
        assert_eq!(fed, expected, "{bytes:?}");
        let mut by_the_byte = frames();
        let fed = bytes.chunks(1).try_for_each(|byte| by_the_byte.feed(byte));
        assert_eq!(
            fed.map(|()| by_the_byte.body_bytes),
            expected,
            "by the byte: {bytes:?}"
        );
    }

    #[test]
    fn request_streams_are_bounded() {
        let frames = || Frames::of_request(4);
        check(frames, &[], Ok(0));
        check(frames, &[1, 4, 9, 9, 9, 9, 0, 2, 7, 7, 0, 1, 7], Ok(3));
        check(frames, &[1, 5], Err(Excessive));
        check(frames, &[0x40, 1, 0x40, 5], Err(Excessive));
        check(frames, &[&[0][..], &LONG, &[7; 9]].concat(), Ok(9));
        check(frames, &[&[0x21][..], &LONG].concat(), Err(Excessive));
        check(frames, &[0, 0].repeat(64), Ok(0));
        check(frames, &[0, 0].repeat(65), Err(Excessive));
        check(frames, &[0x21, 1, 9].repeat(65), Err(Excessive));
        check(frames, &[0, 1, 7].repeat(65), Ok(65));
    }

    #[test]
    fn control_streams_are_bounded_and_others_left_alone() {
        let frames = Frames::of_other;
        check(frames, &[0, 4, 2, 9, 9], Ok(0));
        check(frames, &[&[0, 4][..], &LONG].concat(), Err(Excessive));
        check(frames, &[&[2, 4][..], &LONG].concat(), Ok(0));
    }
}
