//! Merging: flags before environment before file before profile before defaults.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use zeroize::Zeroizing;

use super::{
    document,
    key::{Key, Kind, Presence},
    keys,
    problem::{Origin, Problem},
    profile, suggest,
    value::{Entry, Raw, Value, check},
};

/// Variables that set a key under another name than its own: `TOLLGATE_DATA_DIR` says to commands
/// where a server keeps its data, and means the same to that server.
const ALIASES: [(&str, &str); 1] = [("DATA_DIR", "store.embedded.path")];

/// Variables that commands read for themselves.
const COMMAND_VARIABLES: [&str; 5] = [
    "TOLLGATE_CONFIG",
    "TOLLGATE_DATA_DIR",
    "TOLLGATE_ADMIN_URL",
    "TOLLGATE_ADMIN_TOKEN_FILE",
    "TOLLGATE_CA_FILE",
];
/// So many slips of the finger make one variable of another. What container platforms set
/// (`TOLLGATE_PORT`, `TOLLGATE_AUDIT_PORT`) is further from all of ours.
const MISSPELT_MAX: usize = 2;

/// A flag that sets a key.
pub(crate) struct Flag {
    /// The flag as typed, `--listen`.
    pub(crate) name: &'static str,
    /// The key that it sets.
    pub(crate) key: &'static str,
    /// The value as typed.
    pub(crate) value: String,
}

/// A key's value and where it was set.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) key: &'static Key,
    pub(crate) origin: Origin,
    pub(crate) raw: Raw,
}

/// The settings that won, by key name.
#[derive(Default)]
pub(crate) struct Layers {
    settings: BTreeMap<&'static str, Setting>,
    /// The file that was read.
    file: Option<Arc<Path>>,
    pub(crate) problems: Vec<Problem>,
}

impl Layers {
    /// Overlays `settings`: each replaces what stood there.
    fn put(&mut self, key: &'static Key, origin: Origin, raw: Raw) {
        self.settings.insert(key.name, Setting { key, origin, raw });
    }

    /// What was set for `name`.
    pub(crate) fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// Takes the default of every key that has one.
    pub(super) fn defaults(&mut self) {
        for key in keys() {
            if let Presence::Default(literal) = key.presence {
                self.put(key, Origin::Default, document::literal(literal));
            }
        }
    }

    /// Takes what `name` presets.
    pub(super) fn profile(&mut self, name: &str) {
        for (profile, name, literal) in profile::presets(name) {
            if let Some(key) = find(name) {
                self.put(key, Origin::Profile(profile), document::literal(literal));
            }
        }
    }

