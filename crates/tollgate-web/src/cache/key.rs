//! Keys, kept inside their slot when they are short: a look-up then touches one cache line less.

const INLINE_MAX: usize = 22;

/// The bytes of one key.
#[derive(Clone)]
pub(crate) enum Key {
    Inline(u8, [u8; INLINE_MAX]),
    Heap(Box<[u8]>),
}

impl Key {
    pub(crate) fn new(key: &str) -> Self {
        let bytes = key.as_bytes();
        let mut inline = [0; INLINE_MAX];
        match (inline.get_mut(..bytes.len()), u8::try_from(bytes.len())) {
            (Some(space), Ok(length)) => {
                space.copy_from_slice(bytes);
                Self::Inline(length, inline)
            }
            _ => Self::Heap(bytes.into()),
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            // The length is never larger than the space, so nothing is ever left out.
            Self::Inline(length, space) => space.get(..usize::from(*length)).unwrap_or_default(),
            Self::Heap(bytes) => bytes,
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Inline(..) => 0,
            Self::Heap(bytes) => crate::weigh::allocation_bytes(bytes.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_length_stay_themselves() {
        for length in 0..100 {
            let text = "k".repeat(length);
            let key = Key::new(&text);
            assert_eq!(key.as_bytes(), text.as_bytes());
            assert_eq!(key.heap_bytes() > 0, length > INLINE_MAX, "{length}");
        }
    }
}
