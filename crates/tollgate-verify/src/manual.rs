//! The manual: what the library protects from, and how its parts are used together.
//!
//! 1. [`threats`]: what goes wrong with tokens, and where it is stopped
//! 2. [`policy`]: what a token must say, and checks of one's own
//! 3. [`keys`]: where keys come from, how long they serve, what happens when the provider is down
//! 4. [`bound_tokens`]: DPoP and client certificates
//! 5. [`opaque_tokens`]: introspection, and tokens for one's own calls
//! 6. [`server`]: tower, axum, other frameworks, and the answers to who is not let in
//! 7. [`testing`]: clocks, keys and providers in tests
//! 8. [`speed`]: what a validation costs, batches, the cache of verified tokens

#[doc = include_str!("manual/bound_tokens.md")]
pub mod bound_tokens {}
#[doc = include_str!("manual/keys.md")]
pub mod keys {}
#[doc = include_str!("manual/opaque_tokens.md")]
pub mod opaque_tokens {}
#[doc = include_str!("manual/policy.md")]
pub mod policy {}
#[doc = include_str!("manual/server.md")]
pub mod server {}
#[doc = include_str!("manual/speed.md")]
pub mod speed {}
#[doc = include_str!("manual/testing.md")]
pub mod testing {}
#[doc = include_str!("manual/threats.md")]
pub mod threats {}
