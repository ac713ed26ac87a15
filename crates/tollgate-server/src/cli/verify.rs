//! `tollgate token verify`: checks signed tokens as a resource server would, offline or with the
//! issuer's keys.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json, value::RawValue};
use tollgate_verify::{
    Claim, Error, NoClaims, Ready, TokenType, UnixSeconds, Verifier, VerifierBuilder, blocking,
    client::{AddressPolicy, Clock, DefaultHttpClient, HttpSettings, KeySource, SystemClock},
    danger::DangerousBuilder as _,
    jose::{Algorithm, JwkSet},
};

use super::{Failure, client::duration, input, output};

#[derive(Args, Debug)]
#[command(after_help = "\
One answer a token; exit 0 when every token is valid, 1 when any is not, 3 when the issuer gave no keys
to tell with.

Examples:
  curl -s https://auth.example.com/.well-known/jwks.json > jwks.json
  tollgate token verify --issuer https://auth.example.com --audience https://orders.example.com \\
      --jwks jwks.json - < token.txt
  tollgate token verify --issuer https://auth.example.com --audience orders --discover - < token.txt
  tollgate token verify --issuer https://auth.example.com --audience orders --jwks jwks.json \\
      --now 2026-01-31T12:00:00Z --json - < tokens.txt")]
pub(crate) struct Arguments {
    /// The issuer that the tokens must name
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The audience that they must name
    #[arg(long, value_name = "URI")]
    audience: String,
    /// The JWK Set with the issuer's public keys
    #[arg(long, value_name = "FILE", required_unless_present = "discover")]
    jwks: Option<PathBuf>,
    /// Ask the issuer for its keys, by its metadata
    #[arg(long, conflicts_with = "jwks")]
    discover: bool,
    /// An algorithm that is accepted; may be repeated [default: every asymmetric one]
    #[arg(long = "alg", value_name = "ALG")]
    algorithms: Vec<Algorithm>,
    /// How far clocks may differ, at most 5m
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "0s")]
    leeway: Duration,
    /// The time to check at, such as 2026-01-31T12:00:00Z [default: now]
    #[arg(long, value_name = "RFC3339", value_parser = instant)]
    now: Option<UnixSeconds>,
    /// The `typ` that is accepted: any, access (at+jwt, JWT or none), or the very type
    #[arg(long, value_name = "TYPE", default_value = "any")]
    typ: String,
    /// A claim that may be missing; may be repeated
    #[arg(long = "optional", value_name = "CLAIM", value_enum)]
    optional: Vec<OptionalClaim>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// The token; `-` reads one a line from stdin
    #[arg(value_name = "TOKEN|-")]
    token: String,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum OptionalClaim {
    Iss,
    Aud,
    Exp,
    Iat,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let verifier = arguments.verifier()?.blocking();
    let (mut any, mut all_valid, mut without_keys) = (false, true, None);
    let mut one = |token: &str| {
        any = true;
        let (is_valid, answer) = match verifier.verify(token) {
            Ok(verified) => (true, arguments.accepted(verified.claims_json())?),
            Err(error) => {
                let detail = detail(&verifier, &error);
                if error == Error::KeysUnavailable {
                    without_keys = Some(detail.clone());
                }
                (false, arguments.refused(error.code(), &detail))
            }
        };
        all_valid &= is_valid;
        output::enough(output::line(&answer))
    };
    match arguments.token.as_str() {
        "-" => input::each_raw_line(io::stdin().lock(), one)?,
        token => one(token)?,
    }
    match without_keys {
        Some(why) => Err(Failure::Unreachable(output::printable(&why))),
        // A pipe that broke before must not pass for tokens that are valid.
        None if !any => Err(Failure::refused("no token on stdin")),
        None if all_valid => Ok(()),
        None => Err(Failure::Answered),
    }
}

impl Arguments {
    fn verifier(&self) -> Result<Verifier, Failure> {
        let builder = Verifier::builder()
            .issuer(&self.issuer)
            .audience(&self.audience);
        let mut builder: VerifierBuilder<Ready, NoClaims> = match &self.jwks {
            Some(path) => builder.jwk_set(&jwk_set(path)?),
            None => builder.key_source(&self.discovery()?),
        };
        builder = builder
            .clock(Arc::new(FixedClock::at(self.now)))
            .leeway(self.leeway)
            .token_type(match self.typ.as_str() {
                "any" => TokenType::Any,
                "access" => TokenType::AccessToken,
                "at+jwt" => TokenType::StrictAccessToken,
                exactly => TokenType::Exactly(exactly.into()),
            });
        if !self.algorithms.is_empty() {
            builder = builder.algorithms(self.algorithms.iter().copied());
        }
        for claim in &self.optional {
            builder = builder.tolerate_missing(match claim {
                OptionalClaim::Iss => Claim::Issuer,
                OptionalClaim::Aud => Claim::Audience,
                OptionalClaim::Exp => Claim::ExpiresAt,
                OptionalClaim::Iat => Claim::IssuedAt,
            });
        }
        builder
            .build()
            .map_err(|error| Failure::Usage(error.to_string()))
    }

