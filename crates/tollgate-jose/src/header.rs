//! The protected header of a JWS: parsed strictly, owned, without heap memory.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ParseError;
use crate::json::{self, MemberNames, WithoutDuplicates};
use crate::{Algorithm, b64};

/// Longest `kid` accepted, in bytes.
pub const KID_BYTES_MAX: usize = 128;
/// Longest `typ` accepted, in bytes.
const TYPE_BYTES_MAX: usize = 63;
/// Deepest nesting of a header.
const DEPTH_MAX: usize = 8;
/// Headers up to this size are decoded on the stack; most fit the smaller room, which is quicker
/// to clear.
const STACK_BYTES: usize = 1024;
const STACK_BYTES_USUAL: usize = 256;

/// What a header says. Nobody has vouched for any of it.
///
/// `jwk`, `jku`, `x5u`, `x5c` and the rest are not even kept: a token does not choose the key that
/// it is checked with.
#[derive(Clone)]
pub struct Header {
    alg: Algorithm,
    kid: Option<Text<KID_BYTES_MAX>>,
    typ: Option<Text<TYPE_BYTES_MAX>>,
}

/// Whether the payload is expected in base64url (RFC 7515) or plain (RFC 7797).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PayloadForm {
    Encoded,
    EncodedOrPlain,
}

impl Header {
    /// `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.alg
    }

    /// `kid`: a hint, chosen by whoever made the token.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_ref().map(Text::as_str)
    }

    /// `typ` as spelled.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_ref().map(Text::as_str)
    }

    /// Whether `typ` is the given media type: ASCII case ignored, `application/` optional
    /// (RFC 7515 §4.1.9).
    #[must_use]
    pub fn is_typ(&self, expected: &str) -> bool {
        self.typ.as_ref().is_some_and(|typ| {
            // As nearly everybody spells it.
            typ.as_bytes() == expected.as_bytes() || is_same_media_type(typ.as_str(), expected)
        })
    }

    /// Decodes and judges an encoded header; the flag says whether the payload is plain.
    pub(crate) fn parse(
        encoded: &str,
        bytes_max: usize,
        form: PayloadForm,
    ) -> Result<(Self, bool), ParseError> {
        with_decoded(encoded, bytes_max, |json| {
            if !json::nests_within(json, DEPTH_MAX) {
                return Err(ParseError::Header);
            }
            // Checked as a whole, so that ignored members are valid UTF-8 too.
            let text = std::str::from_utf8(json).map_err(|_| ParseError::Header)?;
            let mut deserializer = serde_json::Deserializer::from_str(text);
            // Filled in place: moved about, it costs more than it takes to read.
            let mut members = Members::default();
            let read = MembersSeed(&mut members).deserialize(&mut deserializer);
            read.and_then(|()| deserializer.end())
                .map_err(|_| ParseError::Header)?;
            members.judge(form)
        })
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header")
            .field("alg", &self.alg)
            .field("kid", &self.kid())
            .field("typ", &self.typ())
            .finish_non_exhaustive()
    }
}

/// Compares media types as RFC 7515 §4.1.9 says.
pub(crate) fn is_same_media_type(one: &str, other: &str) -> bool {
    fn short(name: &str) -> &str {
        const PREFIX: &str = "application/";
        match name.split_at_checked(PREFIX.len()) {
            Some((head, tail)) if head.eq_ignore_ascii_case(PREFIX) && !tail.contains('/') => tail,
            _ => name,
        }
    }
    short(one).eq_ignore_ascii_case(short(other))
}

/// Decodes base64url, on the stack when it is short, and hands the bytes to `use_bytes`.
pub(crate) fn with_decoded<T>(
    encoded: &str,
    bytes_max: usize,
    use_bytes: impl FnOnce(&[u8]) -> Result<T, ParseError>,
) -> Result<T, ParseError> {
    let invalid = |_| ParseError::Base64(crate::error::Part::Header);
    let size = b64::decoded_len_max(encoded);
    if size > bytes_max.saturating_add(3) {
        return Err(ParseError::TooLarge);
    }
    if size <= STACK_BYTES_USUAL {
        let mut stack = [0; STACK_BYTES_USUAL];
        return use_bytes(b64::decode_slice(encoded, &mut stack).map_err(invalid)?);
    }
    if size <= STACK_BYTES {
        let mut stack = [0; STACK_BYTES];
        return use_bytes(b64::decode_slice(encoded, &mut stack).map_err(invalid)?);
    }
    let mut heap = Vec::with_capacity(size);
    b64::decode_vec(encoded, &mut heap).map_err(invalid)?;
    use_bytes(&heap)
}

/// A short string without heap memory.
#[derive(Clone)]
struct Text<const MAX: usize> {
    len: usize,
    bytes: [u8; MAX],
}

