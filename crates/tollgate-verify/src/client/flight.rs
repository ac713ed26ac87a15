//! One piece of work in flight, however many wait for it, as futures or as threads.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::lock::lock;

/// One piece of work that others wait for.
#[derive(Clone, Default)]
pub(crate) struct Flight {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    inner: Mutex<Inner>,
    landed: Condvar,
}

#[derive(Default)]
struct Inner {
    has_landed: bool,
    /// One for each waiting task; a task that is dropped leaves its waker until the landing.
    wakers: Vec<Waker>,
}

impl Flight {
    /// Lets everybody go who waits.
    pub(crate) fn land(&self) {
        let wakers = {
            let mut inner = lock(&self.state.inner);
            inner.has_landed = true;
            std::mem::take(&mut inner.wakers)
        };
        self.state.landed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Blocks until the landing.
    pub(crate) fn wait(&self) {
        let mut inner = lock(&self.state.inner);
        while !inner.has_landed {
            inner = self
                .state
                .landed
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The landing, to be awaited.
    pub(crate) fn landing(self) -> Landing {
        Landing {
            flight: self,
            seat: None,
        }
    }
}

/// A task's wait for a landing.
pub(crate) struct Landing {
    flight: Flight,
    /// Where this task's waker is kept.
    seat: Option<usize>,
}

impl Future for Landing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let Self { flight, seat } = self.get_mut();
        let mut inner = lock(&flight.state.inner);
        if inner.has_landed {
            return Poll::Ready(());
        }
        match seat.and_then(|seat| inner.wakers.get_mut(seat)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                *seat = Some(inner.wakers.len());
                inner.wakers.push(context.waker().clone());
            }
        }
        Poll::Pending
    }
}
