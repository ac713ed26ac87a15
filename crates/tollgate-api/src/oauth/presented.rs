//! What introspection, revocation and redemption begin with: a form with one token, from a client
//! that proved who it is.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use tollgate_issuer::authenticate::Client;
use tollgate_store::Store;

use super::parameters;
use crate::{
    Api,
    call::{Call, form},
    client_authentication::BodyCredentials,
    refusal::Refusal,
    router::Route,
};

/// The token that was presented, and who presented it.
pub(super) async fn token_and_client<'b, S: Store>(
    api: &Api<S>,
    route: Route,
    body: &'b Bytes,
    call: &mut Call<'_>,
) -> Result<(Cow<'b, str>, Arc<Client>), Refusal> {
    let form = form(body, &[])?;
    let token = parameters::token(&form)?;
    let credentials = BodyCredentials::of_form(&form)?;
    let client = api.authenticate(route, &credentials, call).await?;
    Ok((token, client))
}
