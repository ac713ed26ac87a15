//! `[[routes]]`: what a gateway's target demands of a token.

use tollgate_api::PathTemplate;
use tollgate_protocol::{Resource, Scope};

use super::{
    key::{Key, Kind, Presence},
    layers::Table,
    reader::Reader,
};

const TEMPLATE: &str = "segments as they are decoded, with {name} for a whole one and {*name} for the \
     rest, such as /orders/{id}";
const ROUTES_MAX: usize = 10_000;

pub(super) const KEYS: &[Key] = &[Key {
    name: "routes",
    kind: Kind::Tables(ROUTE),
    presence: Presence::Default("[]"),
    doc: "what /oauth/validate demands for a target, for gateways",
}];

const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "*",
];

const ROUTE: &[Key] = &[
    Key::required(
        "method",
        Kind::Choice(METHODS),
        "\"GET\"",
        "the target's method; * for any",
    ),
    Key::required(
        "path",
        Kind::Text { max: 1024 },
        "\"/orders/{id}\"",
        "the target's path; {name} stands for one segment, {*name} for the rest",
    ),
    Key::new(
        "scope",
        Kind::Text { max: 4096 },
        "\"\"",
        "what the token must allow",
    ),
    Key::new(
        "audience",
        Kind::Text { max: 512 },
        "\"\"",
        "where the token must count",
    ),
];

/// What one target demands.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: PathTemplate,
    pub(crate) scope: Scope,
    pub(crate) audience: Option<Resource>,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Vec<Route> {
    let tables = reader.tables("routes");
    if tables.len() > ROUTES_MAX {
        let what = format!("{} routes", tables.len());
        reader.refuse("routes", what, &format!("at most {ROUTES_MAX} routes"));
    }
    let routes: Vec<Route> = tables.iter().map(|table| route(reader, table)).collect();
    let mut seen = std::collections::HashSet::new();
    for (table, route) in tables.iter().zip(&routes) {
        let was_read = table.text("path") == route.path.as_str();
        if was_read && !seen.insert((route.method.as_str(), &route.path)) {
            let what = format!("{} {} is another route already", route.method, route.path);
            let key = format!("{}.path", table.name);
            reader.refuse_at(
                key,
                table.origin.clone(),
                what,
                "one route for a method and path",
            );
        }
    }
    routes
}

fn route(reader: &mut Reader<'_>, table: &Table) -> Route {
    let mut refuse = |field: &str, what: String, allowed: &str| {
        reader.refuse_at(
            format!("{}.{field}", table.name),
            table.origin.clone(),
            what,
            allowed,
        );
    };
    let path = table.text("path");
    let path = match path.parse() {
        Ok(template) => template,
        // A path that is missing was told of already.
        Err(_) if path.is_empty() => PathTemplate::default(),
        Err(error) => {
            let what = format!("{path:?} is no path template: it {error}");
            refuse("path", what, TEMPLATE);
            PathTemplate::default()
        }
    };
    let scope = table.text("scope").parse().unwrap_or_else(|error| {
        refuse(
            "scope",
            format!("{error}"),
            "scope tokens with single spaces between",
        );
        Scope::default()
    });
    let audience = table.text("audience");
    let audience = (!audience.is_empty()).then(|| audience.parse()).transpose();
    let audience = audience.unwrap_or_else(|error| {
        refuse(
            "audience",
            format!("{error}"),
            "an absolute URI without a fragment",
        );
        None
    });
    Route {
        method: table.text("method"),
        path,
        scope,
        audience,
    }
}
