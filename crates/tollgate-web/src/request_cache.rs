//! A request's cache: what one part of it has found out, the others need not find out again.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::Extensions;

use crate::Weigh;
use crate::request_memory::{Memory, RequestMemory};
use crate::weigh::allocation_bytes;

/// Values by type and name, for the rest of one request. Its clones are the same cache.
///
/// As an axum extractor (feature `axum`):
///
/// ```
/// # #[cfg(feature = "axum")]
/// # {
/// use axum::{Router, routing::get};
/// use tollgate_web::RequestCache;
///
/// async fn name(cache: RequestCache) -> Result<String, &'static str> {
///     // However many parts of the request ask, it is looked up once.
///     let name = cache.get_or_load("user:1", async || Ok::<_, &str>("Ada".to_owned())).await?;
///     Ok(name.as_str().to_owned())
/// }
/// let app: Router = Router::new().route("/", get(name));
/// # }
/// ```
#[derive(Clone)]
pub struct RequestCache(Arc<Memory>);

/// What is kept, and how much of the bound it takes.
pub(crate) struct Values {
    by_name: HashMap<(TypeId, Box<str>), Value>,
    bytes: usize,
    bytes_max: usize,
}

struct Value {
    value: Arc<dyn Any + Send + Sync>,
    bytes: usize,
}

impl RequestCache {
    /// The cache of the request with these extensions.
    #[must_use]
    pub fn of(extensions: &mut Extensions) -> Self {
        Self(RequestMemory::of(extensions).0)
    }

    /// The value of this type and name.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self, name: &str) -> Option<Arc<T>> {
        let values = self.0.values.lock();
        let value = values.by_name.get(&(TypeId::of::<T>(), name.into()))?;
        Arc::clone(&value.value).downcast().ok()
    }

    /// Keeps `value` if there is room for it, in the place of the former one.
    pub fn insert<T: Weigh + Send + Sync + 'static>(&self, name: &str, value: T) -> Arc<T> {
        let bytes = allocation_bytes(size_of::<T>() + 2 * size_of::<usize>())
            + value.heap_bytes()
            + allocation_bytes(name.len())
            + ENTRY_BYTES;
        let value = Arc::new(value);
        let kept = Value {
            value: Arc::<T>::clone(&value),
            bytes,
        };
        let former = self
            .0
            .values
            .lock()
            .insert((TypeId::of::<T>(), name.into()), kept);
        // Without the lock: the value may have a say in its own drop.
        drop(former);
        value
    }

    /// The value of this type and name, loaded if there is none. Two at once load twice.
    ///
    /// # Errors
    /// The loader's own.
    pub async fn get_or_load<T: Weigh + Send + Sync + 'static, E>(
        &self,
        name: &str,
        load: impl AsyncFnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        match self.get(name) {
            Some(value) => Ok(value),
            None => Ok(self.insert(name, load().await?)),
        }
    }

    /// Bytes that the values take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.values.lock().bytes
    }
}

/// One place in the table, with the places that the table keeps free.
const ENTRY_BYTES: usize = 2 * size_of::<((TypeId, Box<str>), Value)>() + 16;

impl Values {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            by_name: HashMap::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// Returns what is not kept: the former value, or the new one for want of room.
    fn insert(&mut self, name: (TypeId, Box<str>), value: Value) -> [Option<Value>; 2] {
        let former = self.by_name.remove(&name);
        self.bytes -= former.as_ref().map_or(0, |former| former.bytes);
        if self.bytes_max - self.bytes < value.bytes {
            return [former, Some(value)];
        }
        self.bytes += value.bytes;
        self.by_name.insert(name, value);
        [former, None]
    }
}

impl fmt::Debug for RequestCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestCache")
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "axum")]
impl<S: Sync> axum::extract::FromRequestParts<S> for RequestCache {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&mut parts.extensions))
    }
}
