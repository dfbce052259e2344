"""Our GitHub requests against GitHub's own OpenAPI description, and GitHub's example answers against our client.

Needs the tool github_requests in the build directory $B, and the description: $GITHUB_OPENAPI, or the copy that lies
beside the repository.
"""
import json
import os
import re
import subprocess
import sys
import tempfile
from urllib.parse import parse_qsl, unquote, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
DESCRIPTION = os.environ.get("GITHUB_OPENAPI") or os.path.join(HERE, "../../../shared/data/openapi/github.json")
TOOL = os.path.join(os.environ.get("B", "build"), "tests/conformance/github_requests")

# Which operation a scenario is, and what to answer where the description holds no example.
SCENARIOS = {
    "repo_get": ("repos/get", {"id": 1, "private": True, "archived": False}),
    "installation_of": ("apps/get-repo-installation", {"id": 1}),
    "org_installation_of": ("apps/get-org-installation", {"id": 1}),
    "runners_each": ("actions/list-self-hosted-runners-for-repo", {"runners": []}),
    "org_runners_each": ("actions/list-self-hosted-runners-for-org", {"runners": []}),
    "run_get": ("actions/get-workflow-run", {"event": "push", "path": ".github/workflows/a.yml", "head_repository": None}),
    "file_get": ("repos/get-content", "runners: []"),
    "org_file_get": ("repos/get-content", "runners: []"),
    "team_has": ("teams/get-membership-for-user-in-org", {"state": "active", "role": "member", "url": ""}),
    "role_get": ("repos/get-collaborator-permission-level", {"permission": "write", "role_name": "write"}),
    "jitconfig": ("actions/generate-runner-jitconfig-for-repo", {"runner": {"id": 1}, "encoded_jit_config": "abc"}),
    "runner_find": ("actions/list-self-hosted-runners-for-repo", {"runners": []}),
    "runner_remove": ("actions/delete-self-hosted-runner-from-repo", None),
    "org_jitconfig": ("actions/generate-runner-jitconfig-for-org", {"runner": {"id": 1}, "encoded_jit_config": "abc"}),
    "org_runner_find": ("actions/list-self-hosted-runners-for-org", {"runners": []}),
    "org_runner_remove": ("actions/delete-self-hosted-runner-from-org", None),
    "org_repo_get": ("repos/get", {"id": 1, "private": True}),
    "org_group_get": ("actions/get-self-hosted-runner-group-for-org", {"allows_public_repositories": False}),
    "release_get": ("actions/list-runner-applications-for-repo", []),
    "check_create": ("checks/create", {"id": 4}),
    "check_update": ("checks/update", {"id": 4}),
    "check_find": ("checks/list-for-ref", {"check_runs": [{"id": 4, "name": "muster", "external_id": "31"}]}),
    "status_put": ("repos/create-commit-status", {"state": "failure"}),
    "deliveries_get": ("apps/list-webhook-deliveries", []),
    "redeliver": ("apps/redeliver-webhook-delivery", {}),
    "installation_look": ("apps/get-installation", {"id": 77, "suspended_at": None}),
    "runs_list": ("actions/list-workflow-runs-for-repo", {"total_count": 1, "workflow_runs": [{"id": 30433642}]}),
    "jobs_list": ("actions/list-jobs-for-workflow-run", {"total_count": 0, "jobs": []}),
    "job_get": ("actions/get-job-for-workflow-run", {"status": "queued"}),
    "run_state": ("actions/get-workflow-run", {"status": "completed", "conclusion": "failure", "run_attempt": 1}),
    "run_jobs": ("actions/list-jobs-for-workflow-run-attempt", {"jobs": [{"id": 1, "name": "a", "conclusion": None}]}),
    "rerun_failed": ("actions/re-run-workflow-failed-jobs", {}),
    "rerun_job": ("actions/re-run-job-for-workflow-run", {}),
    "job_status": ("actions/get-job-for-workflow-run", {"status": "queued"}),
}
TOKEN = "apps/create-installation-access-token"

if not os.path.exists(DESCRIPTION):
    print("SKIP github_openapi: no description of GitHub's API here (set GITHUB_OPENAPI)")
    sys.exit(0)
with open(DESCRIPTION, encoding="utf-8") as f:
    API = json.load(f)
failures = 0


def report(name, problems):
    global failures
    failures += bool(problems)
    print(f"not ok {name}: {'; '.join(problems)}" if problems else f"ok {name}")


def deref(node):
    """Follow $ref to what it names."""
    while isinstance(node, dict) and "$ref" in node:
        target = API
        for part in node["$ref"].lstrip("#/").split("/"):
            target = target[part]
        node = target
    return node


OPERATIONS = {
    op["operationId"]: (method.upper(), path, op)
    for path, methods in API["paths"].items()
    for method, op in methods.items()
    if isinstance(op, dict) and "operationId" in op
}


# ---- values against schemas ----

TYPES = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
}


def judge(schema, value, where):
    schema = deref(schema)
    kind = schema.get("type")
    if kind in TYPES and not TYPES[kind](value):
        return [f"{where} is no {kind}"]
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where} is not one of {schema['enum']}"]
    if kind == "object":
        return judge_object(schema, value, where)
    if kind == "array":
        return judge_array(schema, value, where)
    return []


