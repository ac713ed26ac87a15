//! What is wrong with a configuration: which key, where it was set, and what is allowed.

use std::{fmt, path::Path, sync::Arc};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// On this line of this file.
    File(Arc<Path>, usize),
    /// In this environment variable.
    Environment(String),
    /// By this flag of the command line.
    Flag(&'static str),
    /// By this profile.
    Profile(&'static str),
    /// By nobody: it is the default.
    Default,
    /// By nobody, and it has no default.
    Nowhere,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(formatter, "{}:{line}", path.display()),
            Self::Environment(variable) => write!(formatter, "environment variable {variable}"),
            Self::Flag(flag) => write!(formatter, "flag {flag}"),
            Self::Profile(name) => write!(formatter, "profile {name}"),
            Self::Default => formatter.write_str("default"),
            Self::Nowhere => formatter.write_str("configuration"),
        }
    }
}

/// What stands for the key where the file as a whole is wrong.
pub(super) const FILE: &str = "the file";

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The dotted name of the key.
    pub(crate) key: String,
    /// Where it was set.
    pub(crate) origin: Origin,
    /// What is wrong with it.
    pub(crate) what: String,
    /// What it may be.
    pub(crate) allowed: String,
}

impl Problem {
    /// The line of the file, by which problems are sorted; those from elsewhere come last.
    pub(super) const fn line(&self) -> usize {
        match &self.origin {
            Origin::File(_, line) => *line,
            _ => usize::MAX,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            origin,
            what,
            allowed,
        } = self;
        write!(formatter, "{origin}: {key}: {what}; allowed: {allowed}")
    }
}

/// Everything that is wrong with a configuration; never empty.
#[derive(Debug)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the configuration is not valid")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(formatter, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}
