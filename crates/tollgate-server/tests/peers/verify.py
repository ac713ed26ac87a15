"""PyJWT as a resource server: verifies our JWTs through our JWKS, and refuses what it must."""

import json
import os

import jwt

peer = json.loads(os.environ["PEER"])
keys = jwt.PyJWKClient(peer["issuer"] + "/.well-known/jwks.json")


def refused(error, token, key, **policy):
    try:
        jwt.decode(token, key, **policy)
    except error:
        return
    raise AssertionError(f"accepted, not refused with {error.__name__}")


for entry in peer["tokens"]:
    token, algorithm = entry["token"], entry["alg"]
    key = keys.get_signing_key_from_jwt(token)
    policy = {
        "algorithms": [algorithm],
        "issuer": peer["issuer"],
        "audience": peer["audience"],
        "options": {"require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
    }
    claims = jwt.decode(token, key, **policy)
    assert claims["client_id"] == entry["client_id"], claims
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    head, payload, signature = token.split(".")
    swapped = "A" if signature[10] != "A" else "B"
    broken = ".".join([head, payload, signature[:10] + swapped + signature[11:]])
    refused(jwt.InvalidSignatureError, broken, key, **policy)
    refused(jwt.InvalidAudienceError, token, key, **(policy | {"audience": "https://other.example.com"}))
    refused(jwt.InvalidIssuerError, token, key, **(policy | {"issuer": "https://other.example.com"}))
    print(f"{algorithm}: verified by PyJWT")
