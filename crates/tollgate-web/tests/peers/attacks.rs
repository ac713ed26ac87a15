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
const MORE_MEMORY_KIB_MAX: u64 = 64 * 1024;
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
    let mut wrong = Vec::new();
    for (expected, names) in attacks {
        for name in *names {
            let outcome = attacker.attack(name);
            if !expected.contains(&outcome.as_str()) {
                wrong.push(format!("{name}: {outcome:?}, not {expected:?}"));
            }
            assert_eq!(server.get("/hello"), (200, "hello".to_owned()), "{name}");
            let peak = figures::peak(server.id());
            assert!(
                peak < before + MORE_MEMORY_KIB_MAX,
                "{name}: {peak} KiB, {before} before"
            );
        }
        rests(&server);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Waits until the server has nothing to do: no connection but the one that asks, and no work.
fn rests(server: &Server) {
    server.wait_until("let all connections go", |server| {
        server.metric("http_connections_open") <= 1
    });
    server.wait_until("idle", |server| {
        let before = figures::cpu(server.id());
        thread::sleep(LOOK * LOOKS);
        figures::cpu(server.id()) - before < IDLE
    });
}
