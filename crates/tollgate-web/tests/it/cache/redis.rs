//! Two instances, one Redis, and what becomes of them when it goes.

use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use tollgate_web::cache::redis::{RedisConfig, RedisConfigError, RedisLevel};
use tollgate_web::cache::{
    Cache, CacheClock, CacheConfig, CacheError, Counters, EntryOptions, FILL_WITHIN, SecondLevel,
    WriteError,
};

use super::PLAIN;
use super::redis_server::{RedisServer, until};

fn text(value: &str) -> String {
    value.to_owned()
}

/// Both instances have `key` in memory.
async fn warm(instances: [&Cache<String>; 2], key: &str, options: EntryOptions<'_>) {
    instances[0].set(key, text("old"), options).await.unwrap();
    for cache in instances {
        // The setter's own invalidation may come after the first reader.
        until("the value is in memory", async || {
            assert_eq!(cache.get(key).await, Some(text("old")));
            cache.get_local(key).is_some()
        })
        .await;
    }
}

#[tokio::test]
async fn instances_share_what_they_hold() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    let entries = vec![("x", text("1")), ("y", text("2"))];
    a.set_many(entries, PLAIN).await.unwrap();
    assert_eq!(
        b.get_many(&["y", "none", "x"]).await,
        [Some(text("2")), None, Some(text("1"))]
    );
    assert!(b.exists("x").await);
    assert_eq!(b.delete_many(&["x", "none"]).await, Ok(1));
    assert_eq!(b.get("x").await, None);
    let brief = EntryOptions::ttl(Duration::from_millis(1));
    a.set("brief", text("3"), brief).await.unwrap();
    until("the entry has died", async || !b.exists("brief").await).await;
    let many: Vec<String> = (0..2_000).map(|number| format!("many:{number}")).collect();
    let keys: Vec<&str> = many.iter().map(String::as_str).collect();
    let entries = keys.iter().map(|key| (*key, text(key))).collect();
    a.set_many(entries, PLAIN).await.unwrap();
    assert!(b.get_many(&keys).await.iter().all(Option::is_some));
    assert_eq!(b.clear().await, Ok(2_001), "these, and `y`");
    assert_eq!(b.get_many(&keys).await, vec![None; 2_000]);
    let other = redis.level("other");
    let other: Cache<String> = Cache::shared(CacheConfig::default(), other);
    a.set("z", text("4"), PLAIN).await.unwrap();
    assert_eq!(other.get("z").await, None, "another namespace");
}

#[tokio::test]
async fn invalidations_reach_the_other_instances() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    let tags = EntryOptions::tags(&["team"]);
    for how in ["key", "set", "prefix", "odd prefix", "tag", "all"] {
        let key = "user:*[1]?:name";
        warm([&a, &b], key, tags).await;
        warm([&a, &b], "bystander", PLAIN).await;
        let kept = match how {
            "key" => a.delete(key).await.map(|_| None),
            "set" => {
                let set = a.set(key, text("new"), PLAIN).await;
                set.map(|()| Some(text("new")))
            }
            "prefix" => a.invalidate("user:*").await.map(|_| None),
            "odd prefix" => a.invalidate("user:*[1]?*").await.map(|_| None),
            "tag" => a.invalidate_tag("team").await.map(|_| None),
            _ => a.clear().await.map(|_| None),
        }
        .unwrap();
        assert_eq!(a.get(key).await, kept, "{how}");
        until(how, async || b.get(key).await == kept).await;
        let bystander = (how != "all").then(|| text("old"));
        assert_eq!(b.get("bystander").await, bystander, "{how}");
    }
    assert!(b.statistics().invalidations_heard >= 6);
    assert_eq!(b.statistics().second_level_failures, 0);
}

#[tokio::test]
async fn a_load_that_took_too_long_is_kept_nowhere() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let other = redis.instance().await;
    for (took, kept) in [(FILL_WITHIN, false), (FILL_WITHIN / 2, true)] {
        let clock = CacheClock::manual();
        let config = CacheConfig {
            clock: clock.clone(),
            ttl: FILL_WITHIN * 2,
            ..CacheConfig::default()
        };
        let level = redis.level("test");
        until("it hears", async || level.is_coherent()).await;
        let cache: Cache<String> = Cache::shared(config, level);
        let load = async || {
            clock.advance(took);
            Ok::<_, ()>(text("slow"))
        };
        let loaded = cache.get_or_load("key", PLAIN, load).await;
        assert_eq!(loaded, Ok(text("slow")));
        assert_eq!(cache.get_local("key").is_some(), kept, "{took:?}");
        assert_eq!(other.get("key").await.is_some(), kept, "{took:?}");
    }
}

