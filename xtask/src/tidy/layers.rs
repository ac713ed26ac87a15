//! The layers: which crate may know which, who may speak HTTP and who may name a backend.

use super::Finding;
use super::tree::{Dependency, Package};

/// Each crate with the crates of ours that it may depend on. A new edge needs a written reason in
/// the commit that adds it here.
const EDGES: &[(&str, &[&str])] = &[
    ("tollgate-jose", &[]),
    ("tollgate-protocol", &[]),
    ("tollgate-limit", &[]),
    ("tollgate-verify", &["tollgate-jose", "tollgate-protocol"]),
    ("tollgate-web", &["tollgate-limit"]),
    ("tollgate-store", &["tollgate-protocol"]),
    (
        "tollgate-store-embedded",
        &["tollgate-store", "tollgate-protocol"],
    ),
    (
        "tollgate-issuer",
        &["tollgate-jose", "tollgate-protocol", "tollgate-store"],
    ),
    (
        "tollgate-api",
        &[
            "tollgate-issuer",
            "tollgate-jose",
            "tollgate-limit",
            "tollgate-protocol",
            "tollgate-store",
            "tollgate-verify",
            "tollgate-web",
        ],
    ),
    (
        "tollgate-server",
        &[
            "tollgate-api",
            "tollgate-issuer",
            "tollgate-jose",
            "tollgate-limit",
            "tollgate-protocol",
            "tollgate-store",
            "tollgate-store-embedded",
            "tollgate-verify",
            "tollgate-web",
        ],
    ),
    ("tollgate-testkit", &[]),
    ("tollgate-load", &[]),
    ("xtask", &[]),
];

/// Crates of L0: no runtime, no I/O, no randomness of their own.
pub(super) const PURE: &[&str] = &["tollgate-jose", "tollgate-protocol", "tollgate-limit"];

const RUNTIMES: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "reqwest",
    "ureq",
    "fjall",
];
const HTTP: &[&str] = &[
    "http",
    "http-body",
    "http-body-util",
    "hyper",
    "hyper-util",
    "axum",
];
const SPEAKS_HTTP: &[&str] = &[
    "tollgate-web",
    "tollgate-api",
    "tollgate-server",
    "tollgate-testkit",
    "tollgate-load",
];
const NAMES_BACKENDS: &str = "tollgate-server";

/// Checks every dependency of every package.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Finding> {
    let name = package.name.as_str();
    let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
        return vec![format!(
            "{name}: a crate without a layer; give it one in xtask's tidy"
        )];
    };
    let shipped = package
        .dependencies
        .iter()
        .filter(|dependency| !dependency.dev);
    let mut findings: Vec<Finding> = shipped
        .filter_map(|dependency| check_dependency(name, allowed, dependency))
        .collect();
    let tests = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.dev);
    findings.extend(
        tests
            .filter(|dependency| names_backend(name, &dependency.name))
            .map(|dependency| format!("{name}: its tests name the backend {}", dependency.name)),
    );
    findings
}

fn check_dependency(name: &str, allowed: &[&str], dependency: &Dependency) -> Option<Finding> {
    let on = dependency.name.as_str();
    if names_backend(name, on) {
        return Some(format!(
            "{name}: only {NAMES_BACKENDS} names a backend, and this is {on}"
        ));
    }
    if (on.starts_with("tollgate-") || on == "xtask") && !allowed.contains(&on) {
        return Some(format!("{name}: must not depend on {on}"));
    }
    if PURE.contains(&name) && RUNTIMES.contains(&on) {
        return Some(format!("{name}: is pure and must not depend on {on}"));
    }
    // The validation library has HTTP types behind features only.
    let may_speak_http =
        SPEAKS_HTTP.contains(&name) || (name == "tollgate-verify" && dependency.optional);
    (HTTP.contains(&on) && !may_speak_http)
        .then(|| format!("{name}: must not know HTTP types, and {on} brings them"))
}

fn names_backend(name: &str, on: &str) -> bool {
    on.starts_with("tollgate-store-") && name != NAMES_BACKENDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_held() {
        let check = |name: &str, on: &str, dev: bool, optional: bool, tidy: bool| {
            let dependency = Dependency {
                name: on.to_owned(),
                dev,
                optional,
            };
            let package = Package {
                name: name.to_owned(),
                dependencies: vec![dependency],
            };
            let findings = super::check(&[package]);
            assert_eq!(findings.is_empty(), tidy, "{name} -> {on}: {findings:?}");
        };
        check("tollgate-issuer", "tollgate-store", false, false, true);
        check("tollgate-issuer", "tollgate-web", false, false, false);
        check("tollgate-issuer", "tollgate-testkit", true, false, true);
        check("tollgate-jose", "tollgate-protocol", false, false, false);
        check("tollgate-web", "tollgate-protocol", false, false, false);
        check(
            "tollgate-store-embedded",
            "tollgate-issuer",
            false,
            false,
            false,
        );
        check(
            "tollgate-server",
            "tollgate-store-embedded",
            false,
            false,
            true,
        );
        check(
            "tollgate-api",
            "tollgate-store-embedded",
            false,
            false,
            false,
        );
        check(
            "tollgate-api",
            "tollgate-store-embedded",
            true,
            false,
            false,
        );
        check("tollgate-protocol", "tokio", false, false, false);
        check("tollgate-protocol", "tokio", true, false, true);
        check("tollgate-issuer", "http", false, false, false);
        check("tollgate-api", "hyper", false, false, true);
        check("tollgate-verify", "axum", false, true, true);
        check("tollgate-verify", "axum", false, false, false);
        check("tollgate-new", "serde", false, false, false);
    }
}
