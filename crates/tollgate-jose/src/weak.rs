//! Recognising RSA and Ed25519 keys that must not be trusted.

use crate::error::Weakness;

/// Modulus sizes accepted, in bits.
const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;
/// Public exponents are at most this long, in bits; the library refuses longer ones too late.
const RSA_EXPONENT_BITS_MAX: usize = 33;

/// The small primes that divide the fixed part of every key made by the broken generator.
const SMALL_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];
const ROCA_GENERATOR: u32 = 65537;

/// Checks an RSA public key; both numbers are big-endian without leading zeros.
pub(crate) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), Weakness> {
    let bits = bit_len(n);
    if bits < RSA_BITS_MIN {
        return Err(Weakness::RsaTooShort);
    }
    if bits > RSA_BITS_MAX {
        return Err(Weakness::RsaTooLong);
    }
    let exponent_is_odd = e.last().is_some_and(|low| low & 1 == 1);
    if !exponent_is_odd || e == [1] || bit_len(e) > RSA_EXPONENT_BITS_MAX {
        return Err(Weakness::RsaExponent);
    }
    let is_even = n.last().is_none_or(|low| low & 1 == 0);
    if is_even || SMALL_PRIMES.iter().any(|&p| remainder(n, p) == 0) {
        return Err(Weakness::RsaSmallFactor);
    }
    if SMALL_PRIMES
        .iter()
        .all(|&p| is_power_of_generator(remainder(n, p), p))
    {
        return Err(Weakness::RsaRoca);
    }
    Ok(())
}

/// Checks an Ed25519 public key for the points whose order divides the cofactor (RFC 8032 §5.1).
pub(crate) fn check_ed25519(point: &[u8; 32]) -> Result<(), Weakness> {
    // y without the sign of x: 0, 1, the two of order 8, p - 1, and the non-canonical p and p + 1.
    const ORDER_8: [[u8; 32]; 2] = [
        [
            0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef,
            0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88,
            0x6d, 0x53, 0xfc, 0x05,
        ],
        [
            0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10,
            0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77,
            0x92, 0xac, 0x03, 0x7a,
        ],
    ];
    let mut y = *point;
    y[31] &= 0x7f;
    let [low, middle @ .., high] = y;
    let near_zero = high == 0 && middle.iter().all(|&byte| byte == 0) && low <= 1;
    let near_prime = high == 0x7f && middle.iter().all(|&byte| byte == 0xff) && low >= 0xec;
    if near_zero || near_prime || ORDER_8.contains(&y) {
        return Err(Weakness::SmallOrder);
    }
    Ok(())
}

fn bit_len(number: &[u8]) -> usize {
    let leading = number.first().map_or(0, |top| top.leading_zeros() as usize);
    number.len() * 8 - leading
}

fn remainder(number: &[u8], modulus: u32) -> u32 {
    number
        .iter()
        .fold(0, |rest, &byte| (rest * 256 + u32::from(byte)) % modulus)
}

/// Whether `value` is a power of the generator modulo `prime`, as every residue of a ROCA
/// modulus is (Nemec et al., "The Return of Coppersmith's Attack", 2017).
fn is_power_of_generator(value: u32, prime: u32) -> bool {
    let mut power = 1;
    for _ in 0..prime {
        if power == value {
            return true;
        }
        power = power * (ROCA_GENERATOR % prime) % prime;
    }
    false
}
