"""Judges tokens with PyJWT: one line of JSON in, one word out for each token."""

import json
import sys

import jwt

setup = json.loads(sys.stdin.readline())
keys = {key["kid"]: jwt.PyJWK(key) for key in setup["keys"]}
# For tokens without a key id: there is one key for each algorithm.
keys |= {key["alg"]: jwt.PyJWK(key) for key in setup["keys"]}
for line in sys.stdin:
    token = json.loads(line)
    try:
        header = jwt.get_unverified_header(token)
        key = keys[header.get("kid", header.get("alg"))]
        jwt.decode(
            token,
            key,
            algorithms=["ES256", "RS256", "EdDSA"],
            audience=setup["audience"],
            issuer=setup["issuer"],
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
        print("accepted")
    except Exception as refusal:  # Whatever it stumbles over, it has not accepted.
        print("refused", type(refusal).__name__)
