//! `tollgate keys`: the signing keys of a running server.

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Failure,
    admin_api::{encode, list},
    discovery::Asking,
    output,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List every signing key with its state
    List(Asking),
    /// Make a key that takes over once it has stood in the JWKS long enough
    #[command(after_help = "Example:\n  tollgate keys rotate --alg EdDSA")]
    Rotate {
        /// The algorithm of the key [default: the server's]
        #[arg(long)]
        alg: Option<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Emergency: drop a key at once; every token that it signed is refused from now on
    Revoke {
        /// The key's id, as `keys list` shows it
        kid: String,
        #[command(flatten)]
        asking: Asking,
    },
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::List(asking) => {
            let answer = asking.server.connect()?.get("/admin/keys")?;
            output::enough(print(&asking, list(&answer, "keys")?))
        }
        Command::Rotate { alg, asking } => {
            let body = alg.map_or_else(|| json!({}), |alg| json!({ "alg": alg }));
            let key = asking.server.connect()?.post("/admin/keys/rotate", &body)?;
            print(&asking, &[key])
        }
        Command::Revoke { kid, asking } => {
            let path = format!("/admin/keys/{}", encode(&kid));
            let key = asking.server.connect()?.delete(&path)?;
            print(&asking, &[key])
        }
    }
}

fn print(asking: &Asking, keys: &[Value]) -> Result<(), Failure> {
    if asking.json {
        return keys.iter().try_for_each(output::json);
    }
    let columns = [
        "kid",
        "alg",
        "state",
        "created_at",
        "signs_from",
        "retired_at",
        "gone_at",
    ];
    let row = |key: &Value| {
        columns
            .iter()
            .map(|name| output::text(name, &key[*name]))
            .collect()
    };
    let rows: Vec<Vec<String>> = keys.iter().map(row).collect();
    output::table(&columns, &rows)
}
