//! The reference model passes the suite that it is the oracle of.

use std::sync::Arc;

use tollgate_store::{
    MemoryStore,
    conformance::{Fixture, differential},
};

struct Memory(Arc<MemoryStore>);

impl Fixture for Memory {
    type Store = MemoryStore;

    async fn open() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }

    fn store(&self) -> &Arc<MemoryStore> {
        &self.0
    }

    async fn restart(self) -> Self {
        self
    }
}

tollgate_store::conformance_tests!(Memory);

#[test]
fn the_model_agrees_with_itself() {
    differential::agrees_with_the_model::<Memory>(64);
}
