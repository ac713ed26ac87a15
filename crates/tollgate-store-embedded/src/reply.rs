//! The way back of an answer from the writer to whoever waits for it.
//!
//! To wake a task of another thread's runtime takes a system call, and a commit answers many. So
//! of all that wait on one thread one is woken from outside, and wakes the others from within.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::{self, Thread},
};

use parking_lot::Mutex;

/// Where an answer goes; dropped without one, it tells that there will be none.
#[derive(Debug)]
pub(crate) struct Reply<T>(Option<Arc<Slot<T>>>);

/// The answer, once it has come.
#[derive(Debug)]
pub(crate) struct Answered<T>(Arc<Slot<T>>);

/// The writer left without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered;

/// A reply and its answer.
pub(crate) fn channel<T>() -> (Reply<T>, Answered<T>) {
    let slot = Arc::new(Slot(Mutex::new(State {
        value: Value::Awaited,
        waiting: None,
        followers: Vec::new(),
    })));
    (Reply(Some(Arc::clone(&slot))), Answered(slot))
}

#[derive(Debug)]
struct Slot<T>(Mutex<State<T>>);

#[derive(Debug)]
struct State<T> {
    value: Value<T>,
    waiting: Option<(Lane, Waker)>,
    /// Whom to wake when this answer is taken, or given up.
    followers: Vec<Waker>,
}

#[derive(Debug)]
enum Value<T> {
    Awaited,
    Sent(T),
    Never,
    /// Taken, or nobody waits for it any more.
    Done,
}

/// A thread on which answers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lane(u64);

impl Lane {
    fn current() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static CURRENT: Lane = Lane(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        CURRENT.with(|lane| *lane)
    }
}

impl<T: Send + 'static> Reply<T> {
    /// Sends the answer; whoever asked may be gone by now.
    pub(crate) fn send(self, value: T) {
        let mut wakes = Wakes::default();
        self.send_among(value, &mut wakes);
        wakes.wake();
    }

    /// Sends the answer, and leaves it to `wakes` to tell of it.
    pub(crate) fn send_among(mut self, value: T, wakes: &mut Wakes) {
        let Some(slot) = self.0.take() else { return };
        let waiting = {
            let mut state = slot.0.lock();
            if matches!(state.value, Value::Awaited) {
                state.value = Value::Sent(value);
            }
            state.waiting.take()
        };
        if let Some((lane, waker)) = waiting {
            wakes.add(lane, waker, slot);
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        let Some(slot) = self.0.take() else { return };
        let waiting = {
            let mut state = slot.0.lock();
            if matches!(state.value, Value::Awaited) {
                state.value = Value::Never;
            }
            state.waiting.take()
        };
        if let Some((_, waker)) = waiting {
            waker.wake();
        }
    }
}

impl<T> Future for Answered<T> {
    type Output = Result<T, Unanswered>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.0.lock();
        let output = match mem::replace(&mut state.value, Value::Done) {
            Value::Awaited => {
                state.value = Value::Awaited;
                state.waiting = Some((Lane::current(), cx.waker().clone()));
                return Poll::Pending;
            }
            Value::Sent(value) => Ok(value),
            Value::Never | Value::Done => Err(Unanswered),
        };
        let followers = mem::take(&mut state.followers);
        drop(state);
        followers.into_iter().for_each(Waker::wake);
        Poll::Ready(output)
    }
}

impl<T> Answered<T> {
    /// Holds up this thread until the answer has come.
    pub(crate) fn wait(mut self) -> Result<T, Unanswered> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match Pin::new(&mut self).poll(&mut context) {
                Poll::Ready(answer) => return answer,
                Poll::Pending => thread::park(),
            }
        }
    }

    /// The answer, if it has come already.
    #[cfg(test)]
    pub(crate) fn now(self) -> Option<T> {
        match mem::replace(&mut self.0.0.lock().value, Value::Done) {
            Value::Sent(value) => Some(value),
            _ => None,
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<T> Drop for Answered<T> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        state.value = Value::Done;
        let followers = mem::take(&mut state.followers);
        drop(state);
        followers.into_iter().for_each(Waker::wake);
    }
}

/// Those to be woken, by the thread on which they wait.
#[derive(Default)]
pub(crate) struct Wakes(Vec<LaneWakes>);

struct LaneWakes {
    lane: Lane,
    first: Waker,
    slot: Arc<dyn Lead>,
    followers: Vec<Waker>,
}

/// An answer that, once taken, wakes others.
trait Lead: Send + Sync {
    /// Takes them on; gives them back when the answer was taken before.
    fn lead(&self, followers: Vec<Waker>) -> Result<(), Vec<Waker>>;
}

impl<T: Send> Lead for Slot<T> {
    fn lead(&self, followers: Vec<Waker>) -> Result<(), Vec<Waker>> {
        let mut state = self.0.lock();
        if matches!(state.value, Value::Done) {
            return Err(followers);
        }
        state.followers = followers;
        Ok(())
    }
}

impl Wakes {
    fn add(&mut self, lane: Lane, waker: Waker, slot: Arc<dyn Lead>) {
        match self.0.iter_mut().find(|wakes| wakes.lane == lane) {
            Some(wakes) => wakes.followers.push(waker),
            None => self.0.push(LaneWakes {
                lane,
                first: waker,
                slot,
                followers: Vec::new(),
            }),
        }
    }

