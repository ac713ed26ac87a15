//! The strictness that JSON parsers leave out: duplicate members and nesting depth.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// Most members that an object read strictly may have.
pub const MEMBERS_MAX: usize = 64;
const MEMBERS_INLINE: usize = 16;

/// The member names seen so far in one object.
///
/// Two parsers that read the same object may disagree about which of two equal names counts, so
/// such an object is refused (RFC 8725 §2.4). Names are kept as hashes: two that collide are taken
/// for duplicates, which errs on the side of refusing.
#[derive(Debug, Clone, Default)]
pub struct MemberNames {
    /// The first few, without heap memory: few objects have more.
    first: [u64; MEMBERS_INLINE],
    rest: BTreeSet<u64>,
    len: usize,
}

impl MemberNames {
    /// Records a name; `false` when it was there already or the object has too many members.
    #[must_use]
    pub fn insert(&mut self, name: &str) -> bool {
        self.len < MEMBERS_MAX && self.is_new(name)
    }

    fn is_new(&mut self, name: &str) -> bool {
        let hash = fnv1a(name.as_bytes());
        let mut first = self.first.iter().take(self.len);
        if first.any(|&other| other == hash) {
            return false;
        }
        let is_new = match self.first.get_mut(self.len) {
            Some(free) => {
                *free = hash;
                true
            }
            None => self.rest.insert(hash),
        };
        self.len += usize::from(is_new);
        is_new
    }
}

/// Any value, read past, as long as no object in it has a member twice.
///
/// How many members there may be and how deep they nest is for the reader to bound by the size of
/// the text and [`nests_within`].
#[derive(Debug, Clone, Copy)]
pub struct WithoutDuplicates;

impl<'de> Deserialize<'de> for WithoutDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PastAnything)
    }
}

struct PastAnything;

impl<'de> Visitor<'de> for PastAnything {
    type Value = WithoutDuplicates;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without duplicate members")
    }

    fn visit_bool<E>(self, _: bool) -> Result<WithoutDuplicates, E> {
        Ok(WithoutDuplicates)
    }

    fn visit_i64<E>(self, _: i64) -> Result<WithoutDuplicates, E> {
        Ok(WithoutDuplicates)
    }

    fn visit_u64<E>(self, _: u64) -> Result<WithoutDuplicates, E> {
        Ok(WithoutDuplicates)
    }

    fn visit_f64<E>(self, _: f64) -> Result<WithoutDuplicates, E> {
        Ok(WithoutDuplicates)
    }

    fn visit_str<E>(self, _: &str) -> Result<WithoutDuplicates, E> {
        Ok(WithoutDuplicates)
    }

    fn visit_unit<E>(self) -> Result<WithoutDuplicates, E> {
        Ok(WithoutDuplicates)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<WithoutDuplicates, A::Error> {
        while seq.next_element::<WithoutDuplicates>()?.is_some() {}
        Ok(WithoutDuplicates)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<WithoutDuplicates, A::Error> {
        let mut names = MemberNames::default();
        while let Some(Name(is_new)) = map.next_key_seed(NameSeed(&mut names))? {
            if !is_new {
                return Err(A::Error::custom("duplicate member"));
            }
            map.next_value::<WithoutDuplicates>()?;
        }
        Ok(WithoutDuplicates)
    }
}

/// Whether a member's name is new to its object.
struct Name(bool);

struct NameSeed<'n>(&'n mut MemberNames);

impl<'de> serde::de::DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Name, E> {
        Ok(Name(self.0.is_new(name)))
    }
}

/// Whether `json` nests objects and arrays at most `depth_max` deep.
///
/// It need not be valid JSON; the depth is exact for valid JSON.
#[must_use]
pub fn nests_within(json: &[u8], depth_max: usize) -> bool {
    // Too few brackets to be deep: the usual case, decided without looking at strings, and in
    // chunks whose count fits a byte, which compiles to vector instructions.
    let is_opening = |&byte: &u8| u8::from(byte == b'{' || byte == b'[');
    let openings: usize = json
        .chunks(255)
        .map(|chunk| usize::from(chunk.iter().map(is_opening).sum::<u8>()))
        .sum();
    openings <= depth_max || deepest(json) <= depth_max
}

fn deepest(json: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for &byte in json {
        if in_string {
            in_string = escaped || byte != b'"';
            escaped = byte == b'\\' && !escaped;
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// FNV-1a, 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_duplicates_and_bounds_members() {
        let mut names = MemberNames::default();
        assert!(names.insert("iss"));
        assert!(names.insert("aud"));
        assert!(!names.insert("iss"));
        let mut names = MemberNames::default();
        assert!((0..MEMBERS_MAX).all(|i| names.insert(&i.to_string())));
        assert!(!names.insert("one too many"));
    }

    #[test]
    fn finds_duplicates_at_any_depth() {
        let check = |json: &str, expected: bool| {
            let outcome = serde_json::from_str::<WithoutDuplicates>(json);
            assert_eq!(outcome.is_ok(), expected, "{json}");
        };
        check(
            r#"{"a":[1,-1,1.5,"\n",true,null,{}],"b":{"a":1},"c":[{"a":1},{"a":1}]}"#,
            true,
        );
        check(r#"{"a":1,"a":1}"#, false);
        check(r#"[{"a":{"b":1,"c":2,"b":1}}]"#, false);
        check(r#"{"a":{"b":1,"\u0062":1}}"#, false);
        check(r#"{"a":}"#, false);
        let members: Vec<String> = (0..1000).map(|i| format!("\"{i}\":0")).collect();
        check(&format!("{{{}}}", members.join(",")), true);
        check(&format!("{{{},\"999\":0}}", members.join(",")), false);
    }

    #[test]
    fn measures_depth_outside_strings() {
        let check = |json: &str, depth: usize| {
            assert!(nests_within(json.as_bytes(), depth), "{json}");
            assert!(
                depth == 0 || !nests_within(json.as_bytes(), depth - 1),
                "{json}"
            );
        };
        check("1", 0);
        check(r#"{"a":[1,{"b":2}],"c":{}}"#, 3);
        check(r#"{"[[[[":"{{{\"{{\\"}"#, 1);
        check(r#"["\\",[]]"#, 2);
        check(&"[".repeat(10_000), 10_000);
    }
}
