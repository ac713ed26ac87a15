//! Typed access to the merged settings; what is wrong is noted and read on, so that one start
//! names every problem.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use super::{
    layers::{Layers, Table},
    problem::{Origin, Problem},
    secret::SecretText,
    value::Value,
};

/// Reads settings into the structs of the sections.
///
/// Where a value is missing or wrong the reader notes a problem and hands out a placeholder, which
/// nobody sees: a configuration with problems is not returned.
pub(super) struct Reader<'a>(pub(super) &'a mut Layers);

impl Reader<'_> {
    pub(super) fn bool(&mut self, name: &'static str) -> bool {
        self.take(name, |value| match value {
            Value::Bool(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn integer(&mut self, name: &'static str) -> u64 {
        self.take(name, |value| match value {
            Value::Integer(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn size(&mut self, name: &'static str) -> usize {
        usize::try_from(self.integer(name)).unwrap_or(usize::MAX)
    }

    pub(super) fn number(&mut self, name: &'static str) -> f64 {
        self.take(name, |value| match value {
            Value::Number(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Duration {
        self.take(name, |value| match value {
            Value::Duration(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn text(&mut self, name: &'static str) -> String {
        self.take(name, text)
    }

    /// A secret, which may be left out.
    pub(super) fn secret(&mut self, name: &'static str) -> Option<SecretText> {
        self.0.setting(name)?;
        self.take(name, |value| match value {
            Value::Secret(value) => Some(Some(value)),
            _ => None,
        })
    }

    pub(super) fn address(&mut self, name: &'static str) -> SocketAddr {
        let address = self.take(name, |value| match value {
            Value::Address(value) => Some(Some(value)),
            _ => None,
        });
        address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A path; none when it is empty.
    pub(super) fn path(&mut self, name: &'static str) -> Option<PathBuf> {
        let path = self.take(name, |value| match value {
            Value::Path(value) => Some(value),
            _ => None,
        });
        Some(path).filter(|path| !path.as_os_str().is_empty())
    }

    pub(super) fn networks(&mut self, name: &'static str) -> Vec<IpNet> {
        self.take(name, |value| match value {
            Value::Networks(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        self.take(name, |value| match value {
            Value::Texts(value) => Some(value),
            _ => None,
        })
    }

    pub(super) fn tables(&mut self, name: &'static str) -> Vec<Table> {
        self.0.tables(name)
    }

    /// Notes that the value of `name` does not fit the others.
    pub(super) fn refuse(&mut self, name: &str, what: String, allowed: &str) {
        let origin = self
            .0
            .setting(name)
            .map_or(Origin::Default, |setting| setting.origin.clone());
        self.refuse_at(name.to_owned(), origin, what, allowed);
    }

    /// Notes that something within a table does not fit.
    pub(super) fn refuse_at(&mut self, key: String, origin: Origin, what: String, allowed: &str) {
        self.0.problems.push(Problem {
            key,
            origin,
            what,
            allowed: allowed.to_owned(),
        });
    }

    fn take<T: Default>(&mut self, name: &'static str, open: fn(Value) -> Option<T>) -> T {
        let Some(value) = self.0.value(name) else {
            return T::default();
        };
        open(value).unwrap_or_else(|| {
            self.refuse(
                name,
                "read as another kind than declared".to_owned(),
                "nothing",
            );
            T::default()
        })
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::Text(value) => Some(value),
        _ => None,
    }
}

/// Typed access to the checked values of one table.
impl Table {
    pub(super) fn text(&self, field: &str) -> String {
        self.values
            .get(field)
            .cloned()
            .and_then(text)
            .unwrap_or_default()
    }

    pub(super) fn integer(&self, field: &str) -> u64 {
        match self.values.get(field) {
            Some(Value::Integer(value)) => *value,
            _ => 0,
        }
    }

    pub(super) fn number(&self, field: &str) -> f64 {
        match self.values.get(field) {
            Some(Value::Number(value)) => *value,
            _ => 0.0,
        }
    }

    pub(super) fn texts(&self, field: &str) -> Vec<String> {
        match self.values.get(field) {
            Some(Value::Texts(value)) => value.clone(),
            _ => Vec::new(),
        }
    }
}
