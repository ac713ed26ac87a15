//! From when until when a certificate is valid (RFC 5280 §4.1.2.5), read from its DER. Meant for
//! the server's own certificates; judges nobody else's.

use std::time::Duration;

use rustls::pki_types::UnixTime;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// Both ends belong to it; seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    not_before: u64,
    not_after: u64,
}

impl Validity {
    pub(super) fn holds_at(self, now: UnixTime) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }
}

/// `None` if this is no certificate, or its times are none that RFC 5280 allows.
pub(super) fn validity(certificate: &[u8]) -> Option<Validity> {
    let mut certificate = Der(certificate).element(SEQUENCE)?;
    let mut signed = certificate.element(SEQUENCE)?;
    signed.element(VERSION);
    signed.element(INTEGER)?;
    let _algorithm = signed.element(SEQUENCE)?;
    let _issuer = signed.element(SEQUENCE)?;
    let mut validity = signed.element(SEQUENCE)?;
    Some(Validity {
        not_before: validity.time()?,
        not_after: validity.time()?,
    })
}

/// What is left of an element's content.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Takes the next element if it is of this kind.
    fn element(&mut self, tag: u8) -> Option<Der<'a>> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The lengths of lengths that a certificate can have.
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits
                    .iter()
                    .fold(0, |length, &digit| length << 8 | usize::from(digit));
                (length, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Der(content))
    }

    fn time(&mut self) -> Option<u64> {
        if let Some(Der(time)) = self.element(UTC_TIME) {
            let (year, rest) = time.split_at_checked(2)?;
            let year = number(year)?;
            return seconds(year + if year < 50 { 2000 } else { 1900 }, rest);
        }
        let Der(time) = self.element(GENERALIZED_TIME)?;
        let (year, rest) = time.split_at_checked(4)?;
        seconds(number(year)?, rest)
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|&digit| digit < 10)?;
        Some(number * 10 + u64::from(digit))
    })
}

/// Since 1970, for a year and what follows it: month, day, hour, minute, second, `Z`.
fn seconds(year: u64, rest: &[u8]) -> Option<u64> {
    let digits = rest
        .strip_suffix(b"Z")
        .filter(|digits| digits.len() == 10)?;
    let mut pairs = digits.chunks_exact(2).map(number);
    let mut next = || pairs.next().flatten();
    let (month, day) = (next()?, next()?);
    let (hour, minute, second) = (next()?, next()?, next()?);
    let days = days(year, month, day)?;
    let time = Duration::from_secs((hour * 60 + minute) * 60 + second);
    let sane = hour < 24 && minute < 60 && second <= 60;
    sane.then(|| days * 86_400 + time.as_secs())
}

/// Days from 1970 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March end with the odd day.
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month + 9),
        _ => (year, month - 3),
    };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let of_months = (month * 153 + 2) / 5;
    const DAYS_TO_1970: u64 = 719_468;
    (of_years + of_months + day - 1).checked_sub(DAYS_TO_1970)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let check = |tag: u8, time: &str, expected: Option<u64>| {
            let length = u8::try_from(time.len()).unwrap();
            let der = [&[tag, length], time.as_bytes()].concat();
            assert_eq!(Der(&der).time(), expected, "{time}");
        };
        check(UTC_TIME, "700101000000Z", Some(0));
        check(UTC_TIME, "000229235959Z", Some(951_868_799));
        check(UTC_TIME, "261121120000Z", Some(1_795_262_400));
        check(UTC_TIME, "491231235959Z", Some(2_524_607_999));
        check(GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000));
        check(GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799));
        check(UTC_TIME, "500101000000Z", None);
        check(UTC_TIME, "261121120000", None);
        check(UTC_TIME, "261121120000+0100", None);
        check(UTC_TIME, "261321120000Z", None);
        check(UTC_TIME, "261100120000Z", None);
        check(UTC_TIME, "261121240000Z", None);
        check(UTC_TIME, "2611211200Z", None);
        check(UTC_TIME, "26112a120000Z", None);
        check(UTC_TIME, "", None);
        check(SEQUENCE, "261121120000Z", None);
    }

    #[test]
    fn certificates_tell() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2020, 3, 1);
        parameters.not_after = rcgen::date_time_ymd(2051, 2, 28);
        let certificate = parameters.self_signed(&key).unwrap();
        let der = certificate.der();
        let told = validity(der).unwrap();
        assert_eq!(
            (told.not_before, told.not_after),
            (1_583_020_800, 2_561_155_200)
        );
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        assert!(told.holds_at(at(1_583_020_800)) && told.holds_at(at(2_561_155_200)));
        assert!(!told.holds_at(at(1_583_020_799)) && !told.holds_at(at(2_561_155_201)));
        for length in 0..der.len() {
            assert_eq!(validity(&der[..length]), None);
        }
        assert_eq!(validity(b"junk"), None);
    }
}
