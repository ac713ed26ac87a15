"""Makes a key pair for private_key_jwt with joserfc: prints {"private":JWK,"public":{"keys":[JWK]}}."""

import json
import sys

from joserfc.jwk import ECKey, RSAKey

algorithm = sys.argv[1]
named = {"alg": algorithm, "kid": f"peer-{algorithm}", "use": "sig"}
if algorithm.startswith("ES"):
    key = ECKey.generate_key("P-" + algorithm[2:], named)
else:
    key = RSAKey.generate_key(2048, named)
print(json.dumps({"private": key.as_dict(private=True), "public": {"keys": [key.as_dict(private=False)]}}))