impl<const MAX: usize> Text<MAX> {
    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Where a text is put as it is read: moved about, it costs more than it takes to read.
struct TextSeed<'t, const MAX: usize>(&'t mut Option<Text<MAX>>);

impl<'de, const MAX: usize> DeserializeSeed<'de> for TextSeed<'_, MAX> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<const MAX: usize> Visitor<'_> for TextSeed<'_, MAX> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a string of at most {MAX} bytes")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let (len, bytes) = (text.len(), [0; MAX]);
        let own = self.0.insert(Text { len, bytes });
        match own.bytes.get_mut(..len) {
            Some(room) => room.copy_from_slice(text.as_bytes()),
            None => return Err(E::custom("too long")),
        }
        Ok(())
    }
}

/// What `alg` names, if that exists here.
struct Alg(Option<Algorithm>);

impl<'de> serde::Deserialize<'de> for Alg {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AlgVisitor;
        impl Visitor<'_> for AlgVisitor {
            type Value = Alg;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an algorithm")
            }

            fn visit_str<E>(self, name: &str) -> Result<Alg, E> {
                Ok(Alg(Algorithm::from_wire(name)))
            }
        }
        deserializer.deserialize_str(AlgVisitor)
    }
}

/// The members as they came, before judgement.
#[derive(Default)]
struct Members<'de> {
    alg: Option<Alg>,
    kid: Option<Text<KID_BYTES_MAX>>,
    typ: Option<Text<TYPE_BYTES_MAX>>,
    crit: Option<&'de RawValue>,
    b64: Option<bool>,
    has_duplicates: bool,
}

impl Members<'_> {
    fn judge(self, form: PayloadForm) -> Result<(Header, bool), ParseError> {
        if self.has_duplicates {
            return Err(ParseError::DuplicateMember);
        }
        let is_plain = self.b64 == Some(false);
        if is_plain && form == PayloadForm::Encoded {
            return Err(ParseError::UnencodedPayload);
        }
        let names_b64 = self.check_crit(form)?;
        // RFC 7797 §6: who does not know `b64` must be made to stop.
        if is_plain && !names_b64 {
            return Err(ParseError::CriticalHeader);
        }
        let Alg(alg) = self.alg.ok_or(ParseError::MissingAlgorithm)?;
        let alg = alg.ok_or(ParseError::UnsupportedAlgorithm)?;
        Ok((
            Header {
                alg,
                kid: self.kid,
                typ: self.typ,
            },
            is_plain,
        ))
    }

    /// Whether `crit` names `b64`; anything else it could name is not understood.
    fn check_crit(&self, form: PayloadForm) -> Result<bool, ParseError> {
        let Some(raw) = self.crit else {
            return Ok(false);
        };
        let names: Vec<Cow<'_, str>> =
            serde_json::from_str(raw.get()).map_err(|_| ParseError::CriticalHeader)?;
        let understood = form == PayloadForm::EncodedOrPlain && self.b64.is_some();
        match names.as_slice() {
            [name] if understood && name == "b64" => Ok(true),
            _ => Err(ParseError::CriticalHeader),
        }
    }
}

enum Name {
    Alg,
    Kid,
    Typ,
    Crit,
    B64,
    Other,
}

struct MembersSeed<'m, 'de>(&'m mut Members<'de>);

impl<'de> DeserializeSeed<'de> for MembersSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self(members) = self;
        let mut seen = Seen::default();
        while let Some((name, is_new)) = map.next_key_seed(NameSeed(&mut seen))? {
            members.has_duplicates |= !is_new;
            match name {
                Name::Alg => members.alg = Some(map.next_value()?),
                Name::Kid => map.next_value_seed(TextSeed(&mut members.kid))?,
                Name::Typ => map.next_value_seed(TextSeed(&mut members.typ))?,
                Name::Crit => members.crit = Some(map.next_value()?),
                Name::B64 => members.b64 = Some(map.next_value()?),
                Name::Other => {
                    map.next_value::<WithoutDuplicates>()?;
                }
            }
        }
        Ok(())
    }
}

/// The names that have come so far.
#[derive(Default)]
struct Seen {
    /// One bit for each that is known.
    known: u8,
    others: MemberNames,
}

impl Seen {
    /// What a name is, and whether it is new.
    fn insert(&mut self, spelled: &str) -> (Name, bool) {
        let (name, bit) = match spelled {
            "alg" => (Name::Alg, 1),
            "kid" => (Name::Kid, 2),
            "typ" => (Name::Typ, 4),
            "crit" => (Name::Crit, 8),
            "b64" => (Name::B64, 16),
            _ => return (Name::Other, self.others.insert(spelled)),
        };
        let is_new = self.known & bit == 0;
        self.known |= bit;
        (name, is_new)
    }
}

struct NameSeed<'s>(&'s mut Seen);

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = (Name, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = (Name, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.insert(name))
    }
}
