//! The source of randomness that the binary passes in; nothing here draws any.

/// A cryptographically secure source of random bytes.
///
/// # Security
///
/// Tokens, secrets and identifiers are made of these bytes. An implementation other than the
/// operating system's or a FIPS-approved generator belongs in tests alone.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with randomness.
    ///
    /// # Errors
    ///
    /// When the generator cannot deliver; `bytes` must then not be used.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable>;
}

/// The generator did not deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the random generator is not available")]
pub struct EntropyUnavailable;

/// `N` random bytes.
///
/// # Errors
///
/// When the generator cannot deliver.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyUnavailable> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}
