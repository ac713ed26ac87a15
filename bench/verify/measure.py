"""Validators from PyPI on the tokens of stdin; prints nanoseconds by algorithm and library."""

import base64
import json
import statistics
import sys
import time

import jwt
from joserfc import jwk as joserfc_jwk
from joserfc import jwt as joserfc_jwt
from py_identity_model import TokenValidationConfig, validate_token

ROUNDS = 41
ROUND_NANOSECONDS = 5e6

material = json.load(sys.stdin)
issuer, audience = material["issuer"], material["audience"]


def public_jwk(alg):
    if alg in material["keys"]:
        return material["keys"][alg]
    secret = base64.urlsafe_b64encode(material["secret"].encode()).rstrip(b"=").decode()
    return {"kty": "oct", "k": secret, "alg": alg}


def subjects(alg, token):
    """Each library with the key prepared, as far as the library lets one prepare it."""
    key = public_jwk(alg)
    prepared = jwt.PyJWK(key)
    yield "PyJWT", lambda: jwt.decode(
        token, prepared, algorithms=[alg], audience=audience, issuer=issuer
    )
    imported = joserfc_jwk.import_key({k: v for k, v in key.items() if k != "alg"})
    registry = joserfc_jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
    )
    yield "joserfc", lambda: registry.validate(
        joserfc_jwt.decode(token, imported, algorithms=[alg]).claims
    )
    config = TokenValidationConfig(
        perform_disco=False, key=key, algorithms=[alg], audience=audience, issuer=issuer
    )
    # It hands the list to PyJWK, which wants one name.
    config.algorithms = alg
    yield "py-identity-model", lambda: validate_token(token, config)


def one_round(verify, calls):
    start = time.perf_counter_ns()
    for _ in range(calls):
        verify()
    return (time.perf_counter_ns() - start) / calls


def measure(alg, token):
    measured = []
    for name, verify in subjects(alg, token):
        one_round(verify, 50)
        calls = max(1, round(ROUND_NANOSECONDS / one_round(verify, 50)))
        measured.append((name, verify, calls, []))
    for _ in range(ROUNDS):
        for _, verify, calls, times in measured:
            times.append(one_round(verify, calls))
    return {name: statistics.median(times) for name, _, _, times in measured}


print(json.dumps({alg: measure(alg, token) for alg, token in material["tokens"].items()}))
