"""Our Vast.ai requests against the vendor's own OpenAPI description, judged by prism (npm/prism.py).

Needs node, the npm packages, the tool vast_ai_requests in the build directory $B, and the description.
"""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "npm"))
import prism  # noqa: E402

RENTAL = {"image": "debian:12", "disk": 30, "label": "a=b", "target_state": "running", "cancel_unavail": True,
          "price": 0.221, "runtype": "args", "args": ["bash", "-c", "true"]}


def rental(change):
    """A control that rents instead of searching."""
    def spoil(request):
        body = dict(RENTAL)
        change(body)
        request.update(method="PUT", path="/api/v0/asks/7001/", body=json.dumps(body))
    return spoil


CONTROLS = [
    ("an unknown member", prism.in_body(lambda b: b.update(gpu_names={"eq": "RTX 4090"}))),
    ("a kind of offer that is none", prism.in_body(lambda b: b.update(type="spot"))),
    ("a value instead of a filter", prism.in_body(lambda b: b.update(duration=3600))),
    ("an order that is no list", prism.in_body(lambda b: b.update(order="dph_total"))),
    ("an unknown member of a rental", rental(lambda b: b.update(user_data="x"))),
    ("a rental without an image", rental(lambda b: b.pop("image"))),
    ("a kind of start that is none", rental(lambda b: b.update(runtype="entrypoint"))),
    ("a bid of nothing", rental(lambda b: b.update(price=0))),
    ("arguments in one text", rental(lambda b: b.update(args="bash -c true"))),
    ("a number as text", rental(lambda b: b.update(disk="30"))),
    ("an offer that is no number", lambda r: r.update(method="PUT", path="/api/v0/asks/x/", body=json.dumps(RENTAL))),
    ("an unknown parameter", lambda r: r.update(method="GET", path="/api/v1/instances/?label=x", body="")),
    ("a page of more than 25", lambda r: r.update(method="GET", path="/api/v1/instances/?limit=100", body="")),
    ("an unknown path", lambda r: r.update(path="/api/v0/offers/")),
]
sys.exit(prism.judge_all("vast_ai_openapi", "vastai.json", "vast_ai_requests", CONTROLS))
