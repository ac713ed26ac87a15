//! The suite that every backend passes, and random sequences against the model.

use std::sync::Arc;

use tempfile::TempDir;
use tollgate_store::conformance::{Fixture, differential};
use tollgate_store_embedded::{Durability, EmbeddedConfig, EmbeddedStore};

struct Embedded {
    directory: TempDir,
    store: Arc<EmbeddedStore>,
}

impl Embedded {
    fn on(directory: TempDir) -> Self {
        let config = EmbeddedConfig {
            durability: Durability::Memory,
            ..EmbeddedConfig::new(directory.path())
        };
        let store = Arc::new(EmbeddedStore::open(&config).expect("open"));
        Self { directory, store }
    }
}

impl Fixture for Embedded {
    type Store = EmbeddedStore;

    async fn open() -> Self {
        Self::on(tempfile::tempdir().expect("a directory"))
    }

    fn store(&self) -> &Arc<EmbeddedStore> {
        &self.store
    }

    async fn restart(self) -> Self {
        self.store.close().await.expect("close");
        drop(self.store);
        Self::on(self.directory)
    }
}

tollgate_store::conformance_tests!(Embedded);

#[test]
fn the_store_agrees_with_the_model() {
    differential::agrees_with_the_model::<Embedded>(48);
}
