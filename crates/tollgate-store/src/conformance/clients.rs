//! Clients and the key ring change by revision, each as one.

use std::{sync::Arc, time::Duration};

use tollgate_protocol::{Resources, TokenFormat};

use super::{
    Fixture,
    sample::{NOW, client, client_id, key_ring, later, resource},
};
use crate::{ClientChange, ClientRecord, KeyRing, KeyRingChange, SecretHash, Store};

/// A client is there from its creation to its deletion, field for field.
pub async fn clients_come_and_go(fixture: impl Fixture) {
    let store = &**fixture.store();
    let id = client_id("shop");
    assert_eq!(store.client(&id).await.expect("client"), None);
    assert_eq!(
        store.delete_client(id.clone()).await.expect("delete"),
        ClientChange::NotFound
    );
    assert_eq!(
        store.update_client(client("shop")).await.expect("update"),
        ClientChange::NotFound
    );
    let full = full_client();
    assert_eq!(
        store.create_client(full.clone()).await.expect("create"),
        ClientChange::Done
    );
    assert_eq!(
        store.create_client(client("shop")).await.expect("create"),
        ClientChange::AlreadyExists
    );
    assert_eq!(
        store.client(&id).await.expect("client"),
        Some(Arc::new(full))
    );
    assert_eq!(
        store.delete_client(id.clone()).await.expect("delete"),
        ClientChange::Done
    );
    assert_eq!(store.client(&id).await.expect("client"), None);
    assert_eq!(
        store.create_client(client("shop")).await.expect("create"),
        ClientChange::Done
    );
}

fn full_client() -> ClientRecord {
    let mut full = client("shop");
    full.name = "Läden & Söhne \"GmbH\"".to_owned();
    full.secrets.push(SecretHash {
        hash: [9; 32],
        created_at: NOW,
        expires_at: Some(later(5)),
    });
    full.jwks = Some(r#"{"keys":[]}"#.to_owned());
    full.serves = Resources::new(
        ["https://a.example.com", "urn:b"].map(|uri| uri.parse().expect("a resource")),
    )
    .expect("two resources");
    full.audiences = resource("https://c.example.com");
    full.token_format = Some(TokenFormat::Opaque);
    full.access_ttl = Some(Duration::from_secs(90));
    full.signing_alg = Some("EdDSA".to_owned());
    full
}

/// A change that was not made from the stored revision is refused whole.
pub async fn changes_name_the_revision_before(fixture: impl Fixture) {
    let store = &**fixture.store();
    store.create_client(client("shop")).await.expect("create");
    for (revision, expected) in [
        (1, ClientChange::Conflict),
        (3, ClientChange::Conflict),
        (2, ClientChange::Done),
        (2, ClientChange::Conflict),
        (0, ClientChange::Conflict),
        (3, ClientChange::Done),
    ] {
        let changed = ClientRecord {
            name: format!("{revision} {expected:?}"),
            revision,
            ..client("shop")
        };
        assert_eq!(
            store.update_client(changed).await.expect("update"),
            expected
        );
    }
    let kept = store
        .client(&client_id("shop"))
        .await
        .expect("client")
        .expect("is there");
    assert_eq!((kept.name.as_str(), kept.revision), ("3 Done", 3));
}

/// Clients are listed by identifier, page by page.
pub async fn clients_are_listed_in_order(fixture: impl Fixture) {
    let store = &**fixture.store();
    for name in ["b", "a", "ab", "c", "B"] {
        store.create_client(client(name)).await.expect("create");
    }
    let list = async |after: Option<&str>, limit| {
        let clients = store
            .clients(after.map(client_id), limit)
            .await
            .expect("clients");
        clients
            .iter()
            .map(|client| client.id.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(list(None, 9).await, ["B", "a", "ab", "b", "c"]);
    assert_eq!(list(None, 2).await, ["B", "a"]);
    assert_eq!(list(Some("a"), 2).await, ["ab", "b"]);
    assert_eq!(
        list(Some("aa"), 1).await,
        ["ab"],
        "after one that is not there"
    );
    assert_eq!(list(Some("c"), 9).await, [""; 0]);
    assert_eq!(list(None, 0).await, [""; 0]);
}

/// The key ring begins empty at revision 0 and is replaced whole.
pub async fn the_key_ring_changes_as_one(fixture: impl Fixture) {
    let store = &**fixture.store();
    assert_eq!(store.key_ring().await.expect("ring"), KeyRing::default());
    for (revision, expected, kept) in [
        (2, KeyRingChange::Conflict, 0),
        (1, KeyRingChange::Done, 1),
        (1, KeyRingChange::Conflict, 1),
        (2, KeyRingChange::Done, 2),
    ] {
        let change = store
            .replace_key_ring(key_ring(revision))
            .await
            .expect("replace");
        assert_eq!(change, expected);
        let ring = store.key_ring().await.expect("ring");
        assert_eq!(ring.revision, kept);
        assert!(kept == 0 || ring == key_ring(kept));
    }
}
