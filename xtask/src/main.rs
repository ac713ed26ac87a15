//! Development tasks: `cargo xtask test | lint | tidy | bench`.

fn main() {}
