//! The second opinions: one process each, tokens in, one word a token out.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tollgate_testkit::find_peer;

use super::{ALGORITHMS, AUDIENCE, ISSUER, NOW, Signers};
use crate::node::Script;

/// What `jose` says.
pub(super) fn jose(signers: &Signers, tokens: &[String]) -> Option<Vec<String>> {
    let mut script = Script::start("judge.mjs", &setup(signers))?;
    Some(ask(&mut script.child, tokens))
}

/// What PyJWT says.
pub(super) fn pyjwt(signers: &Signers, tokens: &[String]) -> Option<Vec<String>> {
    let python = find_peer("TOLLGATE_TEST_PYTHON", "PyJWT from PyPI")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/judge.py");
    let mut child = Command::new(python)
        .arg(script)
        .env("PEER", setup(signers).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let words = ask(&mut child, tokens);
    assert!(child.wait().unwrap().success());
    Some(words)
}

fn setup(signers: &Signers) -> Value {
    let names: Vec<&str> = ALGORITHMS
        .iter()
        .map(|algorithm| algorithm.name())
        .collect();
    json!({
        "keys": signers.set.keys, "issuer": ISSUER, "audience": AUDIENCE, "now": NOW.0,
        "algorithms": names,
    })
}

fn ask(child: &mut Child, tokens: &[String]) -> Vec<String> {
    let mut stdin = child.stdin.take().unwrap();
    let lines: Vec<String> = tokens
        .iter()
        .map(|token| json!(token).to_string())
        .collect();
    // Both ends at once, or two full pipes would wait for each other.
    let writer = std::thread::spawn(move || stdin.write_all(lines.join("\n").as_bytes()));
    let text = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    writer.join().unwrap().unwrap();
    text.lines().map(str::to_owned).collect()
}