    /// Wakes them all.
    pub(crate) fn wake(self) {
        for wakes in self.0 {
            let LaneWakes {
                first,
                slot,
                followers,
                ..
            } = wakes;
            if let Err(followers) = slot.lead(followers) {
                followers.into_iter().for_each(Waker::wake);
            }
            first.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, sync::atomic::AtomicUsize};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers that wait on this thread, each with its count of wake-ups.
    fn waiting(number: usize) -> Vec<(Reply<usize>, Answered<usize>, Arc<Count>)> {
        let one = |_| {
            let (reply, mut answered) = channel();
            let count = Arc::<Count>::default();
            assert!(poll(&mut answered, &count).is_pending());
            (reply, answered, count)
        };
        (0..number).map(one).collect()
    }

    fn poll(answered: &mut Answered<usize>, count: &Arc<Count>) -> Poll<Result<usize, Unanswered>> {
        let waker = Waker::from(Arc::clone(count));
        pin!(answered).poll(&mut Context::from_waker(&waker))
    }

    fn woken(count: &Count) -> usize {
        count.0.load(Ordering::Relaxed)
    }

    type Waiting = Vec<(Answered<usize>, Arc<Count>)>;

    fn send_all(all: Vec<(Reply<usize>, Answered<usize>, Arc<Count>)>) -> (Wakes, Waiting) {
        let mut wakes = Wakes::default();
        let sent = all.into_iter().enumerate();
        let sent = sent.map(|(value, (reply, answered, count))| {
            reply.send_among(value, &mut wakes);
            (answered, count)
        });
        let sent = sent.collect();
        (wakes, sent)
    }

    #[test]
    fn one_is_woken_and_wakes_the_others() {
        let (wakes, mut all) = send_all(waiting(3));
        wakes.wake();
        let counts = |all: &Waiting| {
            all.iter()
                .map(|(_, count)| woken(count))
                .collect::<Vec<_>>()
        };
        assert_eq!(counts(&all), [1, 0, 0]);
        let (first, count) = &mut all[0];
        assert_eq!(poll(first, count), Poll::Ready(Ok(0)));
        assert_eq!(counts(&all), [1, 1, 1]);
        for (value, (answered, count)) in all.iter_mut().enumerate().skip(1) {
            assert_eq!(poll(answered, count), Poll::Ready(Ok(value)));
        }
    }

    #[test]
    fn whoever_gives_up_wakes_the_others() {
        let (wakes, mut all) = send_all(waiting(3));
        wakes.wake();
        drop(all.remove(0));
        assert!(all.iter().all(|(_, count)| woken(count) == 1));
    }

    #[test]
    fn nobody_waits_for_one_that_is_gone() {
        // Gone before it was told of, and gone before anything was sent.
        let (wakes, mut all) = send_all(waiting(3));
        drop(all.remove(0));
        wakes.wake();
        assert!(all.iter().all(|(_, count)| woken(count) == 1));

        let mut all = waiting(3);
        let (reply, answered, _) = all.remove(0);
        drop(answered);
        let (mut wakes, mut all) = send_all(all);
        reply.send_among(9, &mut wakes);
        wakes.wake();
        let (first, count) = &mut all[0];
        assert_eq!(poll(first, count), Poll::Ready(Ok(0)));
        assert_eq!(woken(&all[1].1), 1);
    }

    #[test]
    fn each_thread_is_woken() {
        let here = waiting(2);
        let there = thread::spawn(|| waiting(2)).join().unwrap();
        let (wakes, all) = send_all(here.into_iter().chain(there).collect());
        wakes.wake();
        let counts = all.iter().map(|(_, count)| woken(count));
        assert_eq!(counts.collect::<Vec<_>>(), [1, 0, 1, 0]);
    }

    #[test]
    fn no_answer_is_told_too() {
        let mut all = waiting(1);
        let (reply, mut answered, count) = all.remove(0);
        drop(reply);
        assert_eq!(woken(&count), 1);
        assert_eq!(poll(&mut answered, &count), Poll::Ready(Err(Unanswered)));
    }

    #[test]
    fn every_answer_arrives_under_load() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let (to_writer, queue) = std::sync::mpsc::sync_channel::<Reply<usize>>(64);
        let writer = thread::spawn(move || {
            while let Ok(first) = queue.recv() {
                let mut wakes = Wakes::default();
                for reply in std::iter::once(first).chain(queue.try_iter()) {
                    reply.send_among(7, &mut wakes);
                }
                wakes.wake();
            }
        });
        runtime.block_on(async {
            let tasks: Vec<_> = (0..64)
                .map(|task| {
                    let to_writer = to_writer.clone();
                    tokio::spawn(async move {
                        for round in 0..500 {
                            let (reply, answered) = channel();
                            to_writer.send(reply).unwrap();
                            if (task + round) % 5 == 0 {
                                drop(answered);
                            } else {
                                assert_eq!(answered.await, Ok(7));
                            }
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        drop(to_writer);
        writer.join().unwrap();
    }
}
