//! Many tokens at once on threads of their own, while the caller awaits or waits.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;

use serde::de::DeserializeOwned;

use super::flight::Flight;
use super::verify::may_be_rotation;
use crate::batch::{PANICKED, on_all_cores, undecided};
use crate::dpop::{Presented, Proof};
use crate::error::Error;
use crate::lock::lock;
use crate::token::VerifiedToken;
use crate::verifier::{Inner, Purpose, Verifier};

/// Most validators that are awaited at a time for one batch.
const AWAITED_AT_A_TIME_MAX: usize = 16;

impl<C: DeserializeOwned + Send + 'static, M> Verifier<C, M> {
    /// Verifies many tokens on all cores; the results stand in the order of the tokens.
    ///
    /// Keys are waited for first; the work is then done on threads of its own, so that the
    /// runtime's are not held up. Validators that have to be awaited are, sixteen at a time.
    pub async fn verify_many(&self, tokens: &[&str]) -> Vec<Result<VerifiedToken<C>, Error>> {
        let items = tokens.iter().map(|token| Item::new(token, None)).collect();
        run_many(&self.inner, items).await
    }

    /// [`Verifier::verify_bound`] for many tokens, each with what came along.
    pub async fn verify_bound_many(
        &self,
        tokens: &[(&str, Presented<'_>)],
    ) -> Vec<Result<VerifiedToken<C>, Error>> {
        let items = tokens
            .iter()
            .map(|(token, presented)| Item::new(token, Some(presented)));
        run_many(&self.inner, items.collect()).await
    }
}

async fn run_many<C: DeserializeOwned + Send + 'static>(
    inner: &Arc<Inner<C>>,
    items: Vec<Item>,
) -> Vec<Result<VerifiedToken<C>, Error>> {
    for flight in inner.flights_for(items.iter().map(|item| &*item.token)) {
        flight.landing().await;
    }
    let items: Arc<[Item]> = items.into();
    let used = inner.snapshots();
    let mut results = verified_aside(inner, &items, (0..items.len()).collect()).await;
    let missed = missed(&results);
    let tokens = at(&items, &missed).map(|item| &*item.token);
    if let Some(flights) = inner.refreshed_for(tokens, &used) {
        for flight in flights {
            flight.landing().await;
        }
        let again = verified_aside(inner, &items, missed.clone()).await;
        replace(&mut results, missed, again);
    }
    let finishing = results.into_iter().map(|result| finish(inner, result));
    in_turns(finishing).await
}

/// What is left to do on the caller's task: the validators that are awaited.
async fn finish<C: DeserializeOwned>(
    inner: &Inner<C>,
    result: Result<VerifiedToken<C>, Error>,
) -> Result<VerifiedToken<C>, Error> {
    let result = match result {
        Ok(verified) => inner.validators.query(&verified).await.map(|()| verified),
        refused => refused,
    };
    inner.validations.count_result(&result);
    result
}

/// The positions of tokens for which newer keys may do.
pub(crate) fn missed<T>(results: &[Result<T, Error>]) -> Vec<usize> {
    let missed = results
        .iter()
        .enumerate()
        .filter(|(_, result)| may_be_rotation(result));
    missed.map(|(position, _)| position).collect()
}

/// The items at these positions.
pub(crate) fn at<'i, T>(items: &'i [T], positions: &[usize]) -> impl Iterator<Item = &'i T> {
    positions.iter().filter_map(|&position| items.get(position))
}

/// Puts the results of a second look in the place of those of the first.
pub(crate) fn replace<T>(results: &mut [T], positions: Vec<usize>, again: Vec<T>) {
    for (position, result) in positions.into_iter().zip(again) {
        if let Some(slot) = results.get_mut(position) {
            *slot = result;
        }
    }
}

