//! The OAuth endpoints and the management API on HTTP.
