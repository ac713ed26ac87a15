"""Judges tokens with PyJWT: one JSON string a line in, one word a line out."""

import datetime
import json
import os
import sys

import jwt

peer = json.loads(os.environ["PEER"])
keys = {key["kid"]: jwt.PyJWK(key) for key in peer["keys"]}
# For tokens without a key id: there is one key for each algorithm.
keys |= {key["alg"]: jwt.PyJWK(key) for key in peer["keys"]}


class StandingClock(datetime.datetime):
    """The time that all judges agree on."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(peer["now"], tz)


jwt.api_jwt.datetime = StandingClock


def judge(token):
    try:
        header = jwt.get_unverified_header(token)
        jwt.decode(
            token,
            keys[header.get("kid", header.get("alg"))],
            algorithms=peer["algorithms"],
            audience=peer["audience"],
            issuer=peer["issuer"],
            options={"require": ["exp", "iat", "iss", "aud"]},
        )
    except Exception as refusal:  # Whatever it stumbles over, it has not accepted.
        return f"refused {type(refusal).__name__}"
    return "accepted"


print("\n".join(judge(json.loads(line)) for line in sys.stdin))
