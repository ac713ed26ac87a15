//! Every decision of the token service, without I/O of its own.
