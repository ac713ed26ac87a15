//! The signing lane: a few threads for RSA signatures, which take as long as twenty other requests.

use std::sync::{
    Arc, Mutex, PoisonError,
    mpsc::{Receiver, SyncSender, sync_channel},
};

use tokio::sync::oneshot;
use tollgate_jose::compact;
use zeroize::Zeroizing;

use super::SigningEntry;
use crate::IssuerError;

/// The most signatures that wait; with a fraction of a millisecond each, the last of them waits
/// no longer than a client does.
const QUEUE_MAX: usize = 256;
const THREADS_MAX: usize = 2;

/// A bounded queue of signatures to make and the threads that make them; they end with the lane.
pub(crate) struct SigningLane {
    queue: SyncSender<Job>,
}

struct Job {
    entry: Arc<SigningEntry>,
    header: String,
    claims: Vec<u8>,
    done: oneshot::Sender<Result<Zeroizing<String>, IssuerError>>,
}

impl Job {
    fn sign(&self) -> Result<Zeroizing<String>, IssuerError> {
        let mut token = Zeroizing::new(String::new());
        compact(&self.header, &self.claims, &self.entry.key, &mut token)
            .map_err(|error| IssuerError::Sign(error.to_string()))?;
        Ok(token)
    }
}

impl SigningLane {
    pub(super) fn start() -> Self {
        let (queue, jobs) = sync_channel(QUEUE_MAX);
        let jobs = Arc::new(Mutex::new(jobs));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for number in 0..cores.min(THREADS_MAX) {
            let jobs = Arc::clone(&jobs);
            let thread = std::thread::Builder::new().name(format!("rsa-signing-{number}"));
            // Without a single thread the queue has no reader left and refuses every signature.
            let _ = thread.spawn(move || {
                yield_to_others();
                work(&jobs);
            });
        }
        Self { queue }
    }

    /// The JWT of `header` (encoded already) and `claims`.
    pub(crate) async fn sign(
        &self,
        entry: Arc<SigningEntry>,
        header: &str,
        claims: &[u8],
    ) -> Result<Zeroizing<String>, IssuerError> {
        let (done, signed) = oneshot::channel();
        let job = Job {
            entry,
            header: header.to_owned(),
            claims: claims.to_vec(),
            done,
        };
        self.queue
            .try_send(job)
            .map_err(|_| IssuerError::SigningLaneFull)?;
        signed.await.map_err(|_| IssuerError::SigningLaneFull)?
    }
}

fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // One thread waits for the next job, the others for that one; the lock is free while
        // signing.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // Whoever gave up waiting does not get the work done either.
        if !job.done.is_closed() {
            let signed = job.sign();
            let _ = job.done.send(signed);
        }
    }
}

/// Lets every other thread of the process run first.
#[cfg(target_os = "linux")]
pub(super) fn yield_to_others() {
    /// A ninth of the weight of an ordinary thread: never in the way, never starved either.
    const NICE: i32 = 10;
    // On Linux the call reaches the calling thread alone. Where it is forbidden, signing only
    // competes harder.
    let _ = rustix::process::setpriority_process(None, NICE);
}

/// Elsewhere the call would reach the whole process.
#[cfg(not(target_os = "linux"))]
pub(super) fn yield_to_others() {}

#[cfg(test)]
mod tests {
    use std::{
        future::Future as _,
        task::{Context, Poll, Waker},
    };

    use super::*;

    fn entry() -> Arc<SigningEntry> {
        let (_, key) =
            tollgate_jose::SigningKey::generate(tollgate_jose::Algorithm::ES256).unwrap();
        Arc::new(SigningEntry {
            kid: String::new(),
            algorithm: key.algorithm(),
            key,
            at_jwt_header: String::new(),
            introspection_header: String::new(),
        })
    }

    #[test]
    fn a_full_lane_refuses_at_once_and_a_dead_one_too() {
        let (queue, jobs) = sync_channel(2);
        let lane = SigningLane { queue };
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<_> = (0..3)
            .map(|_| Box::pin(lane.sign(entry(), "e30", b"{}")))
            .collect();
        let polled: Vec<_> = waiting
            .iter_mut()
            .map(|sign| sign.as_mut().poll(&mut context))
            .collect();
        assert!(polled[0].is_pending() && polled[1].is_pending());
        assert!(matches!(
            polled[2],
            Poll::Ready(Err(IssuerError::SigningLaneFull))
        ));
        drop(jobs);
        let outcome = waiting[0].as_mut().poll(&mut context);
        assert!(matches!(
            outcome,
            Poll::Ready(Err(IssuerError::SigningLaneFull))
        ));
    }

    #[tokio::test]
    async fn whoever_waits_gets_a_token() {
        let lane = SigningLane::start();
        let token = lane.sign(entry(), "e30", b"{}").await.unwrap();
        assert!(token.starts_with("e30.e30."), "{token:?}");
        assert_eq!(token.split('.').count(), 3);
    }
}