    /// The keys that the issuer's metadata points to. Whoever runs the command names the issuer, so
    /// it may stand in a private network.
    fn discovery(&self) -> Result<KeySource, Failure> {
        let mut settings = HttpSettings::default();
        settings.addresses = AddressPolicy::PublicAndPrivate;
        let client = DefaultHttpClient::new(settings);
        let client = client.context("failed to start an HTTP client")?;
        Ok(KeySource::discovery(&self.issuer)
            .http(Arc::new(client))
            .build())
    }

    /// The claims go out as they came in: numbers keep their digits, members their order.
    fn accepted(&self, claims: &str) -> Result<String, Failure> {
        let raw: &RawValue = serde_json::from_str(claims).context("failed to print the claims")?;
        if self.json {
            // Line ends can only stand between members: within a string they are escaped.
            let claims = output::escaped(&raw.get().replace(['\n', '\r'], " "));
            return Ok(format!("{{\"valid\":true,\"claims\":{claims}}}"));
        }
        let claims: Value = serde_json::from_str(claims).unwrap_or_default();
        let shown = ["sub", "client_id", "scope", "aud", "exp"]
            .iter()
            .filter_map(|name| {
                let text = output::text(name, &claims[*name]);
                (!text.is_empty()).then(|| format!(" {name}={text:?}"))
            });
        Ok(format!("valid{}", shown.collect::<String>()))
    }

    fn refused(&self, code: &str, detail: &str) -> String {
        if self.json {
            let refused = json!({"valid": false, "error": code, "detail": detail});
            return output::escaped(&refused.to_string());
        }
        format!("invalid: {code}: {}", output::printable(detail))
    }
}

/// The cause, and behind missing keys what the issuer did.
fn detail(verifier: &blocking::Verifier, error: &Error) -> String {
    let sources = verifier.stats().sources.into_iter();
    match (error, sources.filter_map(|s| s.last_failure).next()) {
        (Error::KeysUnavailable, Some(failure)) => format!("{error}: {failure}"),
        _ => error.to_string(),
    }
}

/// A time of RFC 3339; in UTC where it says nothing else.
fn instant(text: &str) -> Result<UnixSeconds, String> {
    let text = text.to_ascii_uppercase();
    let (local, ahead) = match text
        .len()
        .checked_sub(6)
        .map(|at| text.split_at_checked(at))
    {
        Some(Some((local, offset))) if local.contains([':']) => {
            offset_seconds(offset).map_or((&*text, 0), |ahead| (local, ahead))
        }
        _ => (&*text, 0),
    };
    let time = humantime::parse_rfc3339_weak(local).map_err(|error| error.to_string())?;
    let time = seconds(time).and_then(|time| time.0.checked_add_signed(-ahead));
    time.map(UnixSeconds)
        .ok_or_else(|| "before 1970".to_owned())
}

/// How far the clocks at `offset`, such as `+05:30`, are ahead of UTC.
fn offset_seconds(offset: &str) -> Option<i64> {
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let number = |digits: &str, end: i64| {
        let number = digits.parse::<u8>().ok().map(i64::from);
        number.filter(|number| digits.len() == 2 && *number < end)
    };
    let ahead = number(hours, 24)? * 3600 + number(minutes, 60)? * 60;
    match offset.as_bytes().first()? {
        b'+' => Some(ahead),
        b'-' => Some(-ahead),
        _ => None,
    }
}

fn jwk_set(path: &Path) -> Result<JwkSet, Failure> {
    let name = path.display();
    let text = input::key_set(path)?;
    Ok(JwkSet::from_slice(&text).with_context(|| format!("{name} is no JWK Set"))?)
}

/// The system's clock, but for the time that `--now` fixes.
struct FixedClock {
    now: Option<UnixSeconds>,
    system: SystemClock,
}

impl FixedClock {
    fn at(now: Option<UnixSeconds>) -> Self {
        Self {
            now,
            system: SystemClock::default(),
        }
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        self.now.unwrap_or_else(|| self.system.now())
    }

    fn elapsed(&self) -> Duration {
        self.system.elapsed()
    }
}

fn seconds(time: SystemTime) -> Option<UnixSeconds> {
    Some(UnixSeconds(
        time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_rfc_3339_writes_them() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(instant(text).ok(), expected.map(UnixSeconds), "{text}");
        };
        let noon = Some(1_800_014_400);
        for text in [
            "2027-01-15T12:00:00Z",
            "2027-01-15t12:00:00z",
            "2027-01-15 12:00:00",
            "2027-01-15T12:00:00.25Z",
            "2027-01-15T12:00:00+00:00",
            "2027-01-15T12:00:00-00:00",
            "2027-01-15T17:30:00+05:30",
            "2027-01-15T04:00:00-08:00",
            "2027-01-15T12:00:00.5+00:00",
        ] {
            check(text, noon);
        }
        for text in [
            "",
            "soon",
            "12:00:00",
            "2027-01-15T12:00:00+24:00",
            "2027-01-15T12:00:00+05:60",
            "2027-01-15T12:00:00+0530",
            "2027-01-15T12:00:00 05:30",
            "1970-01-01T00:00:00+01:00",
        ] {
            check(text, None);
        }
    }
}
