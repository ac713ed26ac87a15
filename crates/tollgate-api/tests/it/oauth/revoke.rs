//! `POST /oauth/revoke` and its batch.

use serde_json::json;

use crate::service::Service;

#[test]
fn a_revoked_token_is_dead_at_once() {
    let service = Service::start();
    for client in [&service.demo, &service.stranger] {
        let token = service.access_token(client);
        let other = service.access_token(client);
        // Twice, so that the second answer comes from the cache.
        assert!(service.is_active(client, &token) && service.is_active(client, &token));
        let answer = service.post("/oauth/revoke", client, &[("token", &token)]);
        assert_eq!(answer.status, 200);
        assert!(!service.is_active(client, &token));
        assert_eq!(service.validate(&token, "", &[]).status, 401);
        assert!(service.is_active(client, &other));
        assert_eq!(
            service
                .post("/oauth/revoke", client, &[("token", &token)])
                .status,
            200
        );
    }
}

#[test]
fn unknown_tokens_are_fine_and_other_clients_tokens_live_on() {
    let service = Service::start();
    for unknown in ["x", "tgat_x", "a.b.c"] {
        let form = [("token", unknown), ("token_type_hint", "refresh_token")];
        assert_eq!(
            service.post("/oauth/revoke", &service.demo, &form).status,
            200
        );
    }
    for (owner, thief) in [
        (&service.demo, &service.orders),
        (&service.stranger, &service.demo),
    ] {
        let token = service.access_token(owner);
        service
            .post("/oauth/revoke", thief, &[("token", &token)])
            .assert_error(400, "invalid_request");
        assert!(service.is_active(owner, &token));
    }
    service
        .post("/oauth/revoke", &service.demo, &[])
        .assert_error(400, "invalid_request");
    service
        .post_raw("/oauth/revoke", &[], "token=x")
        .assert_error(401, "invalid_client");
}

#[test]
fn a_batch_kills_what_is_the_callers() {
    let service = Service::start();
    let own = [
        service.access_token(&service.demo),
        service.access_token(&service.demo),
    ];
    let foreign = service.access_token(&service.stranger);
    let batch = json!({ "tokens": [own[0], foreign, "x", own[1]] }).to_string();
    let answer = service.post_json("/oauth/revoke/batch", &service.demo, &batch);
    assert_eq!(answer.status, 200);
    let revoked: Vec<bool> = answer.json()["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["revoked"] == true)
        .collect();
    assert_eq!(revoked, [true, false, true, true]);
    assert!(
        own.iter()
            .all(|token| !service.is_active(&service.demo, token))
    );
    assert!(service.is_active(&service.stranger, &foreign));
}

#[test]
fn tokens_of_a_deleted_client_stay_dead_when_its_name_comes_back() {
    let service = Service::start();
    let tokens = [
        service.access_token(&service.demo),
        service.one_time_token(&service.demo, &[]),
    ];
    service.administer(async |issuer, context| {
        let id = "demo".parse().unwrap();
        issuer.delete_client(&id).await.unwrap();
        let new = tollgate_issuer::clients::NewClient::new(id);
        issuer.create_client(new, context).await.unwrap();
    });
    for token in tokens {
        assert!(!service.is_active(&service.orders, &token));
        assert_eq!(service.validate(&token, "", &[]).status, 401);
    }
}
