//! One HTTP/1.1 response out of a buffer. Knows `Content-Length` only: the servers under test send
//! no chunked answer to these requests, and one that did would be a finding.

/// Headers of an answer that are looked at.
const HEADERS_MAX: usize = 48;

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
    /// Bytes of the buffer that the answer takes.
    pub(crate) length: usize,
}

/// Why bytes are no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The answer at the start of `buffer`; `None` when more bytes are needed.
///
/// # Errors
/// When the bytes can never become an answer.
pub(crate) fn parse(buffer: &[u8]) -> Result<Option<Response<'_>>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let head_length = match head.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed),
    };
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| {
            std::str::from_utf8(header.value)
                .ok()?
                .parse::<usize>()
                .ok()
        })
        .ok_or(Malformed)?;
    let end = head_length.checked_add(length).ok_or(Malformed)?;
    let status = head.code.ok_or(Malformed)?;
    Ok(buffer.get(head_length..end).map(|body| Response {
        status,
        body,
        length: end,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read() {
        let check = |text: &str, expected: Result<Option<(u16, &str)>, Malformed>| {
            let found = parse(text.as_bytes());
            let found = found.map(|response| {
                response.map(|r| (r.status, std::str::from_utf8(r.body).expect("text")))
            });
            assert_eq!(found, expected, "{text:?}");
        };
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            Ok(Some((200, "ok"))),
        );
        check(
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP",
            Ok(Some((200, "ok"))),
        );
        check(
            "HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n",
            Ok(Some((503, ""))),
        );
        check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", Ok(None));
        check("HTTP/1.1 200 OK\r\ncontent-le", Ok(None));
        check("", Ok(None));
        check(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0",
            Err(Malformed),
        );
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
            Err(Malformed),
        );
        check("SSH-2.0-x\r\n\r\n", Err(Malformed));
    }
}
