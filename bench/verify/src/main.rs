//! Token validation beside the libraries of others, on the same tokens.
//!
//! `material` prints tokens and keys as JSON; `one-core` and `all-cores` measure with what they get
//! of it on stdin and print one JSON object. `cargo xtask bench verify` runs it together with the
//! scripts for other languages.

mod libraries;
mod material;
mod measure;
mod parallel;

use material::Material;
use std::io::{Result, stdin};

fn main() -> Result<()> {
    let what = std::env::args().nth(1).unwrap_or_default();
    let printed = match what.as_str() {
        "material" => serde_json::to_value(Material::mint())?,
        "one-core" => measure::one_core(&serde_json::from_reader(stdin())?),
        "all-cores" => parallel::all_cores(&serde_json::from_reader(stdin())?),
        _ => panic!("usage: tollgate-compare-verify material | one-core | all-cores"),
    };
    println!("{printed}");
    Ok(())
}
