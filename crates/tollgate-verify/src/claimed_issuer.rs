//! Which of several issuers a token names, found before its signature is checked; nothing else of
//! the claims is looked at, and nothing is allocated unless the text is unusual.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::claims::check_depth;
use crate::error::Error;
use crate::policy::missing;

/// The position of the issuer that this payload names.
///
/// # Security
/// Anybody can have written the payload: the signature has to match that issuer's keys, and the
/// claim is judged again with all the others afterwards.
pub(crate) fn position(payload: &str, issuers: &[Box<str>]) -> Result<usize, Error> {
    check_depth(payload)?;
    let mut is_reading = false;
    let seed = ClaimsSeed {
        issuers,
        is_reading: &mut is_reading,
    };
    let mut deserializer = serde_json::Deserializer::from_str(payload);
    match seed.deserialize(&mut deserializer) {
        Ok(named) => named.ok_or_else(|| missing("iss"))?.ok_or(Error::Issuer),
        Err(error) if is_reading && error.is_data() => Err(Error::InvalidClaim("iss".into())),
        Err(_) => Err(Error::Malformed("claims")),
    }
}

struct ClaimsSeed<'c> {
    issuers: &'c [Box<str>],
    is_reading: &'c mut bool,
}

impl<'de> DeserializeSeed<'de> for ClaimsSeed<'_> {
    type Value = Option<Option<usize>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ClaimsSeed<'_> {
    type Value = Option<Option<usize>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWT claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut named = None;
        while let Some(is_issuer) = map.next_key_seed(NameSeed)? {
            if is_issuer {
                *self.is_reading = true;
                // The last of several counts; the signature check then ends in a refusal.
                named = Some(map.next_value_seed(IssuerSeed(self.issuers))?);
                *self.is_reading = false;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(named)
    }
}

/// Whether a claim is `iss`.
struct NameSeed;

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim name")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(name == "iss")
    }
}

/// Where an issuer stands among those that are trusted.
struct IssuerSeed<'c>(&'c [Box<str>]);

impl<'de> DeserializeSeed<'de> for IssuerSeed<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IssuerSeed<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an issuer")
    }

    fn visit_str<E>(self, named: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|own| &**own == named))
    }
}
