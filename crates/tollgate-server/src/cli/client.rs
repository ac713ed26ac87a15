//! `tollgate client`: the clients of a running server.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Failure,
    admin_api::{AdminApi, encode},
    discovery::Asking,
    input, output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Register a client; its secret is shown once
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Box<Create>),
    /// List every client
    List(Asking),
    /// Show one client
    Show(Named),
    /// Give a client a new secret; it is shown once
    #[command(after_help = "Example:\n  tollgate client rotate-secret shop --keep-old 24h")]
    RotateSecret(RotateSecret),
    /// Refuse a client and kill its tokens
    Disable(Named),
    /// Let a disabled client in again; its old tokens stay dead
    Enable(Named),
    /// Delete a client and kill its tokens
    Delete(Named),
}

const CREATE_EXAMPLES: &str = "\
Examples:
  tollgate client create --id shop --scope \"orders:read orders:write\" --audience https://orders.example.com
  tollgate client create --id orders --serves https://orders.example.com --json
  tollgate client create --id legacy --secret-stdin < secret.txt
  tollgate client create --id signer --jwks public-keys.json --token-format opaque --access-ttl 10m";

#[derive(Args, Debug)]
pub(crate) struct Create {
    /// The client's id: 1 to 128 visible ASCII characters
    #[arg(long)]
    id: String,
    /// What people call it
    #[arg(long)]
    name: Option<String>,
    /// A grant that it may use; may be repeated [default: client_credentials]
    #[arg(long = "grant", value_name = "GRANT")]
    grants: Vec<String>,
    /// The scopes that it may ask for, separated by spaces
    #[arg(long)]
    scope: Option<String>,
    /// A resource that it may ask tokens for; may be repeated
    #[arg(long = "audience", value_name = "URI")]
    audiences: Vec<String>,
    /// A resource that it is: it sees tokens that name it; may be repeated
    #[arg(long = "serves", value_name = "URI")]
    serves: Vec<String>,
    /// The format of its access tokens [default: the server's]
    #[arg(long, value_name = "FORMAT", value_parser = ["jwt", "opaque"])]
    token_format: Option<String>,
    /// The life time of its access tokens, such as 1h [default: the server's]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    access_ttl: Option<Duration>,
    /// The algorithm of its JWTs, such as ES256 [default: the server's]
    #[arg(long, value_name = "ALG")]
    signing_alg: Option<String>,
    /// A JWK Set with its public keys, for private_key_jwt; no secret is made
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Read its secret, of 22 characters or more, from stdin instead of making one
    #[arg(long)]
    secret_stdin: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The client's id
    id: String,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Args, Debug)]
pub(crate) struct RotateSecret {
    #[command(flatten)]
    named: Named,
    /// How long the old secret still counts, such as 24h [default: not at all]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    keep_old: Option<Duration>,
    /// Read the new secret, of 22 characters or more, from stdin instead of making one
    #[arg(long)]
    secret_stdin: bool,
}

/// Reads a duration with its unit.
pub(super) fn duration(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text)
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Create(create) => self::create(*create),
        Command::List(asking) => output::enough(list(&asking)),
        Command::Show(named) => {
            let client = named.asking.server.connect()?.get(&path(&named.id))?;
            output::enough(named.asking.print(&client))
        }
        Command::RotateSecret(rotate) => rotate_secret(&rotate),
        Command::Disable(named) => set_enabled(&named, &json!({"enabled": false})),
        Command::Enable(named) => set_enabled(&named, &json!({"enabled": true})),
        Command::Delete(named) => {
            named.asking.server.connect()?.delete(&path(&named.id))?;
            match named.asking.json {
                true => output::json(&json!({"client_id": named.id, "deleted": true})),
                false => {
                    output::remark(&format!(
                        "client {} is deleted, its tokens are dead",
                        named.id
                    ));
                    Ok(())
                }
            }
        }
    }
}

fn create(create: Create) -> Result<(), Failure> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            body.insert(name.to_owned(), value);
        }
    };
    set("client_id", create.id.into());
    set("name", create.name.into());
    set("grants", create.grants.into());
    set("scope", create.scope.into());
    set("audiences", create.audiences.into());
    set("serves", create.serves.into());
    set("token_format", create.token_format.into());
    set("access_ttl", create.access_ttl.map(text).into());
    set("signing_alg", create.signing_alg.into());
    if let Some(path) = &create.jwks {
        set("jwks", input::json_file(path)?);
    }
    if create.secret_stdin {
        set("client_secret", input::secret_from_stdin()?.as_str().into());
    }
    let api = create.asking.server.connect()?;
    let client = api.post("/admin/clients", &body.into())?;
    create.asking.print(&client)?;
    remark_secret(&client);
    Ok(())
}

fn list(asking: &Asking) -> Result<(), Failure> {
    let api: AdminApi = asking.server.connect()?;
    if asking.json {
        return api.pages("/admin/clients", "clients", output::json);
    }
    let mut rows = Vec::new();
    api.pages("/admin/clients", "clients", |client| {
        let column = |name| output::text(name, &client[name]);
        let state = if client["enabled"] == true {
            "enabled"
        } else {
            "disabled"
        };
        rows.push(vec![
            column("client_id"),
            state.to_owned(),
            column("name"),
            column("grants"),
            column("scope"),
        ]);
        Ok(())
    })?;
    output::table(&["client_id", "state", "name", "grants", "scope"], &rows)
}

fn rotate_secret(rotate: &RotateSecret) -> Result<(), Failure> {
    let mut body = Map::new();
    if let Some(keep_old) = rotate.keep_old {
        body.insert("keep_old".to_owned(), text(keep_old).into());
    }
    if rotate.secret_stdin {
        let secret = input::secret_from_stdin()?;
        body.insert("client_secret".to_owned(), secret.as_str().into());
    }
    let api = rotate.named.asking.server.connect()?;
    let answer = api.post(&format!("{}/secret", path(&rotate.named.id)), &body.into())?;
    rotate.named.asking.print(&answer)?;
    remark_secret(&answer);
    Ok(())
}

fn set_enabled(named: &Named, body: &Value) -> Result<(), Failure> {
    let client = named
        .asking
        .server
        .connect()?
        .patch(&path(&named.id), body)?;
    named.asking.print(&client)
}

fn remark_secret(answer: &Value) {
    if answer["client_secret"].is_string() {
        output::remark("client_secret is shown this once; keep it safe");
    }
}

fn path(id: &str) -> String {
    format!("/admin/clients/{}", encode(id))
}

/// A duration as the API reads it.
fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
