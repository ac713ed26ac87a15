//! `tollgate token`: tokens, through a running server; `verify` alone needs none.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use super::{
    Failure,
    admin_api::{encode, member},
    client::duration,
    discovery::Asking,
    input::Tokens,
    output, verify,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Issue a token on behalf of a client
    #[command(after_help = ISSUE_EXAMPLES)]
    Issue(Issue),
    /// Ask the server what a token stands for
    #[command(after_help = "Example:\n  tollgate token introspect - --json < tokens.txt")]
    Introspect(Given),
    /// Revoke tokens: those given, or all of a client, of a subject, or one by its id
    #[command(after_help = REVOKE_EXAMPLES)]
    Revoke(Revoke),
    /// Consume a one-time token
    #[command(after_help = "Example:\n  tollgate token redeem - < token.txt")]
    Redeem(Given),
    /// List the stored (opaque) tokens of a client or a subject
    List(Filter),
    /// Count the stored (opaque) tokens
    Count(Filter),
    /// Check signed tokens against a JWK Set or the issuer's keys, without the server's word
    Verify(Box<verify::Arguments>),
}

const ISSUE_EXAMPLES: &str = "\
Examples:
  tollgate token issue --client shop --scope orders:read
  tollgate token issue --client shop --one-time --subject alice --data '{\"order\":7}' --expires-in 60s";

const REVOKE_EXAMPLES: &str = "\
Examples:
  tollgate token revoke - < leaked-tokens.txt
  tollgate token revoke --client shop
  tollgate token revoke --id 5f0c6a1e9b7d4c2f8a3e1d0b9c8f7a6e";

#[derive(Args, Debug)]
pub(crate) struct Issue {
    /// The client that the token is issued to
    #[arg(long, value_name = "ID")]
    client: String,
    /// Issue a one-time token
    #[arg(long)]
    one_time: bool,
    /// The scopes, separated by spaces [default: all of the client's]
    #[arg(long)]
    scope: Option<String>,
    /// A resource that the token is for; may be repeated
    #[arg(long = "resource", value_name = "URI")]
    resources: Vec<String>,
    /// Whom a one-time token speaks of
    #[arg(long, requires = "one_time")]
    subject: Option<String>,
    /// The life time of a one-time token, in whole seconds, such as 60s
    #[arg(long, value_name = "DURATION", value_parser = seconds, requires = "one_time")]
    expires_in: Option<u64>,
    /// JSON that is handed back when a one-time token is redeemed
    #[arg(long, value_name = "JSON", requires = "one_time")]
    data: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Args, Debug)]
pub(crate) struct Given {
    #[command(flatten)]
    tokens: Tokens,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").required(true)))]
pub(crate) struct Revoke {
    /// The token; `-` reads one a line from stdin, which keeps it out of the list of processes
    #[arg(value_name = "TOKEN|-", group = "what")]
    token: Option<String>,
    /// Every token of this client, signed ones too
    #[arg(long, value_name = "ID", group = "what")]
    client: Option<String>,
    /// Every token of this subject, signed ones too
    #[arg(long, group = "what")]
    subject: Option<String>,
    /// The token with this id, as `token list` shows it, or this `jti`
    #[arg(long, value_name = "ID", group = "what")]
    id: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Args, Debug)]
pub(crate) struct Filter {
    /// Only those of this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only those of this subject
    #[arg(long)]
    subject: Option<String>,
    #[command(flatten)]
    asking: Asking,
}

pub(crate) fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Issue(arguments) => issue(arguments),
        Command::Introspect(given) => output::enough(given.each("introspect")),
        Command::Redeem(given) => given.each("redeem"),
        Command::Revoke(arguments) => revoke(arguments),
        Command::List(filter) => output::enough(list(&filter)),
        Command::Count(filter) => {
            let answer = filter
                .asking
                .server
                .connect()?
                .get(&filter.path("/admin/tokens/count"))?;
            match filter.asking.json {
                true => output::json(&answer),
                false => output::line(&member(&answer, "count")?.to_string()),
            }
        }
        Command::Verify(arguments) => verify::run(&arguments),
    }
}