/// Verifies the items at these positions on a thread of its own.
async fn verified_aside<C: DeserializeOwned + Send + 'static>(
    inner: &Arc<Inner<C>>,
    items: &Arc<[Item]>,
    positions: Vec<usize>,
) -> Vec<Result<VerifiedToken<C>, Error>> {
    let (landed, results) = (Flight::default(), Arc::<Results<C>>::default());
    let count = positions.len();
    let worker = Worker {
        inner: Arc::clone(inner),
        items: Arc::clone(items),
        positions,
        results: Arc::clone(&results),
        landed: landed.clone(),
    };
    let spawned = thread::Builder::new()
        .name("tollgate-batch".into())
        .spawn(move || worker.run());
    let lost = spawned.map_or("no thread for the batch", |_| PANICKED);
    landed.landing().await;
    let mut results = std::mem::take(&mut *lock(&results));
    // Fewer when there was no thread, or when a validator panicked on it.
    results.resize_with(count, || Err(undecided(lost)));
    results
}

/// Where a batch leaves its results.
type Results<C> = Mutex<Vec<Result<VerifiedToken<C>, Error>>>;

struct Worker<C> {
    inner: Arc<Inner<C>>,
    items: Arc<[Item]>,
    positions: Vec<usize>,
    results: Arc<Results<C>>,
    landed: Flight,
}

impl<C: DeserializeOwned + Send> Worker<C> {
    fn run(&self) {
        let now = self.inner.clock.now();
        let items: Vec<&Item> = at(&self.items, &self.positions).collect();
        let results = on_all_cores(&items, |item| {
            let presented = item.presented();
            self.inner
                .verify(&item.token, purpose(presented.as_ref()), now)
        });
        *lock(&self.results) = results;
    }
}

impl<C> Drop for Worker<C> {
    fn drop(&mut self) {
        self.landed.land();
    }
}

/// A token of a batch, and what came along, for a thread that outlives the caller's borrow.
struct Item {
    token: String,
    presented: Option<OwnedPresented>,
}

struct OwnedPresented {
    proof: Option<[String; 3]>,
    certificate: Option<Vec<u8>>,
}

impl Item {
    fn new(token: &str, presented: Option<&Presented<'_>>) -> Self {
        let owned = |presented: &Presented<'_>| OwnedPresented {
            proof: presented
                .proof
                .map(|Proof { jwt, method, url }| [jwt, method, url].map(str::to_owned)),
            certificate: presented.certificate.map(<[u8]>::to_vec),
        };
        Self {
            token: token.to_owned(),
            presented: presented.map(owned),
        }
    }

    fn presented(&self) -> Option<Presented<'_>> {
        let OwnedPresented { proof, certificate } = self.presented.as_ref()?;
        let proof = proof
            .as_ref()
            .map(|[jwt, method, url]| Proof { jwt, method, url });
        Some(Presented {
            proof,
            certificate: certificate.as_deref(),
        })
    }
}

fn purpose<'p>(presented: Option<&'p Presented<'p>>) -> Purpose<'p> {
    presented.map_or(Purpose::Bearer, Purpose::Bound)
}

/// Awaits futures, a bounded number of them at a time; the outputs stand in their order.
async fn in_turns<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting = futures.enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::with_capacity(AWAITED_AT_A_TIME_MAX);
    let mut outputs = Vec::new();
    poll_fn(|context| {
        loop {
            let room = AWAITED_AT_A_TIME_MAX - running.len();
            let next = waiting.by_ref().take(room);
            running.extend(next.map(|(position, future)| (position, Box::pin(future))));
            let before = running.len();
            running.retain_mut(|(position, future)| match future.as_mut().poll(context) {
                Poll::Ready(output) => {
                    outputs.push((*position, output));
                    false
                }
                Poll::Pending => true,
            });
            if before == 0 {
                return Poll::Ready(());
            }
            if running.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    outputs.sort_unstable_by_key(|(position, _)| *position);
    outputs.into_iter().map(|(_, output)| output).collect()
}