    /// Takes what the file `path` with this text sets.
    pub(super) fn file(&mut self, path: &Arc<Path>, text: &str) {
        self.file = Some(Arc::clone(path));
        match document::parse(path, text) {
            Ok(entries) => self.file_table(path, "", entries),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn file_table(&mut self, path: &Arc<Path>, section: &str, entries: Vec<Entry>) {
        for Entry { name, line, value } in entries {
            let full = if section.is_empty() {
                name
            } else {
                format!("{section}.{name}")
            };
            let origin = Origin::File(Arc::clone(path), line);
            match (find(&full), is_section(&full), value) {
                (Some(key), _, _) if key.is_secret() => self.problems.push(Problem {
                    key: full,
                    origin,
                    what: "a secret does not belong in this file".to_owned(),
                    allowed: format!(
                        "the environment variable {0}, or a file: {0}_FILE",
                        key.variable()
                    ),
                }),
                (Some(key), _, value) => self.put(key, origin, value),
                (None, true, Raw::Table(entries)) => self.file_table(path, &full, entries),
                (None, true, value) => self.problems.push(Problem {
                    what: format!("a section, not {}", value.describe()),
                    allowed: section_keys(&full),
                    key: full,
                    origin,
                }),
                (None, false, _) => self.problems.push(unknown(full, origin)),
            }
        }
    }

    /// Takes what the environment sets.
    ///
    /// A variable without `__` that resembles no key is left alone: container platforms set such
    /// variables for a service called *tollgate*, and the command line has some of its own.
    pub(super) fn environment(&mut self, variables: &[(String, Option<Zeroizing<String>>)]) {
        for (variable, text) in variables {
            let Some(name) = variable.strip_prefix("TOLLGATE_") else {
                continue;
            };
            let name = match ALIASES.iter().find(|(alias, _)| *alias == name) {
                Some((_, key)) => (*key).to_owned(),
                None => name.replace("__", ".").to_lowercase(),
            };
            let origin = Origin::Environment(variable.clone());
            match (find(&name), text) {
                (Some(key), Some(text)) => {
                    let raw = document::parse_variable(&key.kind, text);
                    self.put_variable(key, origin, raw);
                }
                (Some(key), None) => {
                    let what = "it is not UTF-8".to_owned();
                    self.problems.push(problem(key, name, origin, what));
                }
                (None, _) if name.contains('.') => self.problems.push(unknown(name, origin)),
                (None, _) => self.problems.extend(misspelt(variable)),
            }
        }
    }

    /// Which of two variables would win nobody can know: they have no order.
    fn put_variable(&mut self, key: &'static Key, origin: Origin, raw: Raw) {
        if let Some(Setting {
            origin: Origin::Environment(other),
            raw: others,
            ..
        }) = self.settings.get(key.name)
            && *others != raw
        {
            let what = format!("environment variable {other} says something else");
            let name = key.name.to_owned();
            self.problems.push(Problem {
                key: name,
                origin,
                what,
                allowed: "one of the two".to_owned(),
            });
            return;
        }
        self.put(key, origin, raw);
    }

    /// Takes what flags of the command line set.
    pub(super) fn flags(&mut self, flags: Vec<Flag>) {
        for flag in flags {
            if let Some(key) = find(flag.key) {
                let raw = document::parse_variable(&key.kind, &flag.value);
                self.put(key, Origin::Flag(flag.name), raw);
            }
        }
    }

    /// The checked value of `name`; problems are noted.
    pub(super) fn value(&mut self, name: &'static str) -> Option<Value> {
        let Some(setting) = self.settings.get(name) else {
            self.missing(name);
            return None;
        };
        match check(setting.key, &setting.raw) {
            Ok(value) => Some(value),
            Err(what) => {
                let problem = problem(setting.key, name.to_owned(), setting.origin.clone(), what);
                self.problems.push(problem);
                None
            }
        }
    }

    /// The tables of `name`, one map of checked values each; problems are noted.
    pub(super) fn tables(&mut self, name: &'static str) -> Vec<Table> {
        let Some(Setting { key, origin, raw }) = self.settings.get(name).cloned() else {
            return Vec::new();
        };
        match (&key.kind, raw) {
            (Kind::Tables(fields), Raw::List(elements)) => elements
                .into_iter()
                .enumerate()
                .map(|(index, (line, element))| {
                    self.one_table(fields, &origin, (format!("{name}[{index}]"), line, element))
                })
                .collect(),
            (_, raw) => {
                let what = format!("{} is not a list of tables", raw.describe());
                self.problems
                    .push(problem(key, name.to_owned(), origin, what));
                Vec::new()
            }
        }
    }

    fn one_table(
        &mut self,
        fields: &'static [Key],
        origin: &Origin,
        (name, line, element): (String, usize, Raw),
    ) -> Table {
        let at = |line| match origin {
            Origin::File(path, _) => Origin::File(Arc::clone(path), line),
            other => other.clone(),
        };
        let mut table = Table {
            name,
            origin: at(line),
            values: BTreeMap::new(),
        };
        let Raw::Table(entries) = element else {
            self.problems.push(Problem {
                key: table.name.clone(),
                origin: at(line),
                what: format!("{} is not a table", element.describe()),
                allowed: Kind::Tables(fields).allowed(),
            });
            return table;
        };
        let given: Vec<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        for entry in entries {
            let full = format!("{}.{}", table.name, entry.name);
            match fields.iter().find(|field| field.name == entry.name) {
                None => self.problems.push(Problem {
                    key: full,
                    origin: at(entry.line),
                    what: "unknown key".to_owned(),
                    allowed: Kind::Tables(fields).allowed(),
                }),
                Some(field) => match check(field, &entry.value) {
                    Ok(value) => {
                        table.values.insert(field.name, value);
                    }
                    Err(what) => self
                        .problems
                        .push(problem(field, full, at(entry.line), what)),
                },
            }
        }
        for field in fields {
            let given = given.iter().any(|name| name == field.name);
            if !given && matches!(field.presence, Presence::Required(_)) {
                let full = format!("{}.{}", table.name, field.name);
                let what = "it is not set".to_owned();
                self.problems
                    .push(problem(field, full, table.origin.clone(), what));
            }
        }
        table
    }

    /// A required key that is not set is a problem; a secret that is not set is none.
    fn missing(&mut self, name: &'static str) {
        let Some(key) = find(name).filter(|key| matches!(key.presence, Presence::Required(_)))
        else {
            return;
        };
        let what = format!("it is not set, neither in a file nor as {}", key.variable());
        let origin = self
            .file
            .clone()
            .map_or(Origin::Nowhere, |path| Origin::File(path, 1));
        self.problems
            .push(problem(key, name.to_owned(), origin, what));
    }
}

/// One table of a list of tables, checked.
pub(crate) struct Table {
    /// The name in messages, `routes[0]`.
    pub(crate) name: String,
    pub(crate) origin: Origin,
    pub(crate) values: BTreeMap<&'static str, Value>,
}

fn problem(key: &Key, name: String, origin: Origin, what: String) -> Problem {
    let what = if key.is_secret() {
        "it is malformed".to_owned()
    } else {
        what
    };
    Problem {
        key: name,
        origin,
        what,
        allowed: key.kind.allowed(),
    }
}

fn find(name: &str) -> Option<&'static Key> {
    keys().find(|key| key.name == name)
}

fn is_section(name: &str) -> bool {
    keys().any(|key| {
        key.name
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// What stands in a section, in words.
fn section_keys(section: &str) -> String {
    let within = |key: &&Key| key.section() == section && !key.is_secret();
    let names: Vec<&str> = keys().filter(within).map(Key::leaf).collect();
    format!("the keys {}", names.join(", "))
}

fn unknown(name: String, origin: Origin) -> Problem {
    let what = match suggest(&name, keys().map(|key| key.name)) {
        Some(near) => format!("unknown key, did you mean `{near}`?"),
        None => "unknown key".to_owned(),
    };
    let section = name.rsplit_once('.').map_or("", |(section, _)| section);
    let allowed = match section {
        "" => format!("{} and the sections {}", section_keys(""), sections()),
        section if is_section(section) => section_keys(section),
        _ => format!("the sections {}", sections()),
    };
    Problem {
        key: name,
        origin,
        what,
        allowed,
    }
}

/// What `variable` was probably meant to be, if it is not one of the commands' own.
fn misspelt(variable: &str) -> Option<Problem> {
    let own = || COMMAND_VARIABLES.into_iter().map(str::to_owned);
    if own().any(|name| name == variable) {
        return None;
    }
    let fold = |name: &str| name.replace("__", "_");
    let distance = |name: &String| strsim::damerau_levenshtein(&fold(name), &fold(variable));
    let near = own().chain(keys().map(Key::variable)).min_by_key(distance);
    let near = near.filter(|name| distance(name) <= MISSPELT_MAX)?;
    Some(Problem {
        key: variable.to_owned(),
        origin: Origin::Environment(variable.to_owned()),
        what: format!("unknown variable, did you mean {near}?"),
        allowed: "TOLLGATE_ and a key in capitals, with __ between its parts".to_owned(),
    })
}

fn sections() -> String {
    let mut names: Vec<&str> = keys()
        .map(Key::section)
        .filter(|name| !name.is_empty())
        .collect();
    names.dedup();
    names.join(", ")
}
