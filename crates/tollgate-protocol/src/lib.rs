//! The words of OAuth 2 as types: identifiers, scopes, resources, token shapes, requests and errors.
