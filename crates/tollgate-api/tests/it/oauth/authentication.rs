//! Who a caller is, at every endpoint that asks.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use tollgate_issuer::clients::NewClient;
use tollgate_jose::{Algorithm, SigningKey, compact, encode_header};

use crate::service::{Credentials, ISSUER, ORDERS, Service, basic, encode};

const GRANT: &str = "grant_type=client_credentials";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[test]
fn a_secret_counts_in_the_header_and_in_the_body() {
    let service = Service::start();
    let Credentials { id, secret } = &service.demo;
    let header = basic(&service.demo);
    for (headers, body, status) in [
        (vec![("authorization", &*header)], GRANT.to_owned(), 200),
        (
            vec![("authorization", &*header)],
            format!("{GRANT}&client_id={id}"),
            200,
        ),
        (
            vec![],
            format!("{GRANT}&client_id={id}&client_secret={secret}"),
            200,
        ),
        (
            vec![("authorization", &*header)],
            format!("{GRANT}&client_secret={secret}"),
            400,
        ),
        (
            vec![("authorization", &*header)],
            format!("{GRANT}&client_id=orders"),
            400,
        ),
        (
            vec![("authorization", &*header)],
            format!("{GRANT}&client_assertion=x"),
            400,
        ),
        (
            vec![("authorization", &*header), ("authorization", &*header)],
            GRANT.to_owned(),
            400,
        ),
        (vec![], GRANT.to_owned(), 401),
        (vec![], format!("{GRANT}&client_id={id}"), 401),
        (vec![], format!("{GRANT}&client_secret={secret}"), 401),
        (
            vec![],
            format!("{GRANT}&client_id=a%00b&client_secret={secret}"),
            401,
        ),
    ] {
        let answer = service.post_raw("/oauth/token", &headers, &body);
        assert_eq!(answer.status, status, "{headers:?} {answer:?}");
        if status == 401 {
            answer.assert_error(401, "invalid_client");
            assert!(
                answer
                    .header("www-authenticate")
                    .unwrap()
                    .starts_with("Basic ")
            );
        }
    }
}

#[test]
fn who_does_not_exist_and_who_errs_are_answered_alike() {
    let service = Service::start();
    let wrong = |id: &str, secret: &str| {
        let answer = service.post(
            "/oauth/token",
            &Credentials {
                id: id.to_owned(),
                secret: secret.to_owned(),
            },
            &[("grant_type", "client_credentials")],
        );
        answer.assert_error(401, "invalid_client");
        answer.body
    };
    let bodies = [
        wrong("demo", "wrong"),
        wrong("nobody", "wrong"),
        wrong("nobody", &service.demo.secret),
    ];
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    for header in [
        "Basic",
        "Basic ***",
        "Basic ZGVtbw==",
        "Bearer x",
        "Digest x",
        "Basic YQBiOmM=",
    ] {
        let answer = service.post_raw("/oauth/token", &[("authorization", header)], GRANT);
        assert_eq!((answer.status, &answer.body), (401, &bodies[0]), "{header}");
    }
    let tab = format!("Basic {}", STANDARD.encode("de\tmo:secret"));
    assert_eq!(
        service
            .post_raw("/oauth/token", &[("authorization", &tab)], GRANT)
            .body,
        bodies[0]
    );
}

#[test]
fn a_disabled_client_is_nobody_and_its_tokens_are_dead() {
    let service = Service::start();
    let jwt = service.access_token(&service.demo);
    let opaque = service.access_token(&service.stranger);
    for id in ["demo", "stranger"] {
        service.administer(async |issuer, context| {
            let patch = tollgate_issuer::clients::ClientPatch {
                state: Some(tollgate_store::ClientState::Disabled),
                ..Default::default()
            };
            issuer
                .update_client(&id.parse().unwrap(), &patch, context)
                .await
                .unwrap();
        });
    }
    assert_eq!(service.validate(&jwt, "", &[]).status, 401);
    assert_eq!(service.validate(&opaque, "", &[]).status, 401);
    let answer = service.post_raw(
        "/oauth/token",
        &[("authorization", &basic(&service.demo))],
        GRANT,
    );
    answer.assert_error(401, "invalid_client");
}

/// A client with a key, and what it takes to make assertions with it.
struct KeyHolder {
    key: SigningKey,
    header: String,
}

impl KeyHolder {
    fn register(service: &Service) -> Self {
        let (_, key) = SigningKey::generate(Algorithm::ES256).unwrap();
        let jwks = serde_json::json!({ "keys": [key.public_jwk().unwrap()] }).to_string();
        service.administer(async |issuer, context| {
            let new = NewClient {
                jwks: Some(jwks),
                ..NewClient::new("keyed".parse().unwrap())
            };
            issuer.create_client(new, context).await.unwrap();
        });
        let header = encode_header(Algorithm::ES256, key.kid(), "JWT");
        Self { key, header }
    }

    fn assertion(&self, claims: &serde_json::Value) -> String {
        let mut assertion = String::new();
        compact(
            &self.header,
            claims.to_string().as_bytes(),
            &self.key,
            &mut assertion,
        )
        .unwrap();
        assertion
    }

    /// The claims of a good assertion.
    fn claims(jti: &str) -> serde_json::Value {
        serde_json::json!({
            "iss": "keyed", "sub": "keyed", "aud": ISSUER, "jti": jti,
            "iat": 1_800_000_000_u64, "exp": 1_800_000_060_u64,
        })
    }
}

fn send(service: &Service, assertion: &str) -> u16 {
    let form = encode(&[
        ("grant_type", "client_credentials"),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ]);
    service.post_raw("/oauth/token", &[], &form).status
}

