//! Private server instances, clients and temporary directories for tests.
