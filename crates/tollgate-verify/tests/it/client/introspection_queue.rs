//! Opaque tokens on their way to the provider: batches, waiting, and who stands in whose way.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_verify::client::{
    Clock, FetchError, FetchRequest, IntrospectionError, IntrospectionSettings, Introspector,
    IntrospectorBuilder,
};

use super::fake::{Answer, Fake, HandClock, ok, status};
use super::introspection::{URL, active, builder};

const BATCH: &str = "https://as.example/introspect/batch";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_is_asked_about_once_at_a_time() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({}))));
    fake.close();
    let introspector = builder(&fake).build().unwrap();
    let all: Vec<&str> = vec!["tgat_1"; 50];
    let asking = introspector.introspect_many(&all);
    let opening = async {
        while fake.requests(URL) == 0 {
            tokio::task::yield_now().await;
        }
        fake.open();
    };
    let (answers, ()) = tokio::join!(asking, opening);
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap().is_some())
    );
    assert_eq!(fake.requests(URL), 1);
    // Nothing is kept by default: a revocation counts at once.
    fake.answer(URL, ok(&json!({"active": false})));
    assert!(introspector.introspect("tgat_1").await.unwrap().is_none());
}

fn batch_answer(request: &FetchRequest) -> Answer {
    let body: Value = serde_json::from_str(request.json.as_ref().unwrap()).unwrap();
    let tokens = body["tokens"].as_array().unwrap();
    let results: Vec<Value> = tokens
        .iter()
        .map(|token| active(&json!({ "sub": token })))
        .collect();
    ok(&json!({ "results": results }))
}

#[tokio::test]
async fn what_arrives_meanwhile_goes_into_the_next_request() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({"sub": "t0"}))));
    fake.handle(BATCH, batch_answer);
    fake.close();
    let mut settings = IntrospectionSettings::default();
    settings.requests_max = 1;
    let introspector = builder(&fake)
        .settings(settings)
        .batch_url(BATCH)
        .build()
        .unwrap();
    let first = introspector.introspect("t0");
    let rest = async {
        while fake.requests(URL) == 0 {
            tokio::task::yield_now().await;
        }
        let tokens: Vec<String> = (1..=150).map(|i| format!("t{i}")).collect();
        let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let asking = introspector.introspect_many(&borrowed);
        let opening = async { fake.open() };
        let (answers, ()) = tokio::join!(asking, opening);
        for (token, answer) in tokens.iter().zip(answers) {
            assert_eq!(answer.unwrap().unwrap().subject(), Some(token.as_str()));
        }
    };
    let (first, ()) = tokio::join!(first, rest);
    assert_eq!(first.unwrap().unwrap().subject(), Some("t0"));
    assert_eq!((fake.requests(URL), fake.requests(BATCH)), (1, 2));
}

#[tokio::test]
async fn a_batch_with_the_wrong_number_of_answers_is_no_answer() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, status(500));
    fake.answer(BATCH, ok(&json!({"results": [active(&json!({}))]})));
    let mut settings = IntrospectionSettings::default();
    settings.requests_max = 1;
    fake.close();
    let introspector = builder(&fake)
        .settings(settings)
        .batch_url(BATCH)
        .build()
        .unwrap();
    let asking = introspector.introspect_many(&["t1", "t2", "t3", "t4"]);
    let (answers, ()) = tokio::join!(asking, async { fake.open() });
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(IntrospectionError::Fetch(_))))
    );
}

/// Has one token keep the only worker busy, and gives its outcome and what comes of `rest`.
async fn behind_one_under_way<T>(
    fake: &Fake,
    introspector: &Introspector,
    rest: impl AsyncFnOnce() -> T,
) -> (bool, T) {
    fake.close();
    let rest = async {
        while fake.requests(URL) == 0 {
            tokio::task::yield_now().await;
        }
        rest().await
    };
    let (first, rest) = tokio::join!(introspector.introspect("t0"), rest);
    (first.is_ok(), rest)
}