#[test]
fn an_assertion_counts_once() {
    let service = Service::start();
    let holder = KeyHolder::register(&service);
    let assertion = holder.assertion(&KeyHolder::claims("1"));
    assert_eq!(send(&service, &assertion), 200);
    assert_eq!(send(&service, &assertion), 401, "replayed");
    assert_eq!(
        send(&service, &holder.assertion(&KeyHolder::claims("1"))),
        401,
        "same jti"
    );
    assert_eq!(
        send(&service, &holder.assertion(&KeyHolder::claims("2"))),
        200
    );
}

#[test]
fn assertions_for_others_or_of_other_times_are_refused() {
    let service = Service::start();
    let holder = KeyHolder::register(&service);
    let good = KeyHolder::claims("1");
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for claims in [
        with("aud", serde_json::json!([ISSUER])),
        with("aud", format!("{ISSUER}/oauth/token").into()),
        with("aud", format!("{ISSUER}/").into()),
        with("aud", ORDERS.into()),
        with("iss", "demo".into()),
        with("sub", "demo".into()),
        with("exp", 1_799_999_000_u64.into()),
        with("exp", 1_900_000_000_u64.into()),
        with("exp", "1800000060".into()),
        with("exp", (-1).into()),
        with("exp", serde_json::Value::Null),
        with("nbf", 1_800_001_000_u64.into()),
        with("iat", 1_800_001_000_u64.into()),
        with("jti", "".into()),
        with("jti", "j".repeat(257).into()),
        with("jti", serde_json::Value::Null),
    ] {
        assert_eq!(send(&service, &holder.assertion(&claims)), 401, "{claims}");
    }
    assert_eq!(send(&service, &holder.assertion(&good)), 200);
}

#[test]
fn assertions_of_other_keys_and_algorithms_are_refused() {
    let service = Service::start();
    let holder = KeyHolder::register(&service);
    let claims = KeyHolder::claims("1").to_string();
    let signed = |header: &str, key: &SigningKey| {
        let mut assertion = String::new();
        compact(header, claims.as_bytes(), key, &mut assertion).unwrap();
        assertion
    };
    let (_, other) = SigningKey::generate(Algorithm::ES256).unwrap();
    let public = serde_json::to_string(&holder.key.public_jwk().unwrap()).unwrap();
    let confused = SigningKey::hmac(Algorithm::HS256, public.as_bytes()).unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let crit = URL_SAFE_NO_PAD.encode(format!(
        r#"{{"alg":"ES256","kid":"{}","crit":["x"],"x":1}}"#,
        holder.key.kid()
    ));
    for (what, assertion) in [
        (
            "another key under the same kid",
            signed(&holder.header, &other),
        ),
        (
            "another key",
            signed(&encode_header(Algorithm::ES256, other.kid(), "JWT"), &other),
        ),
        (
            "the public key as a secret",
            signed(
                &encode_header(Algorithm::HS256, holder.key.kid(), "JWT"),
                &confused,
            ),
        ),
        ("crit", signed(&crit, &holder.key)),
        (
            "none",
            format!("{none}.{}.", URL_SAFE_NO_PAD.encode(&claims)),
        ),
        (
            "a token that it signed for others",
            signed(
                &encode_header(Algorithm::ES256, holder.key.kid(), "at+jwt"),
                &holder.key,
            ),
        ),
        ("no JWT", "x".to_owned()),
        ("a JWT of two parts", "a.b".to_owned()),
    ] {
        assert_eq!(send(&service, &assertion), 401, "{what}");
    }
    let mut truncated = signed(&holder.header, &holder.key);
    truncated.pop();
    assert_eq!(send(&service, &truncated), 401);
    let kid = holder.key.kid();
    let header = encode_header(Algorithm::ES256, kid, "client-authentication+jwt");
    assert_eq!(send(&service, &signed(&header, &holder.key)), 200);
}

#[test]
fn failures_are_limited_and_the_right_secret_still_counts_elsewhere() {
    let service = Service::with(|config| {
        config.failures.quota = tollgate_limit::Quota::new(5, 0.001).unwrap();
        config.trusted_proxies =
            tollgate_web::TrustedProxies::new(vec!["127.0.0.1/32".parse().unwrap()]);
    });
    let attempt = |secret: &str, ip: &str| {
        let client = Credentials {
            id: "demo".to_owned(),
            secret: secret.to_owned(),
        };
        let headers = [("authorization", &*basic(&client)), ("x-forwarded-for", ip)];
        let answer = service.post_raw("/oauth/token", &headers, GRANT);
        let said = ["ratelimit", "ratelimit-policy", "retry-after"].map(|name| answer.header(name));
        match answer.status {
            429 => {
                answer.assert_error(429, "temporarily_unavailable");
                let [limit, policy, retry_after] = said.map(Option::unwrap);
                assert!(limit.starts_with("\"failures\";r=0;t="), "{limit}");
                assert_eq!(policy, "\"failures\";q=5;w=5000");
                assert!(retry_after.parse::<u64>().unwrap() > 0, "{retry_after}");
            }
            _ => assert_eq!(said, [None; 3], "only what refuses is told of"),
        }
        answer.status
    };
    let statuses: Vec<u16> = (0..8).map(|_| attempt("wrong", "192.0.2.1")).collect();
    assert_eq!(&statuses[..5], [401; 5]);
    assert_eq!(&statuses[5..], [429; 3]);
    assert_eq!(
        attempt(&service.demo.secret, "192.0.2.1"),
        429,
        "the address is not listened to"
    );
    assert_eq!(
        attempt("wrong", "192.0.2.2"),
        429,
        "the client's share is used up"
    );
    assert_eq!(
        attempt(&service.demo.secret, "192.0.2.3"),
        200,
        "nobody is locked out"
    );
}
