//! `tollgate health`: a check for containers and service managers.

use std::time::Duration;

use clap::Args;

use super::{Failure, discovery::ServerArguments, output};

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tollgate health
  tollgate health --url http://127.0.0.1:8080
  tollgate health --url http://127.0.0.1:8080/ready   also what is behind it")]
pub(crate) struct Arguments {
    /// The server, or one of its pages [default: the server of --data-dir]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    server: ServerArguments,
}

/// Every way of not being healthy is exit 1, a server that cannot be reached too: container
/// platforms give other codes a meaning of their own.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let url = match &arguments.url {
        Some(url) => page(url),
        None => page(&arguments.server.url().map_err(unhealthy)?),
    };
    let trust = arguments.server.trust()?;
    let answer = trust.agent(Some(TIMEOUT)).get(&url).call();
    let mut response =
        answer.map_err(|error| Failure::refused(format!("{url} does not answer: {error}")))?;
    let text = response.body_mut().read_to_string().unwrap_or_default();
    // Whatever answers there may say anything.
    let lines = text.trim_end().lines().map(output::printable);
    let said: Vec<String> = lines.collect();
    output::enough(output::line(&said.join("\n")))?;
    match response.status().as_u16() {
        200 => Ok(()),
        status => Err(Failure::refused(format!("{url} answered {status}"))),
    }
}

fn unhealthy(failure: Failure) -> Failure {
    match failure {
        Failure::Unreachable(reason) => Failure::refused(reason),
        other => other,
    }
}

/// `url` itself when it names a page, its `/health` otherwise.
fn page(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    match rest.trim_end_matches('/') {
        page if page.contains('/') => format!("{scheme}://{page}"),
        host => format!("{scheme}://{host}/health"),
    }
}
