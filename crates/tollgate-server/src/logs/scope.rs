//! Which request the code that runs belongs to; cheaper than a span, which would be made and
//! dropped for every request whether or not anything is logged.

use std::{
    cell::Cell,
    future::{Future, poll_fn},
    ops::DerefMut,
    pin::Pin,
};

use tollgate_web::RequestId;

thread_local! {
    static CURRENT: Cell<Option<RequestId>> = const { Cell::new(None) };
}

/// Runs `work`; what it logs carries `id`.
///
/// `work` is pinned already, so that it is not moved once more.
pub(crate) async fn within_request<F: Future>(
    id: RequestId,
    mut work: Pin<impl DerefMut<Target = F>>,
) -> F::Output {
    poll_fn(|context| {
        let _entered = Entered::new(id);
        work.as_mut().poll(context)
    })
    .await
}

/// The request that is worked on by this thread.
pub(super) fn current() -> Option<RequestId> {
    CURRENT.get()
}

/// Leaves the request when dropped, after a panic too.
struct Entered(Option<RequestId>);

impl Entered {
    fn new(id: RequestId) -> Self {
        Self(CURRENT.replace(Some(id)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
