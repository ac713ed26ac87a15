//! Validation of OAuth 2 access tokens for resource servers.
