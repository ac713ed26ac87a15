//! What goes in comes out, until it is too old or invalidated.

use std::time::Duration;

use tollgate_web::cache::{CacheError, EntryOptions, KEY_BYTES_MAX, TAGS_MAX};

use super::{PLAIN, TTL, cache};

#[tokio::test]
async fn one_and_many_at_once() {
    let (cache, _) = cache();
    assert_eq!(cache.get("a").await, None);
    assert!(!cache.exists("a").await);
    cache.set("a", 1, PLAIN).await.unwrap();
    cache
        .set_many(vec![("b", 2), ("c", 3)], PLAIN)
        .await
        .unwrap();
    cache.set("a", 4, PLAIN).await.unwrap();
    assert!(cache.exists("a").await);
    assert_eq!(
        cache.get_many(&["c", "x", "a", "b"]).await,
        [Some(3), None, Some(4), Some(2)]
    );
    assert!(cache.delete("a").await.unwrap());
    assert!(!cache.delete("a").await.unwrap());
    assert_eq!(cache.delete_many(&["a", "b", "c"]).await.unwrap(), 2);
    assert_eq!(cache.get_many(&["a", "b", "c"]).await, [None; 3]);
    let figures = cache.statistics();
    assert_eq!((figures.hits, figures.inserts), (3, 4));
    assert_eq!((figures.misses, figures.invalidations), (5, 3));
}

#[tokio::test]
async fn entries_die_at_their_age() {
    let (cache, clock) = cache();
    cache.set("usual", 1, PLAIN).await.unwrap();
    let brief = EntryOptions::ttl(Duration::from_secs(1));
    cache.set("brief", 2, brief).await.unwrap();
    clock.advance(Duration::from_millis(999));
    assert_eq!(cache.get("brief").await, Some(2));
    clock.advance(Duration::from_millis(1));
    assert_eq!(cache.get("brief").await, None);
    assert!(!cache.exists("brief").await);
    assert!(!cache.delete("brief").await.unwrap(), "it was dead");
    assert_eq!(cache.get("usual").await, Some(1));
    clock.advance(TTL);
    assert_eq!(cache.get("usual").await, None);
    assert_eq!(cache.statistics().entries, 1, "nobody has removed it yet");
    cache.shrink_to(usize::MAX);
    assert_eq!(cache.statistics().entries, 0);
    assert_eq!(cache.statistics().expirations, 2);
}

#[tokio::test]
async fn invalidation_takes_what_it_names_and_no_more() {
    let (cache, _) = cache();
    let check = async |pattern: &str, gone: &[&str]| {
        let all = ["user:1", "user:2:name", "user", "users", "*"];
        for key in all {
            cache.set(key, 1, PLAIN).await.unwrap();
        }
        let removed = cache.invalidate(pattern).await.unwrap();
        assert_eq!(removed, gone.len() as u64, "{pattern}");
        for key in all {
            assert_eq!(
                cache.exists(key).await,
                !gone.contains(&key),
                "{pattern} {key}"
            );
        }
    };
    check("user:*", &["user:1", "user:2:name"]).await;
    check("user", &["user"]).await;
    check("user*", &["user:1", "user:2:name", "user", "users"]).await;
    check("nobody*", &[]).await;
    check("user:?", &[]).await;
    check("*", &["user:1", "user:2:name", "user", "users", "*"]).await;
}

#[tokio::test]
async fn tags_take_all_that_depends_on_them() {
    let (cache, _) = cache();
    let both = EntryOptions::tags(&["red", "blue"]);
    cache.set("both", 1, both).await.unwrap();
    let red = EntryOptions::tags(&["red"]);
    cache.set("red", 2, red).await.unwrap();
    cache.set("none", 3, PLAIN).await.unwrap();
    assert_eq!(cache.invalidate_tag("green").await.unwrap(), 0);
    assert_eq!(cache.invalidate_tag("blue").await.unwrap(), 1);
    assert_eq!(
        cache.get_many(&["both", "red", "none"]).await,
        [None, Some(2), Some(3)]
    );
    assert_eq!(cache.invalidate_tag("red").await.unwrap(), 1);
    assert_eq!(cache.clear().await.unwrap(), 1);
    assert_eq!(cache.statistics().entries, 0);
}

#[tokio::test]
async fn what_cannot_be_kept_is_refused() {
    let (cache, _) = cache();
    let long = "k".repeat(KEY_BYTES_MAX + 1);
    assert_eq!(
        cache.set(&long, 1, PLAIN).await.unwrap_err(),
        CacheError::TooLong
    );
    cache.set(&long[1..], 1, PLAIN).await.unwrap();
    assert_eq!(cache.get(&long[1..]).await, Some(1));
    let tags = ["t"; TAGS_MAX + 1];
    let many = EntryOptions::tags(&tags);
    assert_eq!(
        cache.set("a", 1, many).await.unwrap_err(),
        CacheError::TooLong
    );
    let loaded: Result<u64, ()> = cache.get_or_load("a", many, async || Ok(7)).await;
    assert_eq!(loaded, Ok(7));
    assert_eq!(cache.get("a").await, None);
    let most = EntryOptions::tags(&tags[1..]);
    cache.set("a", 1, most).await.unwrap();
    assert_eq!(cache.get("a").await, Some(1));
}
