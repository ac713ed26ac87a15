//! What the rules look at: packages with their dependencies, source files, documents.

use crate::run::{cargo, output, root};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs::{self, DirEntry};
use std::path::Path;

/// Directories that hold what was built or made, not what was written.
const NOT_OURS: &[&str] = &["target", "data", "node_modules"];

/// A package of the workspace.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// One line under `[dependencies]` or `[dev-dependencies]`.
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) dev: bool,
    pub(super) optional: bool,
}

/// A text file, its path relative to the root of the workspace.
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// Everything that the rules look at.
pub(super) struct Tree {
    pub(super) packages: Vec<Package>,
    pub(super) sources: Vec<File>,
    pub(super) documents: Vec<File>,
}

impl Tree {
    /// Reads the workspace: its files, and what cargo knows of its packages.
    ///
    /// # Errors
    /// When cargo cannot tell, or a file cannot be read.
    pub(super) fn read() -> Result<Self> {
        let mut tree = Self {
            packages: packages()?,
            sources: Vec::new(),
            documents: Vec::new(),
        };
        tree.walk(root())?;
        Ok(tree)
    }

    fn walk(&mut self, directory: &Path) -> Result<()> {
        let mut entries = fs::read_dir(directory)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && !NOT_OURS.contains(&name.as_ref()) {
                    self.walk(&entry.path())?;
                }
            } else if name.ends_with(".rs") {
                self.sources.push(file(&entry)?);
            } else if name.ends_with(".md") {
                self.documents.push(file(&entry)?);
            }
        }
        Ok(())
    }
}

fn file(entry: &DirEntry) -> Result<File> {
    let path = entry.path();
    let shown = path
        .strip_prefix(root())
        .unwrap_or(&path)
        .display()
        .to_string();
    let text = fs::read_to_string(&path).with_context(|| shown.clone())?;
    Ok(File { path: shown, text })
}

fn packages() -> Result<Vec<Package>> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).context("cargo metadata")?;
    let packages = metadata.get("packages").and_then(Value::as_array);
    let packages = packages.context("cargo metadata: no packages")?;
    Ok(packages.iter().map(package).collect())
}

fn package(value: &Value) -> Package {
    let text = |value: &Value, name: &str| {
        value
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let dependencies = value.get("dependencies").and_then(Value::as_array);
    Package {
        name: text(value, "name"),
        dependencies: dependencies
            .into_iter()
            .flatten()
            .map(|dependency| Dependency {
                name: text(dependency, "name"),
                dev: text(dependency, "kind") == "dev",
                optional: dependency.get("optional") == Some(&Value::Bool(true)),
            })
            .collect(),
    }
}
