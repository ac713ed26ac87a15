//! The header that tells clients of HTTP/1.1 and HTTP/2 where HTTP/3 is spoken (RFC 7838).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;

/// How long a client may remember.
const MAX_AGE_SECONDS: u32 = 3600;

/// What is said on connections to each port.
#[derive(Debug, Default)]
pub(crate) struct AltSvc(Vec<Offer>);

#[derive(Debug)]
struct Offer {
    port: u16,
    value: HeaderValue,
    stands: AtomicBool,
}

impl AltSvc {
    /// What may be offered: HTTP/3 on the UDP port of the same number as each of these.
    pub(crate) fn new(locals: impl Iterator<Item = SocketAddr>) -> Self {
        let offer = |local: SocketAddr| {
            let port = local.port();
            let value = format!("h3=\":{port}\"; ma={MAX_AGE_SECONDS}");
            Some(Offer {
                port,
                value: HeaderValue::try_from(value).ok()?,
                stands: AtomicBool::new(false),
            })
        };
        Self(locals.filter_map(offer).collect())
    }

    /// What to say on a connection to this port.
    #[inline]
    pub(crate) fn on(&self, port: u16) -> Option<&HeaderValue> {
        let offer = self.0.iter().find(|offer| offer.port == port)?;
        offer.stands.load(Ordering::Relaxed).then_some(&offer.value)
    }

    /// Somebody serves there.
    pub(crate) fn offer(&self, port: u16) {
        self.set(port, true);
    }

    /// Nobody serves there any more.
    pub(crate) fn withdraw(&self, port: u16) {
        self.set(port, false);
    }

    fn set(&self, port: u16, stands: bool) {
        for offer in self.0.iter().filter(|offer| offer.port == port) {
            offer.stands.store(stands, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_served_is_offered() {
        let locals = ["127.0.0.1:443", "[::1]:8443"].map(|local| local.parse().unwrap());
        let alt_svc = AltSvc::new(locals.into_iter());
        assert_eq!(alt_svc.on(443), None);
        alt_svc.offer(443);
        assert_eq!(alt_svc.on(443).unwrap(), "h3=\":443\"; ma=3600");
        assert_eq!(alt_svc.on(8443), None);
        assert_eq!(alt_svc.on(80), None);
        alt_svc.withdraw(443);
        assert_eq!(alt_svc.on(443), None);
    }
}