#[tokio::test]
async fn a_load_that_another_instance_overtook_is_kept_nowhere() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    for how in ["key", "prefix", "tag", "set", "nothing"] {
        b.clear().await.unwrap();
        let (go_on, outcome) = oneshot::channel();
        let (started, running) = oneshot::channel();
        let loading = tokio::spawn({
            let a = a.clone();
            async move {
                let load = async || {
                    started.send(()).unwrap();
                    outcome.await.unwrap()
                };
                let options = EntryOptions::tags(&["team"]);
                a.get_or_load("user:1", options, load).await
            }
        });
        running.await.unwrap();
        match how {
            "key" => drop(b.delete("user:1").await.unwrap()),
            "prefix" => drop(b.invalidate("user:*").await.unwrap()),
            "tag" => drop(b.invalidate_tag("team").await.unwrap()),
            "set" => b.set("user:1", text("new"), PLAIN).await.unwrap(),
            _ => {}
        }
        go_on.send(Ok::<_, String>(text("old"))).unwrap();
        assert_eq!(loading.await.unwrap(), Ok(text("old")));
        let kept = match how {
            "nothing" => Some(text("old")),
            "set" => Some(text("new")),
            _ => None,
        };
        assert_eq!(a.get("user:1").await, kept, "{how}");
        assert_eq!(b.get("user:1").await, kept, "{how}");
    }
}

#[tokio::test]
async fn of_two_instances_that_write_at_once_neither_is_kept() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    let (go_on, outcome) = oneshot::channel();
    let (started, running) = oneshot::channel();
    let writing = tokio::spawn({
        let a = a.clone();
        async move {
            let write = async move {
                started.send(()).unwrap();
                outcome.await.unwrap()
            };
            a.write_through("k", text("a"), PLAIN, write).await
        }
    });
    running.await.unwrap();
    let write = async { Ok::<_, WriteError<()>>(()) };
    b.write_through("k", text("b"), PLAIN, write).await.unwrap();
    assert_eq!(b.get("k").await, Some(text("b")));
    go_on.send(Ok::<_, String>(())).unwrap();
    writing.await.unwrap().unwrap();
    assert_eq!(a.get("k").await, None);
    until("b has heard", async || b.get("k").await.is_none()).await;
    let write = async { Ok::<_, String>(()) };
    a.write_through("k", text("c"), PLAIN, write).await.unwrap();
    assert_eq!(a.get("k").await, Some(text("c")));
    until("b has it", async || b.get("k").await == Some(text("c"))).await;
}

#[tokio::test]
async fn counters_are_one_for_all() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let level = || Counters::shared(CacheConfig::default(), redis.level("test"));
    let (a, b) = (level(), level());
    assert_eq!(a.value("c").await, Ok(0));
    assert_eq!(a.add("c", 3, PLAIN).await, Ok(3));
    assert_eq!(b.add("c", -1, PLAIN).await, Ok(2));
    let rest = i64::MAX - 2;
    assert_eq!(b.add("c", rest, PLAIN).await, Ok(i64::MAX));
    assert_eq!(a.add("c", 1, PLAIN).await, Err(CacheError::CounterOverflow));
    assert_eq!(a.value("c").await, Ok(i64::MAX));
    let brief = EntryOptions::ttl(Duration::from_millis(1));
    a.add("brief", 1, brief).await.unwrap();
    until("it ends", async || b.value("brief").await == Ok(0)).await;
}

#[tokio::test]
async fn who_leaves_in_the_middle_takes_nothing_from_others() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    let nobody = &mut Context::from_waker(Waker::noop());
    for how in ["delete", "set", "prefix"] {
        b.set("other", text("kept"), PLAIN).await.unwrap();
        b.set("user:1", text("old"), PLAIN).await.unwrap();
        until("a has it", async || {
            a.get("user:1").await == Some(text("old"))
        })
        .await;
        let mut begun: Pin<Box<dyn Future<Output = ()>>> = match how {
            "delete" => Box::pin(async { a.delete("user:1").await.map(drop).unwrap() }),
            "set" => Box::pin(async { a.set("user:1", text("new"), PLAIN).await.unwrap() }),
            _ => Box::pin(async { a.invalidate("user:*").await.map(drop).unwrap() }),
        };
        assert!(begun.as_mut().poll(nobody).is_pending());
        drop(begun);
        for _ in 0..20 {
            assert_eq!(b.set("more", text("1"), PLAIN).await, Ok(()));
            assert_eq!(a.set("most", text("1"), PLAIN).await, Ok(()), "{how}");
            assert_eq!(a.get("other").await, Some(text("kept")), "{how}");
        }
        let new = (how == "set").then(|| text("new"));
        until("it is done", async || a.get("user:1").await == new).await;
        until("it is done", async || b.get("user:1").await == new).await;
    }
    assert_eq!(a.statistics().second_level_failures, 0);
}