/// An introspector with a single worker, and its clock.
fn one_worker(
    fake: &Arc<Fake>,
    change: impl FnOnce(&mut IntrospectionSettings),
) -> (IntrospectorBuilder, Arc<HandClock>) {
    let clock = Arc::new(HandClock::default());
    let mut settings = IntrospectionSettings::default();
    settings.requests_max = 1;
    change(&mut settings);
    let builder = builder(fake).settings(settings);
    (builder.clock(Arc::clone(&clock) as Arc<dyn Clock>), clock)
}

/// Polls a question once, so that it is asked, and drops it.
async fn ask_and_leave(introspector: &Introspector, token: &str) {
    tokio::select! {
        biased;
        _ = introspector.introspect(token) => panic!("nobody can have answered"),
        () = async {} => {}
    }
}

#[tokio::test]
async fn more_than_may_wait_is_refused() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({}))));
    let (builder, _) = one_worker(&fake, |settings| settings.waiting_max = 2);
    let introspector = builder.build().unwrap();
    let rest = async || {
        let ask = |token| introspector.introspect(token);
        let opening = async { fake.open() };
        let (a, b, c, ()) = tokio::join!(ask("a"), ask("b"), ask("c"), opening);
        [a, b, c].map(|answer| answer.map(|token| token.is_some()))
    };
    let (_, answers) = behind_one_under_way(&fake, &introspector, rest).await;
    assert_eq!(
        answers,
        [Ok(true), Ok(true), Err(IntrospectionError::Overloaded)]
    );
    // However many one call asks about, it does not stand in its own way.
    for waiting_max in [0, 1, 3] {
        let (builder, _) = one_worker(&fake, |settings| settings.waiting_max = waiting_max);
        let tokens: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let answers = builder.build().unwrap().introspect_many(&borrowed).await;
        assert!(
            answers.iter().all(Result::is_ok),
            "{waiting_max} {answers:?}"
        );
    }
}

#[tokio::test]
async fn long_tokens_of_strangers_do_not_take_an_answer_from_others() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&json!({"active": false})));
    fake.handle(BATCH, |request| {
        match request.json.as_ref().unwrap().len() {
            65_537.. => status(413),
            _ => batch_answer(request),
        }
    });
    let (builder, _) = one_worker(&fake, |_| {});
    let introspector = builder.batch_url(BATCH).build().unwrap();
    // Escaped, each takes twice the bytes.
    let mut tokens: Vec<String> = (0..5)
        .map(|i| format!("{}{i}", "\"".repeat(15_000)))
        .collect();
    tokens.extend((0..3).map(|i| format!("good{i}")));
    let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let rest = async || {
        let opening = async { fake.open() };
        tokio::join!(introspector.introspect_many(&borrowed), opening).0
    };
    let (_, answers) = behind_one_under_way(&fake, &introspector, rest).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(
        answers[5..]
            .iter()
            .all(|good| good.as_ref().unwrap().is_some())
    );
}

#[tokio::test]
async fn one_token_that_spoils_a_batch_spoils_it_for_itself_alone() {
    let check = async |refused: Answer, asked_again: bool| {
        let fake = Arc::new(Fake::default());
        let single = refused.clone();
        fake.handle(URL, move |request| {
            let form = request.form.as_ref().unwrap();
            let is_poison = form.starts_with("token=poison");
            if is_poison {
                single.clone()
            } else {
                ok(&active(&json!({})))
            }
        });
        let several = refused.clone();
        fake.handle(BATCH, move |request| {
            let is_poisoned = request.json.as_ref().unwrap().contains("poison");
            if is_poisoned {
                several.clone()
            } else {
                batch_answer(request)
            }
        });
        let (builder, _) = one_worker(&fake, |settings| settings.retries = 0);
        let introspector = builder.batch_url(BATCH).build().unwrap();
        let rest = async || {
            let opening = async { fake.open() };
            let tokens = ["a", "b", "poison", "c", "d"];
            tokio::join!(introspector.introspect_many(&tokens), opening).0
        };
        let (_, answers) = behind_one_under_way(&fake, &introspector, rest).await;
        let good: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(
            good,
            [asked_again, asked_again, false, asked_again, asked_again]
        );
    };
    for of_one in [400, 413, 422] {
        check(status(of_one), true).await;
    }
    check(Err(FetchError::TooLarge), true).await;
    for of_all in [401, 403, 429, 500] {
        check(status(of_all), false).await;
    }
    check(Err(FetchError::TimedOut), false).await;
}

