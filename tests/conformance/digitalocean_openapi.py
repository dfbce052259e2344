"""Our DigitalOcean requests against the vendor's own OpenAPI description, judged by prism (npm/prism.py).

Needs node, the npm packages, the tool digitalocean_requests in the build directory $B, and the description.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "npm"))
import prism  # noqa: E402


def without_credentials(request):
    request["headers"] = {k: v for k, v in request["headers"].items() if k.lower() != "authorization"}


CONTROLS = [
    ("an unknown member", prism.in_body(lambda b: b.update(userdata="x"))),
    ("a wrong type", prism.in_body(lambda b: b.update(ipv6="no"))),
    ("a missing member", prism.in_body(lambda b: b.pop("size"))),
    ("an unknown parameter", lambda r: r.update(path=r["path"] + "?tag=x")),
    ("an unknown path", lambda r: r.update(path="/v2/droplet")),
    ("no credentials", without_credentials),
]
sys.exit(prism.judge_all("digitalocean_openapi", "digitalocean.json", "digitalocean_requests", CONTROLS))
