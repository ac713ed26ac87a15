//! `application/x-www-form-urlencoded` bodies, parsed in place.

use std::borrow::Cow;

/// The parameters of a form body, split once and decoded where they are asked for.
///
/// A parameter without a value counts as left out, and none may be given twice (RFC 6749 §3.2),
/// but for those that their own specification lets repeat.
///
/// # Security
///
/// `Debug` counts the parameters and shows none: some are secrets.
pub struct Form<'a> {
    pairs: Vec<(&'a [u8], &'a [u8])>,
}

impl std::fmt::Debug for Form<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Form({} parameters)", self.pairs.len())
    }
}

/// Why a body is no form, or a parameter no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// The parameter stands there twice.
    #[error("parameter '{0}' is repeated")]
    Repeated(&'static str),
    /// The parameter is not valid percent-encoded UTF-8.
    #[error("parameter '{0}' is not valid percent-encoded UTF-8")]
    Encoding(&'static str),
    /// A parameter name is percent-encoded although it has only letters and `_`.
    #[error("a parameter name is percent-encoded without need")]
    Name,
    /// More than [`Form::PAIRS_MAX`] parameters.
    #[error("more than {} parameters", Form::PAIRS_MAX)]
    TooMany,
    /// A parameter that is not one of those that repeat stands there twice.
    #[error("a parameter is repeated")]
    RepeatedUnknown,
}

impl<'a> Form<'a> {
    /// The most parameters in one form.
    pub const PAIRS_MAX: usize = 64;

    /// Splits `body` into its parameters.
    ///
    /// # Errors
    ///
    /// When there are too many parameters, or a name is encoded that need not be: `client%5Fid`
    /// must not slip past a proxy that looks for `client_id`. Other encoded names are none that
    /// anybody knows, and are ignored (RFC 6749 §3.2).
    pub fn parse(body: &'a [u8]) -> Result<Self, FormError> {
        let mut pairs = Vec::with_capacity(8);
        let mut rest = body;
        while !rest.is_empty() {
            let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
            let (pair, tail) = rest.split_at(end);
            rest = tail.get(1..).unwrap_or_default();
            if pair.is_empty() {
                continue;
            }
            let split = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at(split);
            if memchr::memchr2(b'%', b'+', name).is_some() {
                if hides_a_known_name(name) {
                    return Err(FormError::Name);
                }
                continue;
            }
            if pairs.len() == Self::PAIRS_MAX {
                return Err(FormError::TooMany);
            }
            pairs.push((name, value.get(1..).unwrap_or_default()));
        }
        Ok(Self { pairs })
    }

    /// Refuses any name that stands there twice, other than those in `repeatable`.
    ///
    /// # Errors
    ///
    /// [`FormError::RepeatedUnknown`] when one does.
    pub fn refuse_repeated(&self, repeatable: &[&str]) -> Result<(), FormError> {
        for (position, (name, _)) in self.pairs.iter().enumerate() {
            let earlier = self.pairs.iter().take(position);
            if earlier.clone().any(|(other, _)| other == name)
                && !repeatable.iter().any(|allowed| allowed.as_bytes() == *name)
            {
                return Err(FormError::RepeatedUnknown);
            }
        }
        Ok(())
    }

    /// Whether the parameter `name` is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.pairs.iter().any(|(own, _)| *own == name.as_bytes())
    }

    /// The value of the parameter `name`, if it is there and not empty.
    ///
    /// # Errors
    ///
    /// When the parameter stands there twice or is wrongly encoded.
    pub fn value(&self, name: &'static str) -> Result<Option<Cow<'a, str>>, FormError> {
        let mut values = self.pairs.iter().filter(|(own, _)| *own == name.as_bytes());
        let Some((_, value)) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(FormError::Repeated(name));
        }
        let decoded = decode_component(value).map_err(|NotEncoded| FormError::Encoding(name))?;
        Ok((!decoded.is_empty()).then_some(decoded))
    }

    /// Every value of the repeatable parameter `name`, empty ones left out.
    ///
    /// # Errors
    ///
    /// When a value is wrongly encoded.
    pub fn values(&self, name: &'static str) -> Result<Vec<Cow<'a, str>>, FormError> {
        let values = self.pairs.iter().filter(|(own, _)| *own == name.as_bytes());
        let decoded = values.map(|(_, value)| decode_component(value));
        let kept = decoded.filter(|value| !value.as_ref().is_ok_and(|text| text.is_empty()));
        kept.collect::<Result<_, _>>()
            .map_err(|NotEncoded| FormError::Encoding(name))
    }
}

/// Whether an encoded name decodes to one such as the registered names are, or to nothing.
fn hides_a_known_name(encoded: &[u8]) -> bool {
    decode_component(encoded).is_ok_and(|name| {
        name.bytes()
            .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    })
}

/// The bytes are not percent-encoded UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not valid percent-encoded UTF-8")]
pub struct NotEncoded;

/// One name or value, `+` and percent-encoding undone; borrowed when there is nothing to undo.
///
/// # Errors
///
/// When an escape is broken or the result is not UTF-8.
pub fn decode_component(encoded: &[u8]) -> Result<Cow<'_, str>, NotEncoded> {
    if memchr::memchr2(b'%', b'+', encoded).is_none() {
        return std::str::from_utf8(encoded)
            .map(Cow::Borrowed)
            .map_err(|_| NotEncoded);
    }
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut bytes = encoded.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = bytes
                    .next()
                    .and_then(|digit| hex_digit(*digit))
                    .ok_or(NotEncoded)?;
                let low = bytes
                    .next()
                    .and_then(|digit| hex_digit(*digit))
                    .ok_or(NotEncoded)?;
                high << 4 | low
            }
            other => *other,
        });
    }
    String::from_utf8(decoded)
        .map(Cow::Owned)
        .map_err(|_| NotEncoded)
}

const fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_empty_ones_left_out() {
        let form = Form::parse(b"a=1&b=&c=x+y%2B%C3%A9&&d&r=1&r=&r=2").unwrap();
        for (name, expected) in [
            ("a", Some("1")),
            ("b", None),
            ("c", Some("x y+\u{e9}")),
            ("d", None),
            ("e", None),
        ] {
            assert_eq!(form.value(name).unwrap().as_deref(), expected, "{name}");
        }
        assert_eq!(form.values("r").unwrap(), ["1", "2"]);
        assert_eq!(form.value("r"), Err(FormError::Repeated("r")));
        assert!(form.has("d") && !form.has("e"));
    }

    #[test]
    fn broken_forms_are_refused() {
        for (body, error) in [
            ("a=%", FormError::Encoding("a")),
            ("a=%1", FormError::Encoding("a")),
            ("a=%zz", FormError::Encoding("a")),
            ("a=%ff", FormError::Encoding("a")),
        ] {
            assert_eq!(
                Form::parse(body.as_bytes()).unwrap().value("a"),
                Err(error),
                "{body}"
            );
        }
        assert_eq!(Form::parse(b"client%5Fid=a").err(), Some(FormError::Name));
        let ignored = Form::parse(b"x%5B0%5D=1&a=2&%zz=3").unwrap();
        assert_eq!(ignored.value("a").unwrap().as_deref(), Some("2"));
        let many = "a=1&".repeat(Form::PAIRS_MAX + 1);
        assert_eq!(Form::parse(many.as_bytes()).err(), Some(FormError::TooMany));
        let form = Form::parse(b"x=1&resource=a&resource=b&x=").unwrap();
        assert_eq!(
            form.refuse_repeated(&["resource"]),
            Err(FormError::RepeatedUnknown)
        );
        let form = Form::parse(b"x=1&resource=a&resource=b").unwrap();
        assert_eq!(form.refuse_repeated(&["resource"]), Ok(()));
    }
}
