//! The Tollgate token service.

fn main() {}
