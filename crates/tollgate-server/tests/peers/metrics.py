"""The Prometheus client's own parser reads our metrics; their names and labels are as promised."""

import json
import os
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

peer = json.loads(os.environ["PEER"])
with urllib.request.urlopen(peer["admin_url"] + "/metrics") as response:
    assert response.headers["Content-Type"].startswith("text/plain"), response.headers
    text = response.read().decode()

families = {family.name: family for family in text_string_to_metric_families(text)}
samples = [sample for family in families.values() for sample in family.samples]
assert len(samples) > 20, text
for name in peer["metrics"]:
    # The parser strips `_total` from the name of a counter's family.
    family = families.get(name) or families.get(name.removesuffix("_total"))
    assert family, f"{name} is missing"
    assert family.documentation, f"{name} has no help"
    assert family.type != "unknown", f"{name} has no type"
for family in families.values():
    if family.type != "histogram":
        continue
    buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    assert any(sample.labels["le"] == "+Inf" for sample in buckets), family.name
for secret in peer["secrets"]:
    assert secret not in text, "a secret or a name of a client stands in the metrics"
print(f"{len(families)} metrics, {len(samples)} samples")
