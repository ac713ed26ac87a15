//! Which new connections get a place: so many in all, and so many an address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::state::{ConnectionSlot, Shared};
use crate::http_metrics::Closed;
use crate::ip_key;

/// The places of one server, shared by all of its threads and protocols.
#[derive(Clone)]
pub(super) struct Admission {
    pub(super) shared: Arc<Shared>,
    /// By whom they are limited; empty while there is no limit. Holds no more than there are
    /// connections.
    by_ip: Arc<Mutex<HashMap<u128, usize>>>,
}

/// The place of one connection; given back when dropped.
pub(super) struct Place {
    _slot: ConnectionSlot,
    of_ip: Option<PlaceOfIp>,
}

struct PlaceOfIp {
    key: u128,
    by_ip: Arc<Mutex<HashMap<u128, usize>>>,
}

impl Admission {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            by_ip: Arc::default(),
        }
    }

    /// A place for a connection from this address, if it has one. Counts refusals.
    ///
    /// Proxies that are trusted speak for many clients and are not limited by their address.
    pub(super) fn admit(&self, peer: Option<IpAddr>) -> Option<Place> {
        let admitted = ConnectionSlot::take(&self.shared).and_then(|slot| {
            let of_ip = match peer.filter(|&peer| self.is_limited(peer)) {
                Some(peer) => Some(self.place_of(peer)?),
                None => None,
            };
            Some(Place { _slot: slot, of_ip })
        });
        if admitted.is_none() {
            self.shared.metrics.closed(Closed::ConnectionsMax);
        }
        admitted
    }

    fn is_limited(&self, peer: IpAddr) -> bool {
        let config = &self.shared.config;
        config.connections_per_ip_max > 0 && !config.trusted_proxies.contains(peer)
    }

    fn place_of(&self, peer: IpAddr) -> Option<PlaceOfIp> {
        let key = ip_key(peer);
        let mut by_ip = self.by_ip.lock();
        let open = by_ip.entry(key).or_insert(0);
        if *open >= self.shared.config.connections_per_ip_max {
            return None;
        }
        *open += 1;
        Some(PlaceOfIp {
            key,
            by_ip: Arc::clone(&self.by_ip),
        })
    }
}

impl Drop for PlaceOfIp {
    fn drop(&mut self) {
        let mut by_ip = self.by_ip.lock();
        if let Some(open) = by_ip.get_mut(&self.key) {
            *open = open.saturating_sub(1);
            if *open == 0 {
                by_ip.remove(&self.key);
            }
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("limited", &self.of_ip.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Registry;
    use crate::{HttpMetrics, ServerConfig, TrustedProxies};

    fn admission(config: ServerConfig) -> Admission {
        let metrics = HttpMetrics::register(&Registry::new(), &[]).unwrap();
        Admission::new(Arc::new(Shared::new(config, metrics)))
    }

    #[test]
    fn addresses_are_limited() {
        let admission = admission(ServerConfig {
            connections_max: 5,
            connections_per_ip_max: 2,
            trusted_proxies: TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]),
            ..ServerConfig::default()
        });
        let admit = |peer: &str| admission.admit(Some(peer.parse().unwrap()));
        let first = admit("192.0.2.1");
        let second = admit("::ffff:192.0.2.1");
        assert!(first.is_some() && second.is_some());
        assert!(admit("192.0.2.1").is_none());
        drop(first);
        let again = admit("192.0.2.1");
        assert!(again.is_some() && admit("192.0.2.1").is_none());
        drop((again, second));
        assert_eq!(admission.by_ip.lock().len(), 0);

        // Of one /64, and of the next.
        let subnet = [admit("2001:db8::1"), admit("2001:db8::ffff:2")];
        assert!(subnet.iter().all(Option::is_some));
        assert!(admit("2001:db8::3").is_none());
        assert!(admit("2001:db8:0:1::3").is_some());

        let proxied = [admit("10.0.0.1"), admit("10.0.0.1"), admit("10.0.0.1")];
        assert!(proxied.iter().all(Option::is_some));
        assert!(admit("10.0.0.1").is_none(), "five in all");
        drop((subnet, proxied));
        assert_eq!(admission.shared.connections_open(), 0);
    }

    #[test]
    fn nobody_is_limited_by_default() {
        let admission = admission(ServerConfig::default());
        let admit = || admission.admit(Some("192.0.2.1".parse().unwrap()));
        let places: Vec<_> = (0..100).map(|_| admit()).collect();
        assert!(places.iter().all(Option::is_some));
        assert_eq!(admission.by_ip.lock().len(), 0);
    }
}
