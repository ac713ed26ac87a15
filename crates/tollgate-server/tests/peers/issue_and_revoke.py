"""Authlib as a client: client_credentials, introspection and revocation, however it authenticates."""

import json
import os

from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import import_key

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
peer = json.loads(os.environ["PEER"])
ISSUER = peer["issuer"]


def session_of(entry):
    method = entry["method"]
    secret = entry.get("client_secret") or import_key(entry["jwk"])
    session = OAuth2Session(
        entry["client_id"],
        secret,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        introspection_endpoint_auth_method=method,
    )
    if method == "private_key_jwt":
        # Only the issuer may be the audience of an assertion (RFC 7523bis).
        session.register_client_auth_method(
            PrivateKeyJWT(ISSUER, headers={"kid": entry["jwk"]["kid"]}, alg=entry["jwk"]["alg"])
        )
    return session


def life_of_a_token(entry):
    session = session_of(entry)
    token = session.fetch_token(ISSUER + "/oauth/token", grant_type="client_credentials", scope="read")
    assert token["token_type"].lower() == "bearer", token
    assert token["expires_in"] > 0, token
    text = token["access_token"]

    introspection = ISSUER + "/oauth/introspect"
    alive = session.introspect_token(introspection, token=text).json()
    assert alive["active"] is True, alive
    assert alive["client_id"] == entry["client_id"], alive

    revoked = session.revoke_token(ISSUER + "/oauth/revoke", token=text)
    assert revoked.status_code == 200, revoked.text
    dead = session.introspect_token(introspection, token=text).json()
    assert dead == {"active": False}, dead


for entry in peer["clients"]:
    life_of_a_token(entry)
    print(f"{entry['client_id']}: {entry['method']}: issued, introspected, revoked")

wrong = peer["clients"][0] | {"client_secret": "wrong"}
try:
    session_of(wrong).fetch_token(ISSUER + "/oauth/token", grant_type="client_credentials")
except OAuthError as error:
    assert error.error == "invalid_client", error
else:
    raise AssertionError("a wrong secret was accepted")
