//! Comparing the URLs of requests (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3).

/// A URL without query and fragment, in the form in which equal ones are equal text; `None` when
/// it is not http or https.
pub(crate) fn normalized(url: &str) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, rest) = url.get(..end)?.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let authority = authority.to_ascii_lowercase();
    let authority = authority.strip_suffix(default_port).unwrap_or(&authority);
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let path = if path.is_empty() { "/" } else { path };
    Some(format!(
        "{scheme}://{authority}{}",
        normalized_escapes(path)?
    ))
}

/// Escapes of letters, digits and `-._~` undone, the others in capitals.
fn normalized_escapes(path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut parts = path.split('%');
    out.push_str(parts.next()?);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&digits.to_ascii_uppercase());
        }
        out.push_str(rest);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_urls_are_equal_text() {
        let check = |one: &str, other: &str, expected: bool| {
            let outcome = (normalized(one), normalized(other));
            let is_equal = outcome.0.is_some() && outcome.0 == outcome.1;
            assert_eq!(is_equal, expected, "{one} {other}");
        };
        check("https://rs.example/a", "https://rs.example/a", true);
        check(
            "HTTPS://RS.example:443/a?x=1#y",
            "https://rs.example/a",
            true,
        );
        check("http://rs.example:80", "http://rs.example/", true);
        check(
            "https://rs.example/%7ea%2f",
            "https://rs.example/~a%2F",
            true,
        );
        check("https://rs.example/a", "https://rs.example/A", false);
        check("https://rs.example/a/", "https://rs.example/a", false);
        check("http://rs.example/a", "https://rs.example/a", false);
        check("https://rs.example:8443/", "https://rs.example/", false);
        check("https://rs.example:80/", "https://rs.example/", false);
        check("https://rs.example/a%2Fb", "https://rs.example/a/b", false);
        check(
            "https://user@rs.example/",
            "https://user@rs.example/",
            false,
        );
        check("https://rs.example/%zz", "https://rs.example/%zz", false);
        check("https://rs.example/%+1", "https://rs.example/%+1", false);
        check("/a", "/a", false);
        check("https://", "https://", false);
        check("ftp://rs.example/", "ftp://rs.example/", false);
    }
}