#[tokio::test]
async fn who_has_waited_too_long_is_told_without_another_request() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({}))));
    let (builder, clock) = one_worker(&fake, |_| {});
    let introspector = builder.build().unwrap();
    let rest = async || {
        let opening = async {
            clock.advance(IntrospectionSettings::default().timeout);
            fake.open();
        };
        tokio::join!(introspector.introspect_many(&["a", "b"]), opening).0
    };
    let (first, answers) = behind_one_under_way(&fake, &introspector, rest).await;
    assert!(first);
    for answer in answers {
        assert_eq!(answer.unwrap_err(), FetchError::TimedOut.into());
    }
    assert_eq!(fake.requests(URL), 1);
    assert!(introspector.introspect("a").await.unwrap().is_some());
}

#[tokio::test]
async fn nobody_is_asked_for_callers_who_have_left() {
    let fake = Arc::new(Fake::default());
    fake.handle(URL, |request| {
        assert!(!request.form.as_ref().unwrap().contains("left"));
        ok(&active(&json!({})))
    });
    let (builder, _) = one_worker(&fake, |settings| settings.waiting_max = 2);
    let introspector = builder.build().unwrap();
    let rest = async || {
        for left in ["left1", "left2", "left3"] {
            ask_and_leave(&introspector, left).await;
        }
        let opening = async { fake.open() };
        tokio::join!(introspector.introspect_many(&["a", "b"]), opening).0
    };
    let (_, answers) = behind_one_under_way(&fake, &introspector, rest).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(fake.requests(URL), 3);
}

#[test]
fn a_provider_that_cannot_answer_is_left_alone_for_a_while() {
    let check = |answer: Answer, rest: Option<u64>| {
        let fake = Arc::new(Fake::default());
        fake.answer(URL, answer.clone());
        let (builder, clock) = one_worker(&fake, |settings| settings.retries = 0);
        let introspector = builder.build().unwrap();
        let ask = |token| introspector.introspect_blocking(token);
        let error = ask("a").unwrap_err();
        assert_eq!(ask("b").unwrap_err(), error);
        let asked = if rest.is_some() { 1 } else { 2 };
        assert_eq!(fake.requests(URL), asked, "{answer:?}");
        fake.answer(URL, ok(&active(&json!({}))));
        clock.advance(Duration::from_secs(rest.unwrap_or(0)));
        assert!(ask("b").unwrap().is_some(), "{answer:?}");
    };
    let busy = |seconds: u64| {
        status(429).map(|mut response| {
            response.retry_after = Some(Duration::from_secs(seconds));
            response
        })
    };
    check(busy(30), Some(30));
    check(busy(3600), Some(60));
    check(status(429), Some(1));
    check(status(503), Some(1));
    check(Err(FetchError::Failed("refused".into())), Some(1));
    // The token may be the cause, and then it must not cost others the answer.
    check(status(500), None);
    check(status(400), None);
    check(Err(FetchError::TimedOut), None);
}

#[test]
fn a_client_that_panics_leaves_nobody_waiting() {
    let fake = Arc::new(Fake::default());
    fake.handle(URL, |_| panic!("a bug in the caller's client"));
    let introspector = builder(&fake).build().unwrap();
    for _ in 0..20 {
        let refused = introspector.introspect_blocking("tgat_1");
        assert!(matches!(refused, Err(IntrospectionError::Fetch(_))));
    }
    fake.answer(URL, ok(&active(&json!({}))));
    assert!(
        introspector
            .introspect_blocking("tgat_1")
            .unwrap()
            .is_some()
    );
}
