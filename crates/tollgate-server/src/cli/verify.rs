//! `tollgate token verify`: checks signed tokens offline, as a resource server would.

use std::{
    io,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::{Value, json, value::RawValue};
use tollgate_verify::{
    Claim, NoClaims, Ready, TokenType, UnixSeconds, Verifier, VerifierBuilder,
    danger::DangerousBuilder as _,
    jose::{Algorithm, JwkSet},
};

use super::{Failure, client::duration, input, output};

#[derive(Args, Debug)]
#[command(after_help = "\
One answer a token; exit 0 when every token is valid, 1 when any is not.

Examples:
  curl -s https://auth.example.com/.well-known/jwks.json > jwks.json
  tollgate token verify --issuer https://auth.example.com --audience https://orders.example.com \\
      --jwks jwks.json - < token.txt
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
    #[arg(long, value_name = "FILE")]
    jwks: PathBuf,
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
    let verifier = arguments.verifier()?;
    let mut all_valid = true;
    let mut one = |token: &str| {
        let now = arguments.now.map_or_else(wall_clock, Ok)?;
        let (is_valid, answer) = match verifier.verify_at(token, now) {
            Ok(verified) => (true, arguments.accepted(verified.claims_json())?),
            Err(error) => (false, arguments.refused(error.code(), &error.to_string())),
        };
        all_valid &= is_valid;
        Ok(output::line(&answer)?)
    };
    match arguments.token.as_str() {
        "-" => input::each_raw_line(io::stdin().lock(), one)?,
        token => one(token)?,
    }
    if all_valid {
        Ok(())
    } else {
        Err(Failure::Answered)
    }
}

impl Arguments {
    fn verifier(&self) -> Result<Verifier, Failure> {
        let name = self.jwks.display();
        let text = std::fs::read(&self.jwks).with_context(|| format!("failed to read {name}"))?;
        let set = JwkSet::from_slice(&text).with_context(|| format!("{name} is no JWK Set"))?;
        let builder = Verifier::builder()
            .issuer(&self.issuer)
            .audience(&self.audience);
        let mut builder: VerifierBuilder<Ready, NoClaims> = builder.jwk_set(&set);
        builder = builder
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

    /// The claims go out as they came in: numbers keep their digits, members their order.
    fn accepted(&self, claims: &str) -> Result<String, Failure> {
        let raw: &RawValue = serde_json::from_str(claims).context("failed to print the claims")?;
        if self.json {
            return Ok(format!("{{\"valid\":true,\"claims\":{raw}}}"));
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
            return json!({"valid": false, "error": code, "detail": detail}).to_string();
        }
        format!("invalid: {code}: {detail}")
    }
}

fn instant(text: &str) -> Result<UnixSeconds, String> {
    let time = humantime::parse_rfc3339_weak(text).map_err(|error| error.to_string())?;
    seconds(time).ok_or_else(|| "before 1970".to_owned())
}

fn wall_clock() -> Result<UnixSeconds, Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the command line is where the clock is read"
    )]
    let now = SystemTime::now();
    seconds(now).ok_or_else(|| Failure::refused("the clock of this machine stands before 1970"))
}

fn seconds(time: SystemTime) -> Option<UnixSeconds> {
    Some(UnixSeconds(
        time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs(),
    ))
}
