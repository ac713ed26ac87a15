//! At the most talkative level, neither the logs nor the audit log hold a secret or a token.

use std::fs;

use crate::{http::Connection, start};

#[test]
fn no_secret_is_ever_written() {
    let directory = tempfile::tempdir().unwrap();
    let audit = directory.path().join("audit.jsonl");
    let server = start(&format!(
        "[log]\nlevel = \"trace\"\nformat = \"json\"\n[audit]\npath = \"{}\"\n",
        audit.display()
    ));
    let client = server.create_client(&["--id", "spy", "--scope", "a", "--token-format", "opaque"]);
    let signed = server.create_client(&["--id", "signed", "--scope", "a"]);
    let rotated = server.tollgate(&[
        "client",
        "rotate-secret",
        "signed",
        "--keep-old",
        "1h",
        "--json",
    ]);
    let mut connection = Connection::to(&server);
    let mut secrets = vec![client.secret.clone(), signed.secret.clone()];
    secrets.push(rotated.json()["client_secret"].as_str().unwrap().to_owned());
    for client in [&client, &signed] {
        let answer = connection.post(client, "/oauth/token", "grant_type=client_credentials");
        let access = answer.json()["access_token"].as_str().unwrap().to_owned();
        let answer = connection.post(client, "/oauth/ott", "data=%22hidden-data%22");
        let one_time = answer.json()["token"].as_str().unwrap().to_owned();
        for path in ["/oauth/introspect", "/oauth/ott/redeem", "/oauth/revoke"] {
            for token in [&access, &one_time] {
                connection.post(client, path, &format!("token={token}"));
                connection.get(&format!(
                    "{path}?token={token}&client_secret={}",
                    client.secret
                ));
            }
        }
        let bearer = format!("authorization: Bearer {access}\r\n");
        connection.get_with("/oauth/validate", &bearer);
        connection.get_with(&format!("/{access}"), &bearer);
        connection.post(
            client,
            "/oauth/token",
            &format!("client_secret={}", client.secret),
        );
        secrets.extend([access, one_time]);
    }
    secrets.push("hidden-data".to_owned());
    secrets.push(server.admin_token());
    let written = server.log() + &fs::read_to_string(&audit).unwrap();
    assert!(written.contains("token.issued"), "nothing was audited");
    assert!(written.contains("\"level\":\"DEBUG\""), "not talkative");
    for secret in secrets {
        // Also not in part: half of a token is worth half the search.
        let (part, _) = secret.split_at(secret.len() / 2);
        assert!(
            !written.contains(&secret) && !written.contains(part),
            "written: {part}…"
        );
    }
}
