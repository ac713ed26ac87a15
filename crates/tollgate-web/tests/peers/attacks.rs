//! Carries out attacks and judges them: what was answered, and that nothing of it stays.

use crate::attacker::Attacker;
use crate::figures;
use crate::peer;
use crate::server::{LOOK, Server};
use std::thread;

/// Bounds that an attack meets: those of a server as it comes, but for shorter patience.
pub(crate) const CONFIG: &str = "
threads = 1
header_timeout = \"5s\"
write_timeout = \"2s\"
idle_timeout = \"10s\"
request_timeout = \"10s\"
";

/// Kibibytes that a server under attack may have more than at rest.
pub(crate) const MORE_MEMORY_KIB_MAX: u64 = 64 * 1024;
/// A process is idle that takes less than this in [`LOOKS`] looks.
const IDLE: std::time::Duration = std::time::Duration::from_millis(20);
const LOOKS: u32 = 10;

/// All that the server may do about attacks, and their names.
pub(crate) type Attacks = (&'static [&'static str], &'static [&'static str]);

/// Has a script carry out each attack; afterwards a stranger is served and all that was taken is given
/// back.
pub(crate) fn check(script: &str, attacks: &[Attacks]) {
    let Some(python) = peer::python() else { return };
    let server = Server::start(CONFIG);
    let mut attacker = Attacker::start(&python, script, &server);
    let before = figures::resident(server.id());
    let mut all_wrong = Vec::new();
    for (expected, names) in attacks {
        for name in *names {
            all_wrong.extend(wrong(&mut attacker, expected, name));
            assert_eq!(server.get("/hello"), (200, "hello".to_owned()), "{name}");
            let peak = figures::peak(server.id());
            assert!(
                peak < before + MORE_MEMORY_KIB_MAX,
                "{name}: {peak} KiB, {before} before"
            );
        }
        rests(&server, 0, |quiet| quiet());
    }
    assert!(all_wrong.is_empty(), "{}", all_wrong.join("\n"));
}

/// Carries out one attack; what is wrong with how the server took it.
pub(crate) fn wrong(attacker: &mut Attacker, expected: &[&str], name: &str) -> Option<String> {
    let outcome = attacker.attack(name);
    let right = expected.contains(&outcome.as_str());
    (!right).then(|| format!("{name}: {outcome:?}, not {expected:?}"))
}

/// Waits until the server has nothing to do: no connection but the one that asks and those that are
/// `kept`, and no work while those are `paused`.
pub(crate) fn rests(server: &Server, kept: u64, paused: impl FnOnce(&mut dyn FnMut())) {
    server.wait_until("let all connections go", |server| {
        server.metric("http_connections_open") <= kept + 1
    });
    paused(&mut || {
        server.wait_until("idle", |server| {
            let before = figures::cpu(server.id());
            thread::sleep(LOOK * LOOKS);
            figures::cpu(server.id()) - before < IDLE
        });
    });
}
