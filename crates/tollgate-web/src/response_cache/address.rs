//! What a request asks for, and what answers to it stand under.

use std::sync::atomic::Ordering;

use http::Request;

use super::Inner;
use crate::host::asked_host;
use crate::{RequestInfo, Scheme};

/// The schemes as keys have them: after the path, so that a prefix of it is one of the key. No
/// path has a blank.
const HTTP: &str = " http";
const HTTPS: &str = " https";

/// The host that the client asked for and what follows it, over which scheme, and by which name
/// the service knows its host.
pub(super) struct Address {
    text: String,
    scheme: &'static str,
    /// If a proxy asks for another host than its client does. The handler may answer for either.
    behind: Option<String>,
}

impl Address {
    /// `None` when the request does not say clearly for which host it is: with `example.com/a` for
    /// a host, what stands at `/b` would be stored for `/a/b`.
    pub(super) fn of<B>(request: &Request<B>) -> Option<Self> {
        let uri = request.uri();
        let told = asked_host(request).ok().flatten()?;
        let info = request.extensions().get::<RequestInfo>();
        let forwarded = info.and_then(|info| info.forwarded_host());
        let forwarded = forwarded.filter(|host| !host.eq_ignore_ascii_case(told));
        let mut text = forwarded.unwrap_or(told).to_ascii_lowercase();
        text.push_str(uri.path_and_query().map_or("/", |path| path.as_str()));
        let scheme = match info.map(|info| info.scheme()) {
            Some(Scheme::Https) => HTTPS,
            Some(Scheme::Http) => HTTP,
            None if uri.scheme_str() == Some("https") => HTTPS,
            None => HTTP,
        };
        Some(Self {
            text,
            scheme,
            behind: forwarded.map(|_| told.to_ascii_lowercase()),
        })
    }

    fn over(&self, scheme: &str) -> String {
        let Self { text, behind, .. } = self;
        match behind {
            Some(behind) => format!("{text}{scheme} {behind}"),
            None => format!("{text}{scheme}"),
        }
    }
}

impl Inner {
    /// What answers to the request stand under.
    pub(super) fn key(&self, address: &Address) -> String {
        if address.behind.is_some() {
            self.has_forwarded.store(true, Ordering::SeqCst);
        }
        address.over(address.scheme)
    }

    /// Forgets what stands at `address`, over both schemes.
    pub(super) fn forget(&self, address: &Address) {
        for scheme in [HTTP, HTTPS] {
            self.local.remove(&address.over(scheme));
        }
    }

    /// Forgets what stands at `text`, a host and what follows it, by whatever name the service
    /// knows that host.
    pub(super) fn forget_text(&self, text: String) {
        if self.has_forwarded.load(Ordering::SeqCst) {
            // Of the other scheme it is a prefix too.
            self.local.remove_prefix(&format!("{text}{HTTP}"));
            return;
        }
        self.forget(&Address {
            text,
            scheme: HTTP,
            behind: None,
        });
    }
}
