//! Keys over the network, against providers that behave and that do not.

mod client_tokens;
mod default_client;
mod discovery;
pub(crate) mod fake;
mod faulty;
mod introspection;
mod introspection_queue;
mod proxy;
mod refresh;
mod rotation;
mod settings;
mod sharing;
