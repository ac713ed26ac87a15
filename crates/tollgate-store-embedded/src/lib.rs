//! The embedded durable store: an LSM tree with group commit.