fn issue(arguments: Issue) -> Result<(), Failure> {
    let kind = if arguments.one_time {
        "one_time"
    } else {
        "access"
    };
    let mut body = Map::new();
    body.insert("client_id".to_owned(), arguments.client.into());
    body.insert("kind".to_owned(), kind.into());
    let optional = [
        ("scope", arguments.scope.map(Value::from)),
        ("subject", arguments.subject.map(Value::from)),
        ("expires_in", arguments.expires_in.map(Value::from)),
        (
            "data",
            arguments.data.as_deref().map(parse_data).transpose()?,
        ),
        (
            "resource",
            Some(arguments.resources)
                .filter(|all| !all.is_empty())
                .map(Value::from),
        ),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    }
    let answer = arguments
        .asking
        .server
        .connect()?
        .post("/admin/tokens", &body.into())?;
    let name = if arguments.one_time {
        "token"
    } else {
        "access_token"
    };
    let token = member(&answer, name)?.as_str().unwrap_or_default();
    if arguments.asking.json {
        return output::json(&answer);
    }
    // The token alone on stdout, so that it can be captured; what is said of it beside.
    output::line(token)?;
    output::remark(&format!(
        "{}, expires in {} s",
        answer["token_type"], answer["expires_in"]
    ));
    Ok(())
}

/// Reads a duration with its unit, as the seconds that the server counts in.
fn seconds(text: &str) -> Result<u64, String> {
    match duration(text) {
        Ok(duration) if duration.subsec_nanos() == 0 => Ok(duration.as_secs()),
        Ok(_) => Err("it has a fraction of a second".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse_data(text: &str) -> Result<Value, Failure> {
    serde_json::from_str(text)
        .map_err(|error| Failure::Usage(format!("--data is not JSON: {error}")))
}

fn revoke(arguments: Revoke) -> Result<(), Failure> {
    let query = [
        ("client", arguments.client),
        ("subject", arguments.subject),
        ("id", arguments.id),
    ];
    if let Some((name, Some(value))) = query.into_iter().find(|(_, value)| value.is_some()) {
        let path = format!("/admin/tokens?{name}={}", encode(&value));
        let answer = arguments.asking.server.connect()?.delete(&path)?;
        return arguments.asking.print(&answer);
    }
    let tokens = Tokens::one(arguments.token);
    Given {
        tokens,
        asking: arguments.asking,
    }
    .each("revoke")
}

fn list(filter: &Filter) -> Result<(), Failure> {
    let api = filter.asking.server.connect()?;
    let path = filter.path("/admin/tokens");
    if filter.asking.json {
        return api.pages(&path, "tokens", output::json);
    }
    let columns = ["id", "kind", "client_id", "sub", "scope", "aud", "exp"];
    let mut rows: Vec<Vec<String>> = Vec::new();
    api.pages(&path, "tokens", |token| {
        rows.push(
            columns
                .iter()
                .map(|name| output::text(name, &token[*name]))
                .collect(),
        );
        Ok(())
    })?;
    output::table(&columns, &rows)
}

impl Given {
    /// Sends each token to `/admin/tokens/OPERATION` and prints the answers.
    fn each(&self, operation: &str) -> Result<(), Failure> {
        let api = self.asking.server.connect()?;
        let path = format!("/admin/tokens/{operation}");
        self.tokens.for_each(|token| {
            let answer = api.post(&path, &json!({ "token": token }))?;
            self.asking.print(&answer)
        })
    }
}

impl Filter {
    fn path(&self, base: &str) -> String {
        let pair = |name: &str, value: &Option<String>| {
            value
                .as_ref()
                .map(|value| format!("{name}={}", encode(value)))
        };
        let pairs = [pair("client", &self.client), pair("subject", &self.subject)];
        let query: Vec<String> = pairs.into_iter().flatten().collect();
        if query.is_empty() {
            base.to_owned()
        } else {
            format!("{base}?{}", query.join("&"))
        }
    }
}
