//! Hearing of invalidations; while they are not heard, memory is not believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::{AsyncConnectionConfig, FromRedisValue as _, PushInfo, PushKind, Value};
use tokio::sync::mpsc;

use super::Shared;
use super::keys::heard;
use crate::cache::second_level::Invalidation;

/// Invalidations that wait to be taken in; with more the channel counts as lost.
const MESSAGES_MAX: usize = 16_384;
const RETRY_MIN: Duration = Duration::from_millis(20);

/// One connection's time as a subscriber.
#[derive(Default)]
pub(super) struct Session {
    deaf: AtomicBool,
}

impl Session {
    pub(super) fn hears(&self) -> bool {
        !self.deaf.load(Ordering::Acquire)
    }
}

/// Subscribes, again and again, until the task is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut wait = RETRY_MIN;
    loop {
        if let Err(error) = subscribe(&shared).await {
            tracing::warn!(%error, "the invalidation channel of a cache is down");
        }
        if shared.session.swap(None).is_some() {
            shared.channel_losses.fetch_add(1, Ordering::Relaxed);
            wait = RETRY_MIN;
        }
        // What was not heard from here on may be anything.
        shared.tell(&Invalidation::Prefix(String::new()));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(shared.config.retry_max);
    }
}

/// Ends when the channel is lost.
async fn subscribe(shared: &Shared) -> redis::RedisResult<()> {
    let session = Arc::new(Session::default());
    let (sender, mut messages) = mpsc::channel(MESSAGES_MAX);
    let listening = Arc::clone(&session);
    let listen = move |push: PushInfo| {
        let lost = push.kind == PushKind::Disconnection;
        // At once, not when the messages before it have been taken in.
        if sender.try_send(push).is_err() || lost {
            listening.deaf.store(true, Ordering::Release);
        }
        Ok::<(), redis::aio::SendError>(())
    };
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(shared.config.connect_timeout))
        .set_response_timeout(Some(shared.config.response_timeout))
        .set_push_sender(listen);
    let connection = shared
        .client
        .get_multiplexed_async_connection_with_config(&config);
    let mut connection = connection.await?;
    connection.subscribe(shared.namespace.channel()).await?;
    shared.tell(&Invalidation::Prefix(String::new()));
    shared.session.store(Some(Arc::clone(&session)));
    while session.hears() {
        match tokio::time::timeout(shared.config.heartbeat, messages.recv()).await {
            Ok(Some(push)) => take_in(shared, push),
            Ok(None) => break,
            Err(_) => redis::cmd("PING").query_async(&mut connection).await?,
        }
    }
    Ok(())
}

fn take_in(shared: &Shared, push: PushInfo) {
    if push.kind != PushKind::Message {
        return;
    }
    let payload = push.data.into_iter().nth(1).unwrap_or(Value::Nil);
    shared.heard.fetch_add(1, Ordering::Relaxed);
    let what = String::from_redis_value(payload).ok();
    // Whatever cannot be read may have named anything.
    let all = Invalidation::Prefix(String::new());
    shared.tell(&what.and_then(|text| heard(&text)).unwrap_or(all));
}
