//! `cargo xtask tidy`: the house rules that a program can hold. `ARCHITECTURE.md` says why.

mod layers;
mod links;
mod metrics;
mod text;
mod tree;

use anyhow::{Result, bail};
use tree::Tree;

/// One broken rule: where, and what to do about it.
type Finding = String;

/// Checks the whole tree.
///
/// # Errors
/// When a rule is broken, after printing every finding.
pub(crate) fn run() -> Result<()> {
    let findings = findings()?;
    for finding in &findings {
        println!("tidy: {finding}");
    }
    match findings.len() {
        0 => {
            println!("tidy: nothing to complain about");
            Ok(())
        }
        count => bail!("{count} house rules broken"),
    }
}

fn findings() -> Result<Vec<Finding>> {
    let tree = Tree::read()?;
    let mut findings = layers::check(&tree.packages);
    for file in &tree.sources {
        findings.extend(text::check(file));
    }
    findings.extend(metrics::check(&tree.sources));
    findings.extend(links::check(&tree.documents));
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_tree_is_tidy() {
        assert_eq!(
            super::findings().expect("the tree is readable"),
            Vec::<String>::new()
        );
    }
}
