"""What both attackers have in common: orders come in as lines of JSON, what the server did goes out."""

import json
import os
import sys
import threading
import time
from collections import Counter

peer = json.loads(os.environ["PEER"])
# How long a server may take for an answer before it is called stuck.
STUCK = 30
attacks = {}


def attack(function):
    """Registers an attack under its name; it returns what the server did, in a few words."""
    attacks[function.__name__] = function
    return function


def repeat(carry_out, seconds, lanes):
    """Runs an attack once, or for so long on so many lanes at once; counts what the server did."""
    outcomes, lock = Counter(), threading.Lock()
    ends = time.monotonic() + seconds

    def lane():
        while True:
            try:
                outcome = carry_out()
            except Exception as error:
                # Expected by nobody, so it fails the test that gave the order.
                outcome = repr(error)
            with lock:
                outcomes[outcome] += 1
            if time.monotonic() >= ends:
                return

    threads = [threading.Thread(target=lane, daemon=True) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def obey(run=repeat):
    """Takes orders until there are no more."""
    for line in sys.stdin:
        order = json.loads(line)
        outcomes = run(attacks[order["attack"]], order["seconds"], order["lanes"])
        print(json.dumps(outcomes), flush=True)
