//! The store port of the token service: records, the in-memory reference model and the conformance suite.
