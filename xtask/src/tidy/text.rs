//! Rules about the text of one source file.

use super::Finding;
use super::layers::PURE;
use super::tree::File;

const LINES_MAX: usize = 500;

/// Words that no file may hold, each with what to do instead. Split, so that this file may.
const NOWHERE: &[(&str, &str)] = &[
    (
        concat!("TO", "DO"),
        "finish it or write it down as an issue",
    ),
    (concat!("FIX", "ME"), "fix it"),
    (concat!("db", "g!("), "log it or drop it"),
    (concat!("unbounded", "_channel"), "every queue has a bound"),
    (
        concat!("mpsc::", "channel()"),
        "every queue has a bound: use sync_channel",
    ),
    (concat!("::", "unbounded("), "every queue has a bound"),
    (concat!("#[ig", "nore]"), "say why: #[ignore = \"…\"]"),
];

/// What the crates of L0 may not use outside their tests.
const IMPURE: &[&str] = &[
    "tokio",
    "SystemTime",
    "Instant::now",
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "rand::fill",
    "println!",
];

/// Checks one file against every rule of this module.
pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = file.text.lines().count();
    if lines > LINES_MAX {
        findings.push(format!(
            "{}: {lines} lines, {LINES_MAX} are allowed; split it",
            file.path
        ));
    }
    if !file.text.starts_with("//! ") {
        findings.push(format!("{}: begins without a `//!` sentence", file.path));
    }
    for (number, line) in file.text.lines().enumerate() {
        for (word, remedy) in NOWHERE.iter().filter(|(word, _)| line.contains(word)) {
            findings.push(format!("{}:{}: {word}: {remedy}", file.path, number + 1));
        }
    }
    if is_pure(&file.path) {
        findings.extend(impurities(file));
    }
    findings
}

fn is_pure(path: &str) -> bool {
    PURE.iter().any(|name| {
        path.strip_prefix("crates/")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with("/src/"))
    })
}

fn impurities(file: &File) -> Vec<Finding> {
    let shipped = file.text.split("#[cfg(test)]").next().unwrap_or_default();
    let code = shipped
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"));
    code.flat_map(|(number, line)| {
        IMPURE
            .iter()
            .filter(|word| line.contains(**word))
            .map(move |word| (number, *word))
    })
    .map(|(number, word)| format!("{}:{}: {word}: this crate is pure", file.path, number + 1))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_rules_are_held() {
        let check = |path: &str, text: &str, findings: usize| {
            let file = File {
                path: path.to_owned(),
                text: text.to_owned(),
            };
            let found = super::check(&file);
            assert_eq!(found.len(), findings, "{path} {text:?}: {found:?}");
        };
        let api = "crates/tollgate-api/src/lib.rs";
        let pure = "crates/tollgate-limit/src/lib.rs";
        check(api, "//! A guide.\n", 0);
        check(api, "fn main() {}\n", 1);
        check(
            api,
            &format!("//! Long.\n{}", "\n".repeat(LINES_MAX - 1)),
            0,
        );
        check(api, &format!("//! Long.\n{}", "\n".repeat(LINES_MAX)), 1);
        for (word, _) in NOWHERE {
            check(api, &format!("//! A guide.\n    {word}\n"), 1);
        }
        check(api, "//! A guide.\nuse tokio::time;\n", 0);
        check(pure, "//! A guide.\nuse tokio::time;\n", 1);
        check(pure, "//! A guide.\n// not on tokio\n", 0);
        check(
            pure,
            "//! A guide.\n#[cfg(test)]\nmod tests { use std::thread; }\n",
            0,
        );
        check(
            "crates/tollgate-limit/tests/it/main.rs",
            "//! A test.\nuse std::thread;\n",
            0,
        );
    }
}