def judge_object(schema, value, where):
    known = schema.get("properties", {})
    problems = [f"{where}.{k} is missing" for k in schema.get("required", []) if k not in value]
    for key, item in value.items():
        problems += judge(known[key], item, f"{where}.{key}") if key in known else [f"{where}.{key} is unknown"]
    return problems


def judge_array(schema, value, where):
    problems = []
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
        problems.append(f"{where} has {len(value)} items")
    for i, item in enumerate(value):
        problems += judge(schema.get("items", {}), item, f"{where}[{i}]")
    return problems


# ---- requests against operations ----

def match_path(template, operation, path):
    """The parameters of a path that fits the template, else None. Only a multi-segment parameter may hold a slash."""
    many = {p["name"] for p in map(deref, operation.get("parameters", [])) if p.get("x-multi-segment")}
    pattern = re.sub(r"\\\{(\w+)\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[1] in many else '[^/]+'})", re.escape(template))
    found = re.fullmatch(pattern, path)
    return found.groupdict() if found else None


def judge_parameters(operation, place, given):
    known = {p["name"]: p for p in map(deref, operation.get("parameters", [])) if p["in"] == place}
    problems = [f"{place} parameter {n} is missing" for n, p in known.items() if p.get("required") and n not in given]
    for name, text in given.items():
        if name not in known:
            problems.append(f"{place} parameter {name} is unknown")
        elif deref(known[name]["schema"]).get("type") == "integer" and not re.fullmatch("[0-9]+", text):
            problems.append(f"{place} parameter {name}={text!r} is no integer")
    return problems


def judge_body(operation, request):
    described = deref(operation.get("requestBody"))
    if described is None:
        return ["a body is sent where none is described"] if request["body"] else []
    if not request["body"]:
        return ["the body is missing"] if described.get("required") else []
    try:
        body = json.loads(request["body"])
    except ValueError as e:
        return [f"the body is not JSON: {e}"]
    return judge(described["content"]["application/json"]["schema"], body, "body")


def judge_headers(request, scenario):
    h = {k.lower(): v for k, v in request["headers"].items()}
    raw = scenario.endswith("file_get") and request["method"] == "GET"
    want = {
        "accept": "application/vnd.github.raw+json" if raw else "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
    }
    problems = [f"header {k} is {h.get(k)!r}" for k, v in want.items() if h.get(k) != v]
    if not h.get("authorization", "").startswith("Bearer ") or not h.get("user-agent"):
        problems.append("authorization or user agent is missing")
    if request["body"] and h.get("content-type") != "application/json":
        problems.append("the body's type is not said")
    return problems


def judge_request(operation_id, request, scenario):
    method, template, operation = OPERATIONS[operation_id]
    url = urlsplit(request["path"])
    found = match_path(template, operation, url.path)
    if request["method"] != method or found is None:
        return [f"{request['method']} {url.path} is not {method} {template}"]
    found = {k: unquote(v) for k, v in found.items()}
    query = dict(parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query)))
    return (judge_parameters(operation, "path", found) + judge_parameters(operation, "query", query)
            + judge_body(operation, request) + judge_headers(request, scenario))


# ---- the examples as answers ----

def example(operation_id, otherwise):
    responses = OPERATIONS[operation_id][2]["responses"] if operation_id in OPERATIONS else {}
    answer = deref(responses.get("200") or responses.get("201") or {})
    media = answer.get("content", {}).get("application/json", {})
    for e in media.get("examples", {}).values():
        return deref(e).get("value", otherwise)
    return media.get("example", otherwise)


def answers():
    out = {"token": example(TOKEN, {"token": "ghs_1", "expires_at": "2099-01-01T00:00:00Z"})}
    for scenario, (operation_id, otherwise) in SCENARIOS.items():
        value = otherwise if scenario.endswith("file_get") else example(operation_id, otherwise)
        if value is not None:
            out[scenario] = value
    return out


def requests():
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(answers(), f)
        f.flush()
        out = subprocess.run([TOOL, f.name], check=True, capture_output=True, text=True, timeout=120).stdout
    return [json.loads(line) for line in out.splitlines()]


seen = set()
for line in requests():
    name = line["scenario"]
    if "method" not in line:
        report(f"github_openapi__the_example_answer_is_understood__{name}", [line["error"]] if line["error"] else [])
        seen.add(name)
    elif line["path"].endswith("/access_tokens"):
        report(f"github_openapi__the_token_request_is_as_described__{name}", judge_request(TOKEN, line, name))
    elif SCENARIOS[name][0] not in OPERATIONS:
        print(f"SKIP github_openapi__{name}: the description lacks {SCENARIOS[name][0]}")
    else:
        report(f"github_openapi__the_request_is_as_described__{name}", judge_request(SCENARIOS[name][0], line, name))
report("github_openapi__every_call_was_made", [f"{n} was not" for n in SCENARIOS if n not in seen])
sys.exit(1 if failures else 0)
