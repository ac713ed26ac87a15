//! Reading the claims of RFC 7519, RFC 9068 and OpenID Connect in one strict pass.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use tollgate_jose::json::{self, MemberNames, WithoutDuplicates};
use tollgate_protocol::UnixSeconds;

use crate::error::Error;

/// Deepest nesting of the claims.
const DEPTH_MAX: usize = 32;
/// Most values of `aud` and `scope` given as arrays.
const VALUES_MAX: usize = 256;
/// The last second of the year 9999. A later one is a mistake, such as milliseconds.
const SECONDS_MAX: u64 = 253_402_300_799;

/// A string inside the payload, by position when it stands there literally.
#[derive(Clone)]
pub(crate) enum Text {
    Slice { start: usize, end: usize },
    Owned(Box<str>),
}

impl Text {
    pub(crate) fn in_payload<'p>(&'p self, payload: &'p str) -> &'p str {
        match self {
            Self::Slice { start, end } => payload.get(*start..*end).unwrap_or_default(),
            Self::Owned(text) => text,
        }
    }
}

/// One string or several: `aud`, and `scope` as some providers write it.
#[derive(Clone)]
pub(crate) enum Texts {
    One(Text),
    Many(Vec<Text>),
}

impl Texts {
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Text> {
        match self {
            Self::One(text) => std::slice::from_ref(text).iter(),
            Self::Many(texts) => texts.iter(),
        }
    }
}

/// The key that a token is bound to (RFC 7800).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Confirmation {
    /// Thumbprint of the DPoP key, base64url (RFC 9449 §6.1).
    pub(crate) jkt: Option<Box<str>>,
    /// Thumbprint of the client certificate, base64url (RFC 8705 §3.1).
    pub(crate) x5t_s256: Option<Box<str>>,
    /// Whether there is a method that is not known here.
    pub(crate) has_unknown: bool,
}

/// The claims that are looked at, as they stand in the payload.
#[derive(Clone, Default)]
pub(crate) struct Claims {
    pub(crate) iss: Option<Text>,
    pub(crate) sub: Option<Text>,
    pub(crate) aud: Option<Texts>,
    pub(crate) exp: Option<UnixSeconds>,
    pub(crate) nbf: Option<UnixSeconds>,
    pub(crate) iat: Option<UnixSeconds>,
    pub(crate) jti: Option<Text>,
    pub(crate) client_id: Option<Text>,
    pub(crate) scope: Option<Texts>,
    pub(crate) cnf: Option<Confirmation>,
    pub(crate) azp: Option<Text>,
    pub(crate) nonce: Option<Text>,
    /// Bit per name in the list of required ones.
    pub(crate) required_seen: u64,
}

impl Claims {
    /// Reads a payload; `required` are names to look out for.
    ///
    /// They are boxed, because they are handed on several times, and moving them each time would
    /// cost more than the room.
    pub(crate) fn parse(payload: &str, required: &[Box<str>]) -> Result<Box<Self>, Error> {
        check_depth(payload)?;
        let mut fault = Fault::default();
        let mut claims = Box::<Self>::default();
        let seed = ClaimsSeed {
            base: payload.as_ptr().addr(),
            required,
            fault: &mut fault,
            claims: &mut claims,
        };
        let mut deserializer = serde_json::Deserializer::from_str(payload);
        let read = seed.deserialize(&mut deserializer);
        match read.and_then(|()| deserializer.end()) {
            Ok(()) if fault.has_duplicates => Err(Error::Malformed("a claim twice, or too many")),
            Ok(()) => Ok(claims),
            Err(error) => Err(match fault.reading {
                Some(claim) if error.is_data() => Error::InvalidClaim(claim.into()),
                _ => Error::Malformed("claims"),
            }),
        }
    }
}

/// Refuses what nests deeper than any claims do.
pub(crate) fn check_depth(payload: &str) -> Result<(), Error> {
    if json::nests_within(payload.as_bytes(), DEPTH_MAX) {
        Ok(())
    } else {
        Err(Error::Malformed("claims nested too deep"))
    }
}

/// What went wrong where, beside the parser's own error.
#[derive(Default)]
struct Fault {
    reading: Option<&'static str>,
    has_duplicates: bool,
}

struct ClaimsSeed<'c> {
    base: usize,
    required: &'c [Box<str>],
    fault: &'c mut Fault,
    claims: &'c mut Claims,
}

impl<'de> DeserializeSeed<'de> for ClaimsSeed<'_> {
    type Value = ();

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ClaimsSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWT claims set")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let claims = self.claims;
        let mut seen = Seen::default();
        let text = TextSeed { base: self.base };
        let texts = TextsSeed { base: self.base };
        loop {
            self.fault.reading = None;
            let name = NameSeed {
                seen: &mut seen,
                required: self.required,
                claims,
            };
            let Some((name, is_new)) = map.next_key_seed(name)? else {
                return Ok(());
            };
            self.fault.has_duplicates |= !is_new;
            self.fault.reading = name.claim();
            match name {
                Name::Iss => claims.iss = Some(map.next_value_seed(text)?),
                Name::Sub => claims.sub = Some(map.next_value_seed(text)?),
                Name::Aud => claims.aud = Some(map.next_value_seed(texts)?),
                Name::Exp => claims.exp = Some(map.next_value_seed(SecondsSeed)?),
                Name::Nbf => claims.nbf = Some(map.next_value_seed(SecondsSeed)?),
                Name::Iat => claims.iat = Some(map.next_value_seed(SecondsSeed)?),
                Name::Jti => claims.jti = Some(map.next_value_seed(text)?),
                Name::ClientId => claims.client_id = Some(map.next_value_seed(text)?),
                Name::Scope => claims.scope = Some(map.next_value_seed(texts)?),
                // RFC 9068's `scope` counts where both are there.
                Name::Scp => {
                    let scp = map.next_value_seed(texts)?;
                    claims.scope.get_or_insert(scp);
                }
                Name::Cnf => claims.cnf = Some(map.next_value_seed(ConfirmationSeed)?),
                Name::Azp => claims.azp = Some(map.next_value_seed(text)?),
                Name::Nonce => claims.nonce = Some(map.next_value_seed(text)?),
                Name::Other => {
                    map.next_value::<WithoutDuplicates>()?;
                }
            }
        }
    }
}

