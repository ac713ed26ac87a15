//! Records to test with.

use std::sync::Arc;

use tollgate_protocol::{ClientId, GrantType, Resource, Resources, Scope, Subject, UnixSeconds};

use crate::{
    ClientEpoch, ClientRecord, ClientState, KeyRing, NewToken, Probe, Redemption, Revocation,
    SecretHash, SignedToken, StoredKey, TokenKey, TokenRecord, TokenUse,
};

/// The time at which every test begins.
pub const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// The life time of the tokens made here, in seconds.
pub const TTL_SECONDS: u64 = 60;

/// A time after [`NOW`].
#[must_use]
pub const fn later(seconds: u64) -> UnixSeconds {
    UnixSeconds(NOW.0.saturating_add(seconds))
}

/// A key of its own for each number, spread like a hash and not in the order of the numbers.
#[must_use]
pub fn key(number: u64) -> TokenKey {
    let spread = u128::from(number)
        .wrapping_add(1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    TokenKey(spread.to_be_bytes())
}

/// A client identifier.
#[must_use]
pub fn client_id(name: &str) -> ClientId {
    name.parse().expect("a valid client id")
}

/// A subject.
#[must_use]
pub fn subject(name: &str) -> Subject {
    name.parse().expect("a valid subject")
}

/// A set of one resource.
#[must_use]
pub fn resource(uri: &str) -> Resources {
    Resources::one(uri.parse::<Resource>().expect("a valid resource"))
}

/// An enabled client in epoch 1, revision 1.
#[must_use]
pub fn client(name: &str) -> ClientRecord {
    ClientRecord {
        id: client_id(name),
        name: format!("The client {name}"),
        state: ClientState::Enabled,
        epoch: ClientEpoch(1),
        secrets: vec![SecretHash {
            hash: [7; 32],
            created_at: NOW,
            expires_at: None,
        }],
        jwks: None,
        grants: vec![GrantType::ClientCredentials],
        scope: scope("orders:read orders:write"),
        audiences: resource("https://orders.example.com"),
        serves: Resources::default(),
        token_format: None,
        access_ttl: None,
        signing_alg: None,
        created_at: NOW,
        updated_at: NOW,
        revision: 1,
    }
}

/// An access token of `client` about itself, in epoch 1, issued [`NOW`].
#[must_use]
pub fn access_token(number: u64, client: &str) -> NewToken {
    let record = TokenRecord {
        usage: TokenUse::Access,
        client: client_id(client),
        epoch: ClientEpoch(1),
        subject: subject(client),
        scope: scope("orders:read"),
        audience: resource("https://orders.example.com"),
        issued_at: NOW.to_millis(),
        expires_at: later(TTL_SECONDS),
        data: None,
    };
    NewToken {
        key: key(number),
        record,
    }
}

/// A one-time token of `client`.
#[must_use]
pub fn one_time_token(number: u64, client: &str) -> NewToken {
    let mut token = access_token(number, client);
    token.record.usage = TokenUse::OneTime;
    token.record.data = Some(Arc::from(r#"{"order":4711}"#));
    token
}

/// A signed token of `client` about itself, in epoch 1, issued [`NOW`].
#[must_use]
pub fn signed_token(number: u64, client: &str) -> SignedToken {
    SignedToken {
        key: key(number),
        client: client_id(client),
        epoch: ClientEpoch(1),
        subject: subject(client),
        issued_at: NOW.to_millis(),
        expires_at: later(TTL_SECONDS),
    }
}

/// A key ring of one key.
#[must_use]
pub fn key_ring(revision: u64) -> KeyRing {
    let key = StoredKey {
        kid: format!("key-{revision}"),
        algorithm: "ES256".to_owned(),
        public_jwk: r#"{"kty":"EC"}"#.to_owned(),
        sealed: vec![1, 2, 3],
        created_at: NOW,
        signs_from: NOW,
        retired_at: Some(later(revision)),
        gone_at: None,
        revoked_at: None,
    };
    KeyRing {
        revision,
        keys: vec![key],
    }
}

/// The probe of an opaque token.
#[must_use]
pub fn stored(number: u64) -> Probe {
    Probe::Stored(key(number))
}

/// A redemption by a client that serves nothing.
#[must_use]
pub fn redemption(number: u64, client: &str) -> Redemption {
    Redemption {
        key: key(number),
        client: client_id(client),
        serves: Resources::default(),
    }
}

/// A revocation by an administrator.
#[must_use]
pub const fn by_administrator(probe: Probe) -> Revocation {
    Revocation { probe, owner: None }
}

/// A revocation by a client.
#[must_use]
pub fn by_client(probe: Probe, client: &str) -> Revocation {
    Revocation {
        probe,
        owner: Some(client_id(client)),
    }
}

fn scope(text: &str) -> Scope {
    text.parse().expect("a valid scope")
}
