"""What both attackers have in common: an attack is ordered by its name, what the server did goes out as JSON."""

import json
import os
import sys

peer = json.loads(os.environ["PEER"])
# How long a server may take for an answer before it is called stuck.
STUCK = 30
attacks = {}


def attack(function):
    """Registers an attack under its name; it returns what the server did, in a few words."""
    attacks[function.__name__] = function
    return function


def obey(run=lambda carry_out: carry_out()):
    """Takes orders until there are no more."""
    for line in sys.stdin:
        try:
            outcome = run(attacks[line.strip()])
        except Exception as error:
            # Expected by nobody, so it fails the test that gave the order.
            outcome = repr(error)
        print(json.dumps(outcome), flush=True)
