//! Every attack on one server, over and over, while a client that keeps the rules asks beside it:
//! that one is always answered, and whatever the others took is given back.
//!
//! Long, so it runs by `cargo xtask battery web` alone. It prints what the attacks cost the client in
//! time; how much that is decides nothing here, since it is the machine's as much as the server's.

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use crate::attacker::Attacker;
use crate::attacks::{Attacks, CONFIG, MORE_MEMORY_KIB_MAX, rests, wrong};
use crate::floods::FLOODS;
use crate::server::Server;
use crate::steady::{Steady, Waits};
use crate::{browser, figures, http2, http3, peer, tools};

/// For how many minutes it goes on after each attack has had its turn.
const MINUTES: &str = "TOLLGATE_TEST_WEB_BATTERY_MINUTES";
/// Kibibytes that the server may have at rest beyond those after the first round.
const GROWTH_KIB_MAX: u64 = 16 * 1024;
/// How long the client is watched alone.
const ALONE: Duration = Duration::from_secs(10);
/// Waits that are enough for an attack to be listed by itself, and how many are listed.
const LISTED_WAITS_MIN: usize = 100;
const LISTED: usize = 10;

#[test]
#[ignore = "takes minutes: cargo xtask battery web"]
fn battery() {
    let Some(minutes) = env::var(MINUTES).ok() else {
        return;
    };
    let end = Duration::from_secs(60 * minutes.parse::<u64>().unwrap());
    browser::check();
    let mut trial = Trial::start();
    trial.once();
    let begun = Instant::now();
    let mut at_rest = Vec::new();
    // What the first round leaves is the measure of the others.
    while at_rest.len() < 2 || begun.elapsed() < end {
        at_rest.push(trial.round());
        let peak = figures::peak(trial.server.id());
        let resident = at_rest.last().unwrap_or(&0);
        println!(
            "round {}: {resident} KiB at rest, {peak} at most",
            at_rest.len()
        );
    }
    let Trial { steady, wrong, .. } = trial;
    print(&steady.finish());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (first, last) = (at_rest[0], at_rest[at_rest.len() - 1]);
    assert!(
        last <= first + GROWTH_KIB_MAX,
        "memory grows: {at_rest:?} KiB"
    );
}

/// A server under attack and its well-behaved client.
struct Trial {
    server: Server,
    steady: Steady,
    files: usize,
    memory_kib: u64,
    wrong: Vec<String>,
}

impl Trial {
    fn start() -> Self {
        let server = Server::start(&format!("{CONFIG}read_timeout = \"5s\"\n"));
        let steady = Steady::start(&server);
        steady.beside("alone", "");
        std::thread::sleep(ALONE);
        let mut trial = Self {
            files: 0,
            memory_kib: figures::resident(server.id()),
            server,
            steady,
            wrong: Vec::new(),
        };
        trial.rest("alone");
        trial.files = figures::files(trial.server.id());
        trial
    }

    /// What takes long by itself.
    fn once(&mut self) {
        for slowness in tools::SLOW {
            self.steady.beside("slow clients", slowness.0);
            self.wrong.extend(tools::slow(&self.server, *slowness));
            self.rest(slowness.0);
        }
        self.steady.beside("testssl.sh", "");
        self.wrong.extend(tools::scan(&self.server));
        self.rest("testssl.sh");
    }

    /// All attacks, one after the other; kibibytes resident afterwards.
    fn round(&mut self) -> u64 {
        for (name, flood) in FLOODS {
            self.steady.beside("HTTP/1.1 and TLS floods", name);
            flood(&self.server);
            self.rest(name);
        }
        self.attacks("HTTP/2 attacks", "http2_attacks.py", http2::ATTACKS);
        self.attacks("HTTP/3 attacks", "http3_attacks.py", http3::ATTACKS);
        figures::resident(self.server.id())
    }

    fn attacks(&mut self, kind: &'static str, script: &str, attacks: &[Attacks]) {
        let Some(python) = peer::python() else { return };
        let mut attacker = Attacker::start(&python, script, &self.server);
        for (expected, names) in attacks {
            for name in *names {
                self.steady.beside(kind, name);
                self.wrong.extend(wrong(&mut attacker, expected, name));
                self.steady.check();
            }
        }
        drop(attacker);
        self.rest(kind);
    }

    /// Waits until nothing is left of an attack.
    fn rest(&mut self, after: &str) {
        self.steady.check();
        self.steady.beside("afterwards", "");
        let steady = &self.steady;
        rests(&self.server, Steady::CONNECTIONS, |quiet| {
            steady.pause(quiet);
        });
        self.server.wait_until("let all requests go", |server| {
            server.metric("http_requests_in_flight") <= 1
        });
        let files = self.files;
        if files > 0 {
            self.server.wait_until("closed all files", |server| {
                figures::files(server.id()) <= files
            });
        }
        let peak = figures::peak(self.server.id());
        let allowed = self.memory_kib + MORE_MEMORY_KIB_MAX;
        assert!(
            peak < allowed,
            "{after}: {peak} KiB, {} before",
            self.memory_kib
        );
    }
}

fn print(waits: &Waits) {
    let mut kinds = BTreeMap::<_, Vec<Duration>>::new();
    for ((beside, listener), waits) in waits {
        kinds
            .entry((beside.kind, *listener))
            .or_default()
            .extend(waits);
    }
    println!("waits of the well-behaved client for one answer:");
    for ((kind, listener), waits) in &mut kinds {
        println!("{}", line(&format!("{kind}, {listener:?}"), waits));
    }
    let mut attacks: Vec<_> = waits
        .iter()
        .filter(|((beside, _), waits)| !beside.attack.is_empty() && waits.len() >= LISTED_WAITS_MIN)
        .map(|((beside, listener), waits)| (beside, listener, waits.clone()))
        .collect();
    attacks.sort_by_cached_key(|(.., waits)| std::cmp::Reverse(quantile(&mut waits.clone(), 99)));
    println!("the attacks that cost most:");
    for (beside, listener, waits) in attacks.iter_mut().take(LISTED) {
        println!(
            "{}",
            line(&format!("{}, {listener:?}", beside.attack), waits)
        );
    }
}

fn line(name: &str, waits: &mut [Duration]) -> String {
    let [half, most, all] = [50, 99, 100].map(|percent| quantile(waits, percent).as_micros());
    format!(
        "  {name:<40} p50 {half:>6} µs  p99 {most:>7} µs  max {all:>7} µs  of {}",
        waits.len()
    )
}

/// Sorts them; the shortest that so many percent do not exceed.
fn quantile(waits: &mut [Duration], percent: usize) -> Duration {
    waits.sort_unstable();
    waits[(waits.len() * percent).div_ceil(100) - 1]
}
