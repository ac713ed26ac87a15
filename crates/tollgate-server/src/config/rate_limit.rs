//! `[rate_limit]`: token buckets by client, address, subject, route or over all.

use tollgate_api::{FAILURES, RuleKey};

use super::{
    key::{Item, Key, Kind, Presence},
    layers::Table,
    reader::Reader,
};

const CAPACITY: Kind = Kind::Integer {
    min: 1,
    max: 1_000_000_000,
};
const FILL: Kind = Kind::Number { max: 1_000_000.0 };
const RULES_MAX: usize = 64;
const QUOTA: &str = "a bucket that fills within ten years";

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "rate_limit.kind",
        Kind::Choice(&["local"]),
        "\"local\"",
        "where buckets are kept",
    ),
    Key::new(
        "rate_limit.failures_capacity",
        CAPACITY,
        "100",
        "failed client authentications in a burst, per client and per address; always on",
    ),
    Key::new(
        "rate_limit.failures_fill_per_second",
        FILL,
        "10",
        "and how many a second after that",
    ),
    Key {
        name: "rate_limit.rules",
        kind: Kind::Tables(RULE),
        presence: Presence::Default("[]"),
        doc: "limits in order; a request must pass every one that covers it",
    },
];

const RULE: &[Key] = &[
    Key::required(
        "name",
        Kind::Text { max: 64 },
        "\"token-per-client\"",
        "the name in headers and metrics: lower-case letters, digits, - and _",
    ),
    Key::new(
        "routes",
        Kind::List(Item::Path),
        "[]",
        "where the rule counts; empty: wherever its key is known, never on /health and /ready",
    ),
    Key::required(
        "key",
        Kind::Choice(&["client", "ip", "subject", "route", "global"]),
        "\"client\"",
        "what has a bucket of its own",
    ),
    Key::required("capacity", CAPACITY, "1000", "the largest burst"),
    Key::required("fill_per_second", FILL, "100", "what may follow, a second"),
];

/// The rate limits.
#[derive(Debug)]
pub(crate) struct RateLimit {
    pub(crate) failures: Quota,
    pub(crate) rules: Vec<Rule>,
}

/// A bucket's size and speed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quota {
    pub(crate) capacity: u32,
    pub(crate) fill_per_second: f64,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) name: String,
    pub(crate) routes: Vec<String>,
    pub(crate) key: RuleKey,
    pub(crate) quota: Quota,
}

impl RateLimit {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        // Read for its check alone: there is one kind.
        let _ = reader.text("rate_limit.kind");
        let failures = Quota {
            capacity: u32::try_from(reader.integer("rate_limit.failures_capacity")).unwrap_or(0),
            fill_per_second: reader.number("rate_limit.failures_fill_per_second"),
        };
        let tables = reader.tables("rate_limit.rules");
        let limit = Self {
            failures,
            rules: tables.iter().map(rule).collect(),
        };
        if tables.len() > RULES_MAX {
            let what = format!("{} rules", tables.len());
            reader.refuse(
                "rate_limit.rules",
                what,
                &format!("at most {RULES_MAX} rules"),
            );
        }
        for (index, (table, rule)) in tables.iter().zip(&limit.rules).enumerate() {
            check_name(reader, table, rule, limit.rules.iter().take(index));
            check_routes(reader, table, rule);
            if let Err(error) = rule.quota.check() {
                let key = format!("{}.fill_per_second", table.name);
                reader.refuse_at(key, table.origin.clone(), error, QUOTA);
            }
        }
        if let Err(error) = limit.failures.check() {
            reader.refuse("rate_limit.failures_fill_per_second", error, QUOTA);
        }
        limit
    }
}

fn rule(table: &Table) -> Rule {
    let key = table.text("key");
    let key = RuleKey::ALL.into_iter().find(|known| known.as_str() == key);
    Rule {
        name: table.text("name"),
        routes: table.texts("routes"),
        // Any other word was refused when the table was read.
        key: key.unwrap_or(RuleKey::Global),
        quota: Quota {
            capacity: u32::try_from(table.integer("capacity")).unwrap_or(0),
            fill_per_second: table.number("fill_per_second"),
        },
    }
}

impl Quota {
    /// Whether a bucket of this kind can be counted; zeros are placeholders of refused values.
    fn check(&self) -> Result<(), String> {
        if self.capacity == 0 || self.fill_per_second <= 0.0 {
            return Ok(());
        }
        let quota = tollgate_limit::Quota::new(self.capacity, self.fill_per_second);
        quota.map(drop).map_err(|error| error.to_string())
    }
}

/// Names stand in `RateLimit` headers and as metric labels; two of one name could not be told
/// apart.
fn check_name<'a>(
    reader: &mut Reader<'_>,
    table: &Table,
    rule: &Rule,
    mut earlier: impl Iterator<Item = &'a Rule>,
) {
    let mut refuse = |what: String, allowed: &str| {
        reader.refuse_at(
            format!("{}.name", table.name),
            table.origin.clone(),
            what,
            allowed,
        );
    };
    let fits =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    if !rule.name.bytes().all(fits) {
        refuse(
            format!("{:?} is no name", rule.name),
            "lower-case letters, digits, - and _",
        );
    }
    if rule.name == FAILURES
        || !rule.name.is_empty() && earlier.any(|other| other.name == rule.name)
    {
        refuse(
            format!("{:?} names another rule already", rule.name),
            "a name of its own",
        );
    }
}

/// A rule for a path where it cannot count would limit nobody, and nobody would notice.
fn check_routes(reader: &mut Reader<'_>, table: &Table, rule: &Rule) {
    let paths = rule.key.paths();
    let named = rule.routes.iter().map(String::as_str);
    for route in named.filter(|route| !paths.contains(route)) {
        let key = format!("{}.routes", table.name);
        let what = format!("a rule by {} never counts on {route:?}", rule.key.as_str());
        reader.refuse_at(key, table.origin.clone(), what, &paths.join(", "));
    }
}
