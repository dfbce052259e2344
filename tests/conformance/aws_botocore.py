"""Our EC2 requests against botocore: every parameter against its service models, every signature against its signer.

Needs Debian's python3-botocore and the tool aws_requests in the build directory $B.
"""
import base64
import datetime
import json
import os
import re
import subprocess
import sys
from unittest import mock
from urllib.parse import parse_qsl

try:
    import botocore.auth
    import botocore.session
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
except ImportError:
    print("SKIP aws_botocore: python3-botocore is not installed")
    sys.exit(0)

TOOL = os.path.join(os.environ.get("B", "build"), "tests/conformance/aws_requests")
SESSION = botocore.session.get_session()
EC2, STS, SSM, PRICING = (SESSION.get_service_model(name) for name in ("ec2", "sts", "ssm", "pricing"))
failures = 0


def report(name, problems):
    global failures
    if problems:
        failures += 1
        print(f"not ok {name}: {'; '.join(problems)}")
    else:
        print(f"ok {name}")


# ---- parameters ----

def wire_name(protocol, name, shape):
    """How a member is written in a form: EC2 capitalises the location name unless there is a queryName."""
    s = shape.serialization
    if protocol == "ec2":
        if "queryName" in s:
            return s["queryName"]
        location = s.get("name", name)
        return location[0].upper() + location[1:]
    return s.get("name", name)


def scalar_problem(path, shape, value):
    if shape.type_name in ("integer", "long"):
        return None if re.fullmatch(r"-?[0-9]+", value) else f"{path}={value!r} is no {shape.type_name}"
    if shape.type_name == "boolean":
        return None if value in ("true", "false") else f"{path}={value!r} is no boolean"
    if shape.type_name != "string":
        return f"{path} is a {shape.type_name}, not a single value"
    if getattr(shape, "enum", None) and value not in shape.enum:
        return f"{path}={value!r} is not one of {shape.enum[:5]}..."
    return None


class Tree(dict):
    """Parameters by the parts of their names; a leaf is a string."""

    def put(self, parts, value):
        if len(parts) == 1:
            if parts[0] in self:
                raise ValueError(f"{parts[0]} is given twice")
            self[parts[0]] = value
            return
        below = self.setdefault(parts[0], Tree())
        if not isinstance(below, Tree):
            raise ValueError(f"{parts[0]} is both a value and a structure")
        below.put(parts[1:], value)