/// The names that have come so far.
#[derive(Default)]
struct Seen {
    /// One bit for each of [`Name`].
    known: u16,
    others: MemberNames,
}

impl Seen {
    #[inline]
    fn insert(&mut self, name: Name, spelled: &str) -> bool {
        if let Name::Other = name {
            return self.others.insert(spelled);
        }
        let bit = 1 << name.position();
        let is_new = self.known & bit == 0;
        self.known |= bit;
        is_new
    }
}

#[derive(Clone, Copy)]
enum Name {
    Iss,
    Sub,
    Aud,
    Exp,
    Nbf,
    Iat,
    Jti,
    ClientId,
    Scope,
    Scp,
    Cnf,
    Azp,
    Nonce,
    Other,
}

impl Name {
    #[inline]
    fn parse(name: &str) -> Self {
        match name {
            "iss" => Self::Iss,
            "sub" => Self::Sub,
            "aud" => Self::Aud,
            "exp" => Self::Exp,
            "nbf" => Self::Nbf,
            "iat" => Self::Iat,
            "jti" => Self::Jti,
            "client_id" => Self::ClientId,
            "scope" => Self::Scope,
            "scp" => Self::Scp,
            "cnf" => Self::Cnf,
            "azp" => Self::Azp,
            "nonce" => Self::Nonce,
            _ => Self::Other,
        }
    }

    #[expect(
        clippy::as_conversions,
        reason = "the number of a variant without fields"
    )]
    const fn position(self) -> u8 {
        self as u8
    }

    fn claim(self) -> Option<&'static str> {
        Some(match self {
            Self::Iss => "iss",
            Self::Sub => "sub",
            Self::Aud => "aud",
            Self::Exp => "exp",
            Self::Nbf => "nbf",
            Self::Iat => "iat",
            Self::Jti => "jti",
            Self::ClientId => "client_id",
            Self::Scope => "scope",
            Self::Scp => "scp",
            Self::Cnf => "cnf",
            Self::Azp => "azp",
            Self::Nonce => "nonce",
            Self::Other => return None,
        })
    }
}

struct NameSeed<'c> {
    seen: &'c mut Seen,
    required: &'c [Box<str>],
    claims: &'c mut Claims,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = (Name, bool);

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = (Name, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claim name")
    }

    #[inline]
    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        if let Some(position) = self
            .required
            .iter()
            .position(|required| &**required == name)
        {
            self.claims.required_seen |= 1 << position;
        }
        let parsed = Name::parse(name);
        Ok((parsed, self.seen.insert(parsed, name)))
    }
}

#[derive(Clone, Copy)]
struct TextSeed {
    base: usize,
}

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Text;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    #[inline]
    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Text, E> {
        // A borrowed string is a part of the payload that is being read.
        let start = text.as_ptr().addr() - self.base;
        Ok(Text::Slice {
            start,
            end: start + text.len(),
        })
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::Owned(text.into()))
    }
}

#[derive(Clone, Copy)]
struct TextsSeed {
    base: usize,
}

impl<'de> DeserializeSeed<'de> for TextsSeed {
    type Value = Texts;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Texts, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TextsSeed {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or an array of strings")
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, text: &'de str) -> Result<Texts, E> {
        TextSeed { base: self.base }
            .visit_borrowed_str(text)
            .map(Texts::One)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Texts, E> {
        TextSeed { base: self.base }.visit_str(text).map(Texts::One)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = seq.next_element_seed(TextSeed { base: self.base })? {
            if texts.len() == VALUES_MAX {
                return Err(A::Error::invalid_length(VALUES_MAX + 1, &self));
            }
            texts.push(text);
        }
        Ok(Texts::Many(texts))
    }
}

/// A point in time in whole seconds. RFC 7519 §2 would allow fractions; nobody needs them, and
/// every reader rounds them differently.
struct SecondsSeed;

impl<'de> DeserializeSeed<'de> for SecondsSeed {
    type Value = UnixSeconds;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<UnixSeconds, D::Error> {
        deserializer.deserialize_u64(self)
    }
}

impl Visitor<'_> for SecondsSeed {
    type Value = UnixSeconds;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("whole seconds since 1970, before the year 10000")
    }

    fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<UnixSeconds, E> {
        if seconds > SECONDS_MAX {
            return Err(E::custom("too late"));
        }
        Ok(UnixSeconds(seconds))
    }
}

struct ConfirmationSeed;

impl<'de> DeserializeSeed<'de> for ConfirmationSeed {
    type Value = Confirmation;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ConfirmationSeed {
    type Value = Confirmation;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a confirmation object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Confirmation, A::Error> {
        let mut confirmation = Confirmation::default();
        let mut names = MemberNames::default();
        while let Some(name) = map.next_key::<std::borrow::Cow<'_, str>>()? {
            if !names.insert(&name) {
                return Err(A::Error::custom("duplicate member"));
            }
            match &*name {
                "jkt" => confirmation.jkt = Some(map.next_value()?),
                "x5t#S256" => confirmation.x5t_s256 = Some(map.next_value()?),
                _ => {
                    confirmation.has_unknown = true;
                    map.next_value::<WithoutDuplicates>()?;
                }
            }
        }
        Ok(confirmation)
    }
}
