"""Our requests to Oracle Cloud: signatures against Oracle's own signer and a verifying server of other hands, launch
bodies against the types of Oracle's SDK.

Needs the tool oci_requests in the build directory $B, node with the packages of npm/, and oci-launch.schema.json beside
the repository ($OPENAPI_DIR instead).
"""
import copy
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "npm"))
import prism  # noqa: E402

TOOL = os.path.join(os.environ.get("B", "build"), "tests/conformance/oci_requests")


def judge(modules, schema, requests):
    """The problems of each request."""
    lines = "".join(json.dumps(r) + "\n" for r in requests)
    done = subprocess.run(["node", os.path.join(HERE, "oci_judge.js"), modules, schema], input=lines, text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"not ok oci_judge: {done.stderr.strip()[:500]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def edited(request, edit):
    """The request with another body."""
    r = copy.deepcopy(request)
    body = json.loads(r["body"])
    edit(body)
    r["body"] = json.dumps(body)
    return r


def controls(requests):
    """Requests that must not pass, and a word of what must be said of them."""
    launch = next(r for r in requests if r["method"] == "POST")
    look = next(r for r in requests if r["method"] == "GET" and "limit=" in r["url"])
    other_query, other_host, no_digest, late = (copy.deepcopy(look), copy.deepcopy(look), copy.deepcopy(launch),
                                                copy.deepcopy(look))
    other_query["url"] += "&limit=1"
    other_host["headers"]["Host"] = "iaas.example.com"
    del no_digest["headers"]["X-Content-SHA256"]
    late["headers"]["Date"] = "Thu, 05 Jan 2014 21:31:40 GMT"
    return {
        "another query": (other_query, "does not verify"),
        "another host": (other_host, "does not verify"),
        "no digest": (no_digest, "x-content-sha256"),
        "an old date": (late, "clock skew"),
        "a changed body": (edited(launch, lambda b: b.update(displayName="x")), "is not the body's"),
        "a slip of the pen": (edited(launch, lambda b: b.update(shapeconfig={})), "additional properties"),
        "a number as text": (edited(launch, lambda b: b["shapeConfig"].update(ocpus="4")), "must be number"),
        "no domain": (edited(launch, lambda b: b.pop("availabilityDomain")), "availabilityDomain"),
        "no source type": (edited(launch, lambda b: b["sourceDetails"].pop("sourceType")), "sourceType"),
        "a field of the volume misspelt": (
            edited(launch, lambda b: b["sourceDetails"].update(bootVolumeSizeInGB=50)), "additional properties"),
    }


def main():
    try:
        modules, schema = prism.modules(), prism.description("oci-launch.schema.json")
    except prism.Missing as why:
        print(f"SKIP oci_signer: {why}")
        return 0
    lines = subprocess.run([TOOL], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    requests = [json.loads(line) for line in lines]
    by_scenario = {}
    for r, problems in zip(requests, judge(modules, schema, requests), strict=True):
        by_scenario.setdefault(r["scenario"], []).extend(problems)
    failed = 0
    for name, problems in by_scenario.items():
        failed += bool(problems)
        print(f"not ok oci {name}: {'; '.join(problems)}" if problems else f"ok oci {name}")
    wrong = controls(requests)
    for name, said in zip(wrong, judge(modules, schema, [r for r, _ in wrong.values()]), strict=True):
        caught = wrong[name][1] in "; ".join(said)
        failed += not caught
        print(f"ok oci control: {name}" if caught else f"not ok oci control: {name}: {said} was said")
    return 1 if failed else 0


sys.exit(main())