def judge(protocol, shape, node, path):
    if shape.type_name == "structure":
        return judge_structure(protocol, shape, node, path)
    if shape.type_name == "list":
        return judge_list(protocol, shape, node, path)
    if shape.type_name == "timestamp":
        sound = isinstance(node, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", node)
        return [] if sound else [f"{path} is no time"]
    if isinstance(node, Tree):
        return [f"{path} has members"]
    problem = scalar_problem(path.rstrip("."), shape, node)
    return [problem] if problem else []


def judge_structure(protocol, shape, node, path):
    if not isinstance(node, Tree):
        return [f"{path} is a structure"]
    members = {wire_name(protocol, name, member): member for name, member in shape.members.items()}
    found = []
    for key, below in node.items():
        if key in members:
            found += judge(protocol, members[key], below, f"{path}{key}.")
        else:
            found.append(f"unknown parameter {path}{key}")
    for name in shape.required_members:
        if wire_name(protocol, name, shape.members[name]) not in node:
            found.append(f"required {path}{name} is missing")
    return found


def judge_list(protocol, shape, node, path):
    if not isinstance(node, Tree):
        return [f"{path} is a list"]
    if set(node) != {str(i) for i in range(1, len(node) + 1)}:
        return [f"{path} is not numbered from 1 without gaps: {list(node)}"]
    return [p for key, below in node.items() for p in judge(protocol, shape.member, below, f"{path}{key}.")]


def form_problems(body):
    """Judge a form by the model of the service whose API version it names."""
    tree = Tree()
    try:
        for name, value in parse_qsl(body, keep_blank_values=True, strict_parsing=True):
            tree.put(name.split("."), value)
    except ValueError as e:
        return [str(e)]
    action, version = tree.pop("Action", None), tree.pop("Version", None)
    for model in (EC2, STS):
        if model.api_version == version and action in model.operation_names:
            shape = model.operation_model(action).input_shape
            return judge(model.metadata["protocol"], shape, tree, "") + beyond_the_model(tree)
    return [f"no service knows {action} of {version}"]


def beyond_the_model(tree):
    found = []
    if len(tree.get("ClientToken", "").encode()) > 64:
        found.append("ClientToken is over 64 bytes")
    if "UserData" in tree and len(base64.b64decode(tree["UserData"], validate=True)) > 16384:
        found.append("UserData is over 16 KB")
    if "MaxResults" in tree and "InstanceId" in tree:
        found.append("MaxResults together with InstanceId")
    return found


def judge_json(shape, given, path):
    """A JSON value by its shape."""
    if shape.type_name == "structure":
        if not isinstance(given, dict):
            return [f"{path or 'the body'} is no object"]
        found = [f"unknown member {path}{key}" for key in given if key not in shape.members]
        found += [f"required {path}{key} is missing" for key in shape.required_members if key not in given]
        return found + [p for key, value in given.items() if key in shape.members
                        for p in judge_json(shape.members[key], value, f"{path}{key}.")]
    if shape.type_name == "list":
        return [p for one in given for p in judge_json(shape.member, one, path)]
    if shape.type_name == "string":
        allowed = getattr(shape, "enum", [])
        if not isinstance(given, str) or (allowed and given not in allowed):
            return [f"{path} {given!r} is not one of {allowed}" if allowed else f"{path} is no string"]
    elif shape.type_name in ("integer", "long") and not isinstance(given, int):
        return [f"{path} is no integer"]
    return []


def json_problems(target, body):
    prefix, operation = target.split(".")
    for model in (SSM, PRICING):
        if prefix == model.metadata["targetPrefix"] and operation in model.operation_names:
            return judge_json(model.operation_model(operation).input_shape, json.loads(body), "")
    return [f"no service knows the target {target}"]


# ---- signatures ----

def authorization_by_botocore(request, service, region):
    headers = {k: v for k, v in request["headers"].items() if k.lower() in ("content-type", "x-amz-target")}
    copy = AWSRequest(method=request["method"], url=request["url"], headers=headers, data=request["body"])
    keys = Credentials(request["key"], request["secret"], request.get("token"))
    when = datetime.datetime.strptime(request["headers"]["X-Amz-Date"], "%Y%m%dT%H%M%SZ")
    clock = mock.patch("botocore.auth.datetime", **{"datetime.utcnow.return_value": when})
    if hasattr(botocore.auth, "get_current_datetime"):  # newer ones ask there what time it is
        clock = mock.patch("botocore.auth.get_current_datetime", return_value=when)
    with clock:
        botocore.auth.SigV4Auth(keys, service, region).add_auth(copy)
    return copy.headers["Authorization"]


def signature_problems(request):
    ours = request["headers"]["Authorization"]
    region, service = re.search(r"Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request,", ours).groups()
    theirs = authorization_by_botocore(request, service, region)
    return [] if ours == theirs else [f"ours is {ours}", f"botocore's is {theirs}"]


# ---- the run ----

def judge_requests(requests):
    seen = {}
    for r in requests:
        target = r["headers"].get("X-Amz-Target")
        action = target or dict(parse_qsl(r["body"]))["Action"]
        name = f"{r['scenario']}: {action}{' with a session token' if r.get('token') else ''}"
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            name += f" ({seen[name]})"
        report(f"parameters of {name}", json_problems(target, r["body"]) if target else form_problems(r["body"]))
        report(f"signature of {name}", signature_problems(r))


def control(name, problems, needle):
    report(f"control: {name}", [] if any(needle in p for p in problems) else [f"not noticed, found {problems}"])


def json_controls(requests):
    price = next(r for r in requests if "GetProducts" in r["headers"].get("X-Amz-Target", ""))
    for name, was, becomes, needle in (
            ("a misspelt member", '"Filters"', '"Filter"', "unknown member Filter"),
            ("a wrong kind of filter", "TERM_MATCH", "MATCH", "is not one of"),
            ("a filter without its value", '"Value"', '"Val"', "Value is missing")):
        control(f"price list: {name}", json_problems(price["headers"]["X-Amz-Target"], price["body"].replace(was, becomes)),
                needle)


def controls(requests):
    """What the judge must not let pass."""
    run = next(r["body"] for r in requests if r["scenario"] == "spot" and "Action=RunInstances" in r["body"])
    listing = next(r["body"] for r in requests if "Action=DescribeInstances" in r["body"] and "Filter" in r["body"])
    for name, was, becomes, needle in (
            ("the SDK's spelling of tags", "TagSpecification.", "TagSpecifications.", "unknown parameter TagSpec"),
            ("a misspelt parameter", "InstanceType=", "InstanceTyp=", "unknown parameter InstanceTyp"),
            ("a missing parameter", "&MinCount=1", "", "required MinCount"),
            ("a wrong type", "MaxCount=1", "MaxCount=one", "is no integer"),
            ("a wrong enumerator", "MarketType=spot", "MarketType=cheap", "is not one of"),
            ("a list numbered from 0", "TagSpecification.1.", "TagSpecification.0.", "numbered from 1"),
            ("a long token", "ClientToken=", "ClientToken=" + "x" * 60, "over 64"),
            ("a parameter given twice", "MaxCount=1", "MaxCount=1&MaxCount=1", "given twice"),
            ("an unknown action", "RunInstances", "StartInstance", "no service knows")):
        control(name, form_problems(run.replace(was, becomes)), needle)
    control("the SDK's spelling of a filter", form_problems(listing.replace(".Value.1", ".Values.1")), "unknown")
    for part in ("body", "secret"):
        forged = dict(requests[0], **{part: requests[0][part] + "&"})
        control(f"another {part} than was signed", signature_problems(forged), "botocore's")


def main():
    if not os.path.exists(TOOL):
        print(f"not ok aws_botocore: {TOOL} is not built")
        return 1
    run = subprocess.run([TOOL], stdout=subprocess.PIPE, check=False, timeout=60)
    if run.returncode != 0:
        print(f"not ok aws_requests: ended with {run.returncode}")
        return 1
    requests = [json.loads(line) for line in run.stdout.splitlines()]
    judge_requests(requests)
    controls(requests)
    json_controls(requests)
    return 1 if failures else 0


sys.exit(main())