#[tokio::test]
async fn entries_may_live_for_ever() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let a = redis.instance().await;
    let always = EntryOptions {
        tags: &["team"],
        ..EntryOptions::ttl(Duration::MAX)
    };
    assert_eq!(a.set("k", text("v"), always).await, Ok(()));
    assert_eq!(a.get("k").await, Some(text("v")));
    let counters = Counters::shared(CacheConfig::default(), redis.level("test"));
    assert_eq!(counters.add("c", 1, always).await, Ok(1));
}

#[tokio::test]
async fn a_killed_server_is_done_without_and_come_back_to() {
    let Some(mut redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    warm([&a, &b], "k", PLAIN).await;
    redis.kill();
    until("memory is passed by", async || b.get_local("k").is_none()).await;
    assert_eq!(b.get("k").await, None);
    assert_eq!(
        b.set("k", text("new"), PLAIN).await,
        Err(CacheError::Unavailable)
    );
    assert_eq!(b.delete("k").await, Err(CacheError::Unavailable));
    let load = async || Ok::<_, String>(text("loaded"));
    assert_eq!(b.get_or_load("k", PLAIN, load).await, Ok(text("loaded")));
    assert_eq!(b.get_local("k"), None, "it could not be told of its end");
    let figures = b.statistics();
    assert!(figures.second_level_failures > 0 && figures.bypasses > 0);
    assert_eq!(figures.channel_losses, 1);
    redis.restart();
    for cache in [&a, &b] {
        until("it is come back to", async || {
            cache.set("again", text("1"), PLAIN).await.is_ok()
        })
        .await;
    }
    assert_eq!(a.get("k").await, None);
    until("memory counts again", async || {
        b.get("again").await;
        b.get_local("again").is_some()
    })
    .await;
    a.delete("again").await.unwrap();
    until("b hears again", async || b.get("again").await.is_none()).await;
}

#[tokio::test]
async fn an_invalidation_that_a_frozen_server_missed_is_made_up_for() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let (a, b) = (redis.instance().await, redis.instance().await);
    warm([&a, &b], "k", PLAIN).await;
    redis.signal("STOP");
    assert_eq!(a.delete("k").await, Err(CacheError::Unavailable));
    assert_eq!(a.get("k").await, None, "the deleter forgets at once");
    until("b notices the silence", async || b.get_local("k").is_none()).await;
    redis.signal("CONT");
    until("a has made up for it", async || {
        assert_eq!(a.get("k").await, None);
        a.set("probe", text("1"), PLAIN).await.is_ok()
    })
    .await;
    assert_eq!(a.get("k").await, None);
    assert_eq!(b.get("k").await, None);
}

#[tokio::test]
async fn a_server_that_never_was_delays_nobody() {
    let config = RedisConfig::new("redis+unix:///nobody/is/here", "n");
    let level = RedisLevel::start(config).unwrap();
    assert!(!level.is_coherent());
    let cache: Cache<String> = Cache::shared(CacheConfig::default(), level);
    assert_eq!(cache.get("k").await, None);
    let load = async || Ok::<_, String>(text("v"));
    assert_eq!(cache.get_or_load("k", PLAIN, load).await, Ok(text("v")));
}

#[tokio::test]
async fn bad_configurations_are_refused() {
    let check = |config: RedisConfig, error| {
        assert!(!format!("{config:?}").contains("secret"));
        assert_eq!(RedisLevel::start(config).err(), Some(error));
    };
    let url = "redis://:secret@127.0.0.1/";
    check(
        RedisConfig::new("http://:secret@h/", "n"),
        RedisConfigError::Url,
    );
    check(RedisConfig::new(url, "a:b"), RedisConfigError::Namespace);
    let hasty = RedisConfig {
        heartbeat: Duration::ZERO,
        ..RedisConfig::new(url, "n")
    };
    check(hasty, RedisConfigError::Timeout);
}
