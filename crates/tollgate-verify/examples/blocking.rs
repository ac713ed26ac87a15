//! Verifies the tokens given as arguments, without an async runtime.
//!
//! ```text
//! cargo run -p tollgate-verify --example blocking -- ISSUER AUDIENCE TOKEN…
//! ```
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for the terminal"
)]

use std::error::Error;
use std::process::ExitCode;

use tollgate_verify::{Verifier, blocking};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [issuer, audience, tokens @ ..] = arguments.as_slice() else {
        eprintln!("usage: blocking ISSUER AUDIENCE TOKEN…");
        return ExitCode::from(2);
    };
    match verify(issuer, audience, tokens) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints what becomes of each token; whether all are valid.
fn verify(issuer: &str, audience: &str, tokens: &[String]) -> Result<bool, Box<dyn Error>> {
    let verifier = Verifier::builder()
        .issuer(issuer)
        .audience(audience)
        .build()?
        .blocking();
    let mut are_valid = true;
    for token in tokens {
        match verifier.verify(token) {
            Ok(verified) => println!("valid: {}", verified.claims_json()),
            Err(error) => {
                are_valid = false;
                println!("{}: {}", error.code(), why(&verifier, &error));
            }
        }
    }
    Ok(are_valid)
}

/// The cause, and behind missing keys what the provider did.
fn why(verifier: &blocking::Verifier, error: &tollgate_verify::Error) -> String {
    let sources = verifier.stats().sources.into_iter();
    let failure = sources.filter_map(|source| source.last_failure).next();
    match (error, failure) {
        (tollgate_verify::Error::KeysUnavailable, Some(failure)) => format!("{error}: {failure}"),
        _ => error.to_string(),
    }
}
