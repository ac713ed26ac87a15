//! The randomness of the service: the one place that asks for any.

use aws_lc_rs::rand;
use tollgate_protocol::{Entropy, entropy::EntropyUnavailable};

/// The deterministic generator of `aws-lc-rs`, seeded and reseeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks for randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        rand::fill(bytes).map_err(|_| EntropyUnavailable)
    }
}
