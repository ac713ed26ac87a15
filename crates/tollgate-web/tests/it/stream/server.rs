//! A server of streams, and what its producers tell the tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use http::{Request, Response, StatusCode};
use tokio::sync::{Notify, oneshot};
use tollgate_web::metrics::Registry;
use tollgate_web::stream::{Event, EventOptions, LastEventId, channel, events, produce};
use tollgate_web::{
    Drained, Handler, HttpMetrics, RequestBody, RequestContext, ResponseBody, Server, ServerConfig,
    error_response,
};

use crate::support::SHORT;

pub(super) const ROWS: usize = 1000;
pub(super) const CHUNK_BYTES: usize = 64 * 1024;
pub(super) const CHUNKS: usize = 400;

/// What producers and tests tell each other.
#[derive(Default)]
pub(super) struct Signals {
    /// A producer has sent its first chunk.
    pub(super) begun: Notify,
    /// Lets a producer go on.
    pub(super) gate: Notify,
    /// A producer has ended, in whatever way.
    pub(super) ended: Notify,
    /// Chunks that producers got rid of.
    pub(super) sent: AtomicUsize,
    pub(super) shutdown: Notify,
}

/// Tells of the end of a producer when dropped.
struct Ends(Arc<Signals>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.ended.notify_one();
    }
}

struct Streams(Arc<Signals>);

impl Handler for Streams {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        _: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let signals = Arc::clone(&self.0);
        let body = match request.uri().path() {
            "/hello" => "hello".into(),
            "/rows" => rows(),
            "/fails" => produce(1, |chunks| async move {
                chunks.send("half").await?;
                Err("disk gone".into())
            }),
            "/panics" => produce(1, |chunks| async move {
                chunks.send("half").await?;
                panic!("on purpose")
            }),
            "/finished" | "/failed" | "/forgotten" => detached(request.uri().path()),
            "/waits" => waits(signals),
            "/left" => left(signals),
            "/large" => large(signals),
            "/quiet-then-large" => quiet_then_large(signals),
            "/until-shutdown" => produce(1, |chunks| async move {
                chunks.send("first").await?;
                signals.begun.notify_one();
                signals.shutdown.notified().await;
                chunks.send("last").await?;
                Ok(())
            }),
            "/events" => return ticks(&request, signals),
            _ => return error_response(StatusCode::NOT_FOUND),
        };
        Response::new(body)
    }
}

fn rows() -> ResponseBody {
    produce(4, |chunks| async move {
        for row in 0..ROWS {
            chunks.send("").await?;
            chunks.send(format!("{row}\n")).await?;
        }
        Ok(())
    })
}

/// A producer in a task of its own, ending in the three ways that there are.
fn detached(path: &str) -> ResponseBody {
    let (sender, body) = channel(2);
    let path = path.to_owned();
    tokio::spawn(async move {
        for _ in 0..10 {
            sender.send("chunk ").await.unwrap();
        }
        match path.as_str() {
            "/finished" => sender.finish(),
            "/failed" => sender.fail("disk gone"),
            _ => drop(sender),
        }
    });
    body
}

/// Sends one chunk and then waits for what never comes.
fn waits(signals: Arc<Signals>) -> ResponseBody {
    let ends = Ends(Arc::clone(&signals));
    produce(1, |chunks| async move {
        let _ends = ends;
        chunks.send("first").await?;
        signals.begun.notify_one();
        signals.gate.notified().await;
        chunks.send("second").await?;
        Ok(())
    })
}

/// A task of its own that watches for the client.
fn left(signals: Arc<Signals>) -> ResponseBody {
    let (sender, body) = channel(2);
    tokio::spawn(async move {
        let _ends = Ends(Arc::clone(&signals));
        sender.send("first").await.unwrap();
        signals.begun.notify_one();
        sender.client_left().await;
        assert!(sender.send("more").await.is_err());
    });
    body
}

/// More than all buffers between server and client hold.
fn large(signals: Arc<Signals>) -> ResponseBody {
    let ends = Ends(Arc::clone(&signals));
    produce(2, |chunks| async move {
        let _ends = ends;
        for _ in 0..CHUNKS {
            chunks.send(vec![b'x'; CHUNK_BYTES]).await?;
            if signals.sent.fetch_add(1, Ordering::Relaxed) == 0 {
                signals.begun.notify_one();
            }
        }
        Ok(())
    })
}

/// A chunk, nothing until the gate opens, and then more than any buffer holds.
fn quiet_then_large(signals: Arc<Signals>) -> ResponseBody {
    let ends = Ends(Arc::clone(&signals));
    produce(2, |chunks| async move {
        let _ends = ends;
        chunks.send("first").await?;
        signals.gate.notified().await;
        for _ in 0..CHUNKS {
            chunks.send(vec![b'x'; CHUNK_BYTES]).await?;
            signals.sent.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })
}

/// An event, and another after the gate; numbered from the last one that the client has seen.
fn ticks(request: &Request<RequestBody>, signals: Arc<Signals>) -> Response<ResponseBody> {
    let seen = LastEventId::from_headers(request.headers());
    let first: u64 = seen.map_or(0, |id| id.as_str().parse::<u64>().unwrap() + 1);
    let options = EventOptions {
        keep_alive: SHORT,
        retry: Some(std::time::Duration::from_secs(3)),
        ..EventOptions::default()
    };
    events(options, move |clients| async move {
        for number in [first, first + 1] {
            let event = Event::data("tick\ntock").id(&number.to_string())?;
            clients.send(event.name("clock")?).await?;
            signals.gate.notified().await;
        }
        Ok(())
    })
}

pub(super) struct StreamServer {
    pub(super) address: SocketAddr,
    pub(super) signals: Arc<Signals>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Drained>>,
}

impl StreamServer {
    pub(super) fn start(config: ServerConfig) -> Self {
        let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
        let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let server = Server::bind(config, &[any], metrics).unwrap();
        let address = server.local_addr().unwrap();
        let signals = Arc::new(Signals::default());
        let handler = Streams(Arc::clone(&signals));
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let shutdown = async { drop(stopped.await) };
            runtime.block_on(server.run(handler, shutdown)).unwrap()
        });
        Self {
            address,
            signals,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Begins the drain.
    pub(super) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Drains; to be called off the runtime of the clients.
    pub(super) fn join(mut self) -> Drained {
        self.begin_stop();
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for StreamServer {
    fn drop(&mut self) {
        self.begin_stop();
    }
}
