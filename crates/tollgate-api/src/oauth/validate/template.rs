//! Path templates: which paths of an API a route covers.

use std::{fmt, hash, str::FromStr};

/// A path with parameters: `/orders/{id}` covers `/orders/7`, and `/files/{*rest}` all that begins
/// with `/files`.
///
/// A parameter fills its segment; `{*rest}` is the last and covers any number of segments, none
/// too. Everything else is compared with the decoded path, so it is written as it is meant:
/// `/a b`, not `/a%20b`. Two templates that cover the same paths are equal.
#[derive(Clone, Debug)]
pub struct PathTemplate {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Segment {
    Literal(String),
    Any,
    Rest,
}

/// The text is no path template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPathTemplate {
    /// It does not begin with a slash.
    #[error("must begin with /")]
    NoSlash,
    /// Two slashes follow each other.
    #[error("has an empty segment")]
    EmptySegment,
    /// There is a brace or a star within a segment.
    #[error("has a parameter that does not fill its segment")]
    PartOfSegment,
    /// A parameter is not closed, or has no name.
    #[error("has a parameter that is not written {{name}}")]
    Parameter,
    /// Something follows `{*rest}`.
    #[error("has something after {{*rest}}")]
    NotLast,
    /// No path that is looked up has such a segment: those that servers read differently are
    /// refused before.
    #[error(
        "has a segment that no path can have: . and .., and any of ? # % \\ ; or a control character"
    )]
    Unreachable,
}

impl PathTemplate {
    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it covers the path with these decoded segments.
    pub(super) fn covers(&self, path: &[String]) -> bool {
        let mut path = path.iter();
        for part in &self.segments {
            let fits = match part {
                Segment::Rest => return true,
                Segment::Any => path.next().is_some(),
                Segment::Literal(literal) => path.next() == Some(literal),
            };
            if !fits {
                return false;
            }
        }
        path.next().is_none()
    }
}

impl FromStr for PathTemplate {
    type Err = InvalidPathTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidPathTemplate> {
        let rest = text.strip_prefix('/').ok_or(InvalidPathTemplate::NoSlash)?;
        let segments = if rest.is_empty() {
            Vec::new()
        } else {
            let rest = rest.strip_suffix('/').unwrap_or(rest);
            rest.split('/')
                .map(segment)
                .collect::<Result<Vec<_>, _>>()?
        };
        let mut before_last = segments.iter().rev().skip(1);
        if before_last.any(|part| *part == Segment::Rest) {
            return Err(InvalidPathTemplate::NotLast);
        }
        Ok(Self {
            text: text.to_owned(),
            segments,
        })
    }
}

fn segment(text: &str) -> Result<Segment, InvalidPathTemplate> {
    let Some(parameter) = text.strip_prefix('{') else {
        let has = |characters: &[char]| text.contains(characters);
        return match text {
            "" => Err(InvalidPathTemplate::EmptySegment),
            "." | ".." => Err(InvalidPathTemplate::Unreachable),
            _ if has(&['{', '}', '*']) => Err(InvalidPathTemplate::PartOfSegment),
            _ if has(&['?', '#', '%', '\\', ';']) || text.chars().any(char::is_control) => {
                Err(InvalidPathTemplate::Unreachable)
            }
            literal => Ok(Segment::Literal(literal.to_owned())),
        };
    };
    let name = parameter
        .strip_suffix('}')
        .ok_or(InvalidPathTemplate::Parameter)?;
    let (name, segment) = match name.strip_prefix('*') {
        Some(name) => (name, Segment::Rest),
        None => (name, Segment::Any),
    };
    if name.is_empty() || name.contains(['{', '}', '*']) {
        return Err(InvalidPathTemplate::Parameter);
    }
    Ok(segment)
}

impl PartialEq for PathTemplate {
    fn eq(&self, other: &Self) -> bool {
        self.segments == other.segments
    }
}

impl Eq for PathTemplate {}

impl hash::Hash for PathTemplate {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.segments.hash(state);
    }
}

/// The root alone.
impl Default for PathTemplate {
    fn default() -> Self {
        Self {
            text: "/".to_owned(),
            segments: Vec::new(),
        }
    }
}

impl fmt::Display for PathTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_is_read_or_refused() {
        use InvalidPathTemplate as Invalid;
        let check = |text: &str, expected: Result<(), Invalid>| {
            let parsed = text.parse::<PathTemplate>();
            assert_eq!(
                parsed.as_ref().map(drop),
                expected.as_ref().map(drop),
                "{text}"
            );
            if let Ok(template) = parsed {
                assert_eq!(template.as_str(), text);
            }
        };
        for good in [
            "/",
            "/orders/{id}",
            "/orders/{id}/",
            "/orders/{id}/lines",
            "/files/{*rest}",
            "/{*rest}",
            "/a b",
            "/ä",
        ] {
            check(good, Ok(()));
        }
        check("", Err(Invalid::NoSlash));
        check("orders", Err(Invalid::NoSlash));
        check("/a//b", Err(Invalid::EmptySegment));
        check("//", Err(Invalid::EmptySegment));
        check("/a{b}", Err(Invalid::PartOfSegment));
        check("/*", Err(Invalid::PartOfSegment));
        check("/orders/{id}s", Err(Invalid::Parameter));
        check("/{a", Err(Invalid::Parameter));
        check("/{}", Err(Invalid::Parameter));
        check("/{*}", Err(Invalid::Parameter));
        check("/{a*}", Err(Invalid::Parameter));
        check("/{*rest}/a", Err(Invalid::NotLast));
        check("/{*a}/{*b}", Err(Invalid::NotLast));
        for unreachable in [
            "/orders?x",
            "/a#b",
            "/a%20b",
            "/a;b",
            "/a\\b",
            "/..",
            "/./a",
        ] {
            check(unreachable, Err(Invalid::Unreachable));
        }
    }

    #[test]
    fn templates_that_cover_the_same_are_equal() {
        let check = |one: &str, other: &str, equal: bool| {
            let [one, other] = [one, other].map(|text| text.parse::<PathTemplate>().unwrap());
            assert_eq!(one == other, equal, "{one} {other}");
        };
        check("/orders/{id}", "/orders/{number}/", true);
        check("/orders/{id}", "/orders/{*id}", false);
        check("/orders/{id}", "/orders/id", false);
    }
}
