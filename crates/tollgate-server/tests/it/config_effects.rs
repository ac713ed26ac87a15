//! Every key of the configuration and the test that shows its effect.
