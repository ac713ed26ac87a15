//! Verifies the tokens given as arguments, without an async runtime.
//!
//! ```text
//! cargo run -p tollgate-verify --example blocking -- ISSUER AUDIENCE TOKEN…
//! ```
#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::error::Error;

use tollgate_verify::Verifier;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let issuer = arguments
        .next()
        .ok_or("usage: blocking ISSUER AUDIENCE TOKEN…")?;
    let audience = arguments
        .next()
        .ok_or("usage: blocking ISSUER AUDIENCE TOKEN…")?;
    let verifier = Verifier::builder()
        .issuer(&issuer)
        .audience(&audience)
        .build()?
        .blocking();
    for token in arguments {
        match verifier.verify(&token) {
            Ok(verified) => println!("valid: {}", verified.claims_json()),
            Err(error) => println!("{}: {error}", error.code()),
        }
    }
    Ok(())
}
