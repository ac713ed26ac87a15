//! Base62 of fixed width: digits, capitals, small letters, most significant digit first.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of each byte as a digit, 255 for those that are none.
#[expect(
    clippy::indexing_slicing,
    reason = "computed by the compiler, which would refuse"
)]
const DIGITS: [u8; 256] = {
    let mut digits = [255; 256];
    let mut value = 0;
    while value < 62 {
        digits[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    digits
};

/// How many digits are taken at a time: 62^5 < 2^30, so that a remainder and the next limb fit a
/// machine word and every division is by a constant.
const CHUNK_DIGITS: usize = 5;
const CHUNK: u64 = 62_u64.pow(5);

/// Writes the 256-bit big-endian number `value` as 43 digits.
#[expect(clippy::indexing_slicing, reason = "a remainder by 62 is below 62")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a quotient by the chunk fits the limb again"
)]
pub(crate) fn encode_256(value: &[u8; 32], out: &mut [u8; 43]) {
    let mut limbs = [0_u32; 8];
    for (limb, bytes) in limbs.iter_mut().zip(value.chunks_exact(4)) {
        *limb = bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u32::from(*byte));
    }
    for digits in out.rchunks_mut(CHUNK_DIGITS) {
        let mut remainder = 0_u64;
        for limb in &mut limbs {
            let dividend = remainder << 32 | u64::from(*limb);
            *limb = (dividend / CHUNK) as u32;
            remainder = dividend % CHUNK;
        }
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(remainder % 62) as usize];
            remainder /= 62;
        }
    }
}

/// Writes `value` as 6 digits.
#[expect(clippy::indexing_slicing, reason = "a remainder by 62 is below 62")]
pub(crate) fn encode_32(mut value: u32, out: &mut [u8; 6]) {
    for digit in out.iter_mut().rev() {
        *digit = ALPHABET[(value % 62) as usize];
        value /= 62;
    }
}

/// Whether `byte` is a base62 digit.
#[must_use]
#[expect(clippy::indexing_slicing, reason = "the table has 256 entries")]
pub fn is_digit(byte: u8) -> bool {
    DIGITS[usize::from(byte)] != 255
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &[u8; 32]) -> String {
        let mut out = [0; 43];
        encode_256(value, &mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn numbers_keep_their_order_and_width() {
        let mut one = [0; 32];
        one[31] = 1;
        let mut sixty_two = [0; 32];
        sixty_two[31] = 62;
        let mut two_to_the_64 = [0; 32];
        two_to_the_64[23] = 1;
        for (value, digits) in [
            ([0; 32], "0".repeat(43)),
            (one, format!("{}1", "0".repeat(42))),
            (sixty_two, format!("{}10", "0".repeat(41))),
            (two_to_the_64, format!("{}LygHa16AHYG", "0".repeat(32))),
            (
                [255; 32],
                "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1".to_owned(),
            ),
        ] {
            assert_eq!(encoded(&value), digits, "{value:?}");
        }
    }
}
