//! Links between documents lead somewhere. What rustdoc resolves it also checks.

use super::Finding;
use super::tree::File;
use crate::run::root;
use std::path::Path;

/// Checks that every relative link of every document names a file of the tree.
pub(super) fn check(documents: &[File]) -> Vec<Finding> {
    documents
        .iter()
        .flat_map(|document| dead(document, |path| root().join(path).exists()))
        .collect()
}

fn dead(document: &File, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let directory = Path::new(&document.path).parent().unwrap_or(Path::new(""));
    targets(&document.text)
        .filter(|target| !target.contains("://") && !target.starts_with(['#', '<']))
        .filter(|target| !target.starts_with("crate::"))
        .filter_map(|target| target.split('#').next())
        .filter(|file| !exists(&directory.join(file)))
        .map(|file| format!("{}: links to {file}, which is not there", document.path))
        .collect()
}

/// What stands in the round brackets of `[text](target)`.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', ' ', '\n']).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_found() {
        let check = |text: &str, findings: usize| {
            let document = File {
                path: "docs/a.md".to_owned(),
                text: text.to_owned(),
            };
            let found = dead(&document, |path| path == Path::new("docs/there.md"));
            assert_eq!(found.len(), findings, "{text}: {found:?}");
        };
        check("[there](there.md), [part](there.md#part)", 0);
        check(
            "[type](crate::Verifier), [method](crate::Verifier::verify)",
            0,
        );
        check("[gone](gone.md)", 1);
        check("[web](https://example.com/x), [here](#here)", 0);
        check("[there](there.md) and [gone](../gone.md)", 1);
    }
}
