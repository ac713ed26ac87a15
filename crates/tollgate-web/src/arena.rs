//! A request's arena: many small allocations, freed as one when the request ends.

use std::fmt;
use std::mem::needs_drop;
use std::sync::Arc;

use bumpalo::Bump;
use http::Extensions;

use crate::request_memory::{Memory, RequestMemory};

/// The arena of one request, in one hand at a time. What is made in it is freed with the request.
///
/// As an axum extractor (feature `axum`):
///
/// ```
/// # #[cfg(feature = "axum")]
/// # {
/// use axum::{Router, http::StatusCode, routing::get};
/// use tollgate_web::Arena;
///
/// async fn shout(arena: Arena, body: String) -> Result<String, StatusCode> {
///     let word = arena.alloc_str(&body).map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)?;
///     word.make_ascii_uppercase();
///     Ok(format!("{word}!"))
/// }
/// let app: Router = Router::new().route("/", get(shout));
/// # }
/// ```
///
/// A borrow of the arena itself must not be held over an `await` in a future that is `Send`; what
/// was made in it may.
pub struct Arena {
    bump: Bump,
    home: Arc<Memory>,
}

/// The arena holds as many bytes as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's arena is full")]
pub struct ArenaFull;

/// Somebody else has this request's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request's arena is in use")]
pub struct ArenaInUse;

impl Arena {
    /// The arena of the request with these extensions.
    ///
    /// # Errors
    /// [`ArenaInUse`] until the one who took it before has dropped it.
    pub fn take(extensions: &mut Extensions) -> Result<Self, ArenaInUse> {
        let RequestMemory(home) = RequestMemory::of(extensions);
        let bump = home.arena.lock().take().ok_or(ArenaInUse)?;
        Ok(Self { bump, home })
    }

    /// Makes one value, of a type that has nothing to do when it is dropped: nobody would drop it.
    ///
    /// # Errors
    /// [`ArenaFull`].
    pub fn alloc<T>(&self, value: T) -> Result<&mut T, ArenaFull> {
        const { assert!(!needs_drop::<T>(), "an arena drops nothing") };
        self.bump.try_alloc(value).map_err(|_| ArenaFull)
    }

    /// Copies a text.
    ///
    /// # Errors
    /// [`ArenaFull`].
    pub fn alloc_str(&self, text: &str) -> Result<&mut str, ArenaFull> {
        self.bump.try_alloc_str(text).map_err(|_| ArenaFull)
    }

    /// Copies a slice.
    ///
    /// # Errors
    /// [`ArenaFull`].
    pub fn alloc_slice<T: Copy>(&self, slice: &[T]) -> Result<&mut [T], ArenaFull> {
        self.bump.try_alloc_slice_copy(slice).map_err(|_| ArenaFull)
    }

    /// Bytes that the arena takes, free ones at its end among them.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bump.allocated_bytes_including_metadata()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // As it is: the next in line has what is left of the bound, not the bound again.
        *self.home.arena.lock() = Some(std::mem::take(&mut self.bump));
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arena")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
mod extractor {
    use axum::extract::FromRequestParts;
    use axum::response::{IntoResponse, Response};
    use http::StatusCode;
    use http::request::Parts;

    use super::{Arena, ArenaInUse};
    use crate::error_response;

    impl IntoResponse for ArenaInUse {
        fn into_response(self) -> Response {
            tracing::error!("{self}");
            error_response(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
    }

    impl<S: Sync> FromRequestParts<S> for Arena {
        type Rejection = ArenaInUse;

        async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ArenaInUse> {
            Self::take(&mut parts.extensions)
        }
    }
}
