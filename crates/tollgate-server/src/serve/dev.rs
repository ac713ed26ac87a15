//! `--dev`: a demo client whose secret outlives restarts, and lines to copy that work.

use std::{fmt::Write as _, path::Path};

use anyhow::Context as _;
use tollgate_issuer::{AdminError, Context, Issuer, clients::NewClient};
use tollgate_protocol::ClientSecret;
use tollgate_store::Store;
use zeroize::Zeroizing;

use super::data_dir::random_text;
use crate::{
    cli::{Failure, output},
    private_file::DemoFile,
};

const ID: &str = "demo";
const SCOPE: &str = "demo:read demo:write";

/// Registers the demo client where it is missing; returns its credentials.
///
/// # Errors
///
/// When store or disk refuse.
pub(super) async fn demo_client<S: Store>(
    issuer: &Issuer<S>,
    path: &Path,
    context: &Context<'_>,
) -> anyhow::Result<DemoFile> {
    let id = ID.parse()?;
    let file = match DemoFile::read(path) {
        Some(file) => file,
        None => DemoFile {
            client_id: ID.to_owned(),
            client_secret: random_text()?,
        },
    };
    file.write(path)?;
    let secret = ClientSecret::new(file.client_secret.to_string())?;
    let done = match issuer.client(&id).await {
        // Somebody may have given it another secret; the lines printed must work.
        Ok(_) => issuer
            .rotate_secret(&id, None, Some(secret), context)
            .await
            .map(drop),
        Err(AdminError::NotFound(_)) => {
            let mut client = NewClient::new(id);
            client.name = "Demo client of a development server".to_owned();
            client.scope = SCOPE.parse()?;
            client.secret = Some(secret);
            issuer.create_client(client, context).await.map(drop)
        }
        Err(error) => Err(error),
    };
    done.context("failed to set up the demo client")?;
    Ok(file)
}

/// Prints the client and what to do with it; `base` is the URL of the public listener.
///
/// # Errors
///
/// When stdout is closed.
pub(super) fn print(base: &str, demo: &DemoFile) -> Result<(), Failure> {
    output::line(lines(base, demo).trim_end())
}

fn lines(base: &str, demo: &DemoFile) -> Zeroizing<String> {
    let (id, secret) = (&demo.client_id, demo.client_secret.as_str());
    let user = Zeroizing::new(format!("{id}:{secret}"));
    let user = user.as_str();
    let mut text = Zeroizing::new(String::new());
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "\
client_id      {id}
client_secret  {secret}

# an access token
curl -s -u {user} -d grant_type=client_credentials {base}/oauth/token

# the same, kept; then: is it valid for this scope, what does it stand for, kill it
TOKEN=$(curl -s -u {user} -d grant_type=client_credentials {base}/oauth/token | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')
curl -s -H \"Authorization: Bearer $TOKEN\" '{base}/oauth/validate?scope=demo:read'
curl -s -u {user} -d \"token=$TOKEN\" {base}/oauth/introspect
curl -s -u {user} -d \"token=$TOKEN\" {base}/oauth/revoke

# a one-time token, redeemed: the first call wins
OTT=$(curl -s -u {user} -d scope=demo:read {base}/oauth/ott | sed 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/')
curl -s -u {user} -d \"token=$OTT\" {base}/oauth/ott/redeem

# the public keys, and what the server can do
curl -s {base}/.well-known/jwks.json
curl -s {base}/.well-known/oauth-authorization-server

# Ctrl-C ends it; `tollgate client create --id shop` makes a client of your own
"
    );
    text
}
