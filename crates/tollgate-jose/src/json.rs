//! The strictness that JSON parsers leave out: duplicate members and nesting depth.

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
    rest: Vec<u64>,
    len: usize,
}

impl MemberNames {
    /// Records a name; `false` when it was there already or the object has too many members.
    #[must_use]
    pub fn insert(&mut self, name: &str) -> bool {
        let hash = fnv1a(name.as_bytes());
        let mut seen = self.first.iter().take(self.len).chain(&self.rest);
        if self.len == MEMBERS_MAX || seen.any(|&other| other == hash) {
            return false;
        }
        match self.first.get_mut(self.len) {
            Some(free) => *free = hash,
            None => self.rest.push(hash),
        }
        self.len += 1;
        true
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
