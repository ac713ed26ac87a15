//! One server-sent event as it stands on the wire, and the id that a client comes back with
//! (HTML living standard, § 9.2).

use std::fmt::Write;
use std::time::Duration;

use http::HeaderMap;
use http::header::HeaderName;

static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The longest id; a client sends it back in a header with each reconnection.
const ID_BYTES_MAX: usize = 256;

/// An event, kept in the form in which it is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event(String);

/// A field cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EventFieldError {
    /// A line break would begin another field, and a NUL would make clients ignore this one.
    #[error("the field `{0}` holds a line break or a NUL")]
    ControlCharacter(&'static str),
    /// The id is longer than 256 bytes.
    #[error("the event's id is longer than {ID_BYTES_MAX} bytes")]
    IdTooLong,
}

impl Event {
    /// An event with nothing in it; clients ignore one without data, but for its id and retry time.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An event of this text, of any number of lines.
    #[must_use]
    pub fn data(text: &str) -> Self {
        let mut event = Self(String::with_capacity(text.len() + 32));
        for line in lines(text) {
            event.field("data", line);
        }
        event
    }

    /// An event of this value in JSON.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn json(value: &impl serde::Serialize) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self::data(&text))
    }

    /// The position in the stream that a client names when it [comes back](LastEventId).
    ///
    /// # Errors
    /// See [`EventFieldError`].
    pub fn id(mut self, id: &str) -> Result<Self, EventFieldError> {
        if id.len() > ID_BYTES_MAX {
            return Err(EventFieldError::IdTooLong);
        }
        self.field("id", one_line("id", id)?);
        Ok(self)
    }

    /// The kind of event, `message` unless named.
    ///
    /// # Errors
    /// See [`EventFieldError`].
    pub fn name(mut self, name: &str) -> Result<Self, EventFieldError> {
        self.field("event", one_line("event", name)?);
        Ok(self)
    }

    /// How long a client that lost the connection waits before it comes back.
    #[must_use]
    pub fn retry(mut self, wait: Duration) -> Self {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "retry: {}", wait.as_millis());
        self
    }

    /// A remark that clients ignore.
    #[must_use]
    pub fn comment(mut self, text: &str) -> Self {
        for line in lines(text) {
            self.field("", line);
        }
        self
    }

    fn field(&mut self, name: &str, value: &str) {
        for part in [name, ": ", value, "\n"] {
            self.0.push_str(part);
        }
    }

    /// The event with the empty line that ends it.
    pub(super) fn into_wire(mut self) -> String {
        self.0.push('\n');
        self.0
    }
}

/// The lines of a text, broken as clients break them: at CR LF, LF or CR.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n')
        .flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

fn one_line<'t>(field: &'static str, text: &'t str) -> Result<&'t str, EventFieldError> {
    match text.contains(['\n', '\r', '\0']) {
        true => Err(EventFieldError::ControlCharacter(field)),
        false => Ok(text),
    }
}

/// The id of the last event that a client has seen, in its `Last-Event-ID` header.
///
/// # Security
/// It is the client's word: look it up, don't believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEventId(String);

impl LastEventId {
    /// What the client says; `None` if it says nothing, an empty id, or one that was never given.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(&LAST_EVENT_ID)?.as_bytes();
        let id = std::str::from_utf8(value).ok()?;
        ((1..=ID_BYTES_MAX).contains(&id.len())).then(|| Self(id.to_owned()))
    }

    /// The id as the client wrote it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_stand_as_clients_read_them() {
        let check = |event: Event, expected: &str| assert_eq!(event.into_wire(), expected);
        check(Event::data("a"), "data: a\n\n");
        check(Event::data(""), "data: \n\n");
        check(
            Event::data("a\nb\r\nc\rd"),
            "data: a\ndata: b\ndata: c\ndata: d\n\n",
        );
        check(Event::data("a\n"), "data: a\ndata: \n\n");
        check(Event::data("id: 7"), "data: id: 7\n\n");
        check(Event::data("x").id("7").unwrap(), "data: x\nid: 7\n\n");
        check(
            Event::data("x").name("tick").unwrap(),
            "data: x\nevent: tick\n\n",
        );
        check(
            Event::new().retry(Duration::from_secs(3)),
            "retry: 3000\n\n",
        );
        check(Event::new().comment("a\nb"), ": a\n: b\n\n");
        check(Event::json(&["ä"]).unwrap(), "data: [\"ä\"]\n\n");
    }

    #[test]
    fn fields_that_would_break_the_stream_are_refused() {
        for bad in ["a\nb", "a\rb", "a\0b", "\n"] {
            let refused = EventFieldError::ControlCharacter;
            assert_eq!(Event::new().id(bad), Err(refused("id")));
            assert_eq!(Event::new().name(bad), Err(refused("event")));
        }
        let long = "x".repeat(ID_BYTES_MAX + 1);
        assert_eq!(Event::new().id(&long), Err(EventFieldError::IdTooLong));
        assert!(Event::new().id(&long[1..]).is_ok());
    }

    #[test]
    fn the_last_id_is_read_as_it_was_given() {
        let check = |value: &[u8], expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(&LAST_EVENT_ID, value.try_into().unwrap());
            let id = LastEventId::from_headers(&headers);
            assert_eq!(id.as_ref().map(LastEventId::as_str), expected);
        };
        check(b"7", Some("7"));
        check("ä/1".as_bytes(), Some("ä/1"));
        check(b"", None);
        check(b"\xff", None);
        check(&[b'x'; ID_BYTES_MAX], Some(&"x".repeat(ID_BYTES_MAX)));
        check(&[b'x'; ID_BYTES_MAX + 1], None);
        assert_eq!(LastEventId::from_headers(&HeaderMap::new()), None);
    }
}
