//! A request's arena and cache are bounded, shared by its parts, and gone with it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use http::{Extensions, Request, Response};
use tokio::sync::oneshot;
use tollgate_web::metrics::Registry;
use tollgate_web::{
    Arena, ArenaFull, ArenaInUse, Handler, HttpMetrics, RequestBody, RequestCache, RequestContext,
    RequestMemoryLimits, ResponseBody, Server, Weigh,
};

use crate::support::{self, STUCK};

/// Counts its own end.
struct Counted(Arc<AtomicU32>);

impl Weigh for Counted {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn extensions(bytes_max: usize) -> Extensions {
    let mut extensions = Extensions::new();
    extensions.insert(RequestMemoryLimits {
        arena_bytes_max: bytes_max,
        cache_bytes_max: bytes_max,
    });
    extensions
}

#[test]
fn an_arena_is_bounded_over_all_its_users() {
    let mut extensions = extensions(8 << 10);
    let arena = Arena::take(&mut extensions).unwrap();
    let text = arena.alloc_str("hello").unwrap();
    text.make_ascii_uppercase();
    assert_eq!(text, "HELLO");
    assert_eq!(*arena.alloc(7_u64).unwrap(), 7);
    assert_eq!(arena.alloc_slice(&[1, 2]).unwrap(), [1, 2]);
    assert_eq!(arena.alloc_str(&"x".repeat(8 << 10)), Err(ArenaFull));
    assert_eq!(Arena::take(&mut extensions).unwrap_err(), ArenaInUse);
    drop(arena);
    let mut made = 0;
    while Arena::take(&mut extensions)
        .unwrap()
        .alloc([0_u8; 64])
        .is_ok()
    {
        made += 1;
        assert!(made <= 8 << 4);
    }
    assert!(made > 8 << 3, "{made}");
}

#[test]
fn an_arena_is_gone_with_its_request() {
    let measured = allocation_counter::measure(|| {
        let mut extensions = extensions(1 << 20);
        let arena = Arena::take(&mut extensions).unwrap();
        arena.alloc_slice(&[0_u8; 1 << 18]).unwrap();
        drop(extensions);
    });
    assert!(measured.bytes_max >= 1 << 18);
    assert_eq!(measured.bytes_current, 0);
}

#[test]
fn a_cache_keeps_types_and_names_apart() {
    let mut extensions = extensions(64 << 10);
    let cache = RequestCache::of(&mut extensions);
    cache.insert("a", 1_u32);
    cache.insert("a", 2_u64);
    cache.insert("b", 3_u32);
    cache.insert("b", 4_u32);
    let same = RequestCache::of(&mut extensions);
    assert_eq!(same.get::<u32>("a").as_deref(), Some(&1));
    assert_eq!(same.get::<u64>("a").as_deref(), Some(&2));
    assert_eq!(same.get::<u32>("b").as_deref(), Some(&4));
    assert_eq!(same.get::<u64>("b"), None);
    assert_eq!(
        RequestCache::of(&mut Extensions::new()).get::<u32>("a"),
        None
    );
}

#[test]
fn a_cache_is_bounded_and_gone_with_its_request() {
    let dropped = Arc::<AtomicU32>::default();
    let mut extensions = extensions(8 << 10);
    let cache = RequestCache::of(&mut extensions);
    let mut kept = 0;
    for number in 0..1000 {
        let name = number.to_string();
        cache.insert(&name, Counted(Arc::clone(&dropped)));
        assert!(cache.bytes() <= 8 << 10);
        kept += u32::from(cache.get::<Counted>(&name).is_some());
    }
    assert!((20..100).contains(&kept), "{kept}");
    assert_eq!(dropped.load(Ordering::SeqCst), 1000 - kept);
    cache.insert("0", Counted(Arc::clone(&dropped)));
    assert_eq!(
        dropped.load(Ordering::SeqCst),
        1001 - kept,
        "the former one"
    );
    drop(extensions);
    assert_eq!(dropped.load(Ordering::SeqCst), 1001 - kept);
    drop(cache);
    assert_eq!(dropped.load(Ordering::SeqCst), 1001);
}

#[tokio::test]
async fn a_load_runs_once_and_its_error_is_not_kept() {
    let cache = RequestCache::of(&mut Extensions::new());
    let failed = cache.get_or_load("a", async || Err::<u32, _>("down")).await;
    assert_eq!(failed, Err("down"));
    let loaded = cache.get_or_load("a", async || Ok::<_, Infallible>(1_u32));
    assert_eq!(*loaded.await.unwrap(), 1);
    let again = cache.get_or_load("a", async || Ok::<_, Infallible>(2_u32));
    assert_eq!(*again.await.unwrap(), 1);
}

/// Keeps something in each request's memory; `/hang` never answers.
struct Keeper {
    kept: Arc<AtomicU32>,
    dropped: Arc<AtomicU32>,
}

impl Handler for Keeper {
    async fn handle(
        &self,
        mut request: Request<RequestBody>,
        _: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let arena = Arena::take(request.extensions_mut()).unwrap();
        let text = arena.alloc_str(request.uri().path()).unwrap();
        let cache = RequestCache::of(request.extensions_mut());
        cache.insert("kept", Counted(Arc::clone(&self.dropped)));
        self.kept.fetch_add(1, Ordering::SeqCst);
        // What was made in the arena may be held while others run.
        tokio::task::yield_now().await;
        if text == "/hang" {
            std::future::pending::<()>().await;
        }
        Response::new(text.to_owned().into())
    }
}

#[test]
fn an_answered_and_a_cancelled_request_leave_nothing() {
    let (kept, dropped) = <(Arc<AtomicU32>, Arc<AtomicU32>)>::default();
    let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let server = Server::bind(support::config(), &[any], metrics).unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let keeper = Keeper {
        kept: Arc::clone(&kept),
        dropped: Arc::clone(&dropped),
    };
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let shutdown = async { drop(stopped.await) };
        runtime
            .unwrap()
            .block_on(server.run(keeper, shutdown))
            .unwrap()
    });
    let until = |counter: &AtomicU32, count| {
        let started = std::time::Instant::now();
        while counter.load(Ordering::SeqCst) != count {
            assert!(started.elapsed() < STUCK, "not {count} yet");
            std::thread::yield_now();
        }
    };
    let connect = || support::Client {
        stream: std::net::TcpStream::connect(address).unwrap(),
    };
    assert_eq!(connect().get("/now").text(), "/now");
    until(&dropped, 1);
    let mut client = connect();
    client.send("GET /hang HTTP/1.1\r\nHost: t\r\n\r\n");
    // One that leaves before it is heard is not handled at all.
    until(&kept, 2);
    drop(client);
    until(&dropped, 2);
    drop(stop);
    thread.join().unwrap();
}
