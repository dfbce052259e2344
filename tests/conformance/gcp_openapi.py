"""Our Compute Engine requests against a description made from Google's own protos, judged by prism (npm/prism.py).

Needs node, the npm packages, the tool gcp_requests in the build directory $B, and the description. Its schemas are
closed: a member in snake_case or in the wrong place is found.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "npm"))
import prism  # noqa: E402


def without_credentials(request):
    request["headers"] = {k: v for k, v in request["headers"].items() if k.lower() != "authorization"}


CONTROLS = [
    ("an unknown member", prism.in_body(lambda b: b.update(machine_type="x"))),
    ("a member in the wrong place", prism.in_body(lambda b: b["scheduling"].update(guestAccelerators=[]))),
    ("a member of a disk in snake case", prism.in_body(lambda b: b["disks"][0].update(auto_delete=True))),
    ("a wrong word", prism.in_body(lambda b: b["scheduling"].update(provisioningModel="spot"))),
    ("a wrong type", prism.in_body(lambda b: b["scheduling"].update(automaticRestart="no"))),
    ("a list for a mapping", prism.in_body(lambda b: b.update(metadata=[]))),
    ("an unknown parameter", lambda r: r.update(path=r["path"] + "&request_id=x")),
    ("an unknown path", lambda r: r.update(path=r["path"].replace("/instances", "/instance"))),
    ("no credentials", without_credentials),
]
sys.exit(prism.judge_all("gcp_openapi", "gcp-compute.json", "gcp_requests", CONTROLS,
                         leave_out=lambda request: request["path"] == "/token"))
