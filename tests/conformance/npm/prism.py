"""Requests judged by prism, a server made from an OpenAPI description: path, method, parameters, body, credentials.

    import prism
    with prism.Server("../shared/data/openapi/x.json") as server:      # Missing: it cannot run here, and why
        problems = server.judge({"method": "GET", "path": "/v1/x?y=1", "headers": {...}, "body": ""})

prism is heavy: one at a time on a machine, and it gets minutes to start. It passes over query parameters that the
description does not know, and over unknown members of a body that is described as one of several; judge does not.

For a whole script: prism.judge_all("digitalocean", "digitalocean.json", controls), see there.
"""
import fcntl
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from urllib.parse import parse_qsl, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
CACHE = os.path.join(HERE, "../../../build/cache/npm")
START_S = 180
PASSED_ON = ("accept", "content-type", "authorization", "user-agent")


class Missing(Exception):
    """Why nothing can be judged here."""


def modules():
    """The folder of the npm packages."""
    done = subprocess.run(["sh", os.path.join(HERE, "install.sh")], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(done.stdout.strip() or "the npm packages cannot be installed")
    return done.stdout.strip()


def description(name):
    """The path of a description that lies beside the repository; $OPENAPI_DIR instead."""
    folder = os.environ.get("OPENAPI_DIR") or os.path.join(HERE, "../../../../shared/data/openapi")
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        raise Missing(f"no description {name} here (set OPENAPI_DIR)")
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, path):
        self.program = os.path.join(modules(), "@stoplight/prism-cli/dist/index.js")
        with open(path, encoding="utf-8") as f:
            self.api = json.load(f)
        self.path, self.port, self.process = path, None, None

    def __enter__(self):
        self.lock = open(os.path.join(CACHE, "prism.lock"), "w", encoding="utf-8")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.log = tempfile.TemporaryFile("w+")
        self.port = free_port()
        self.process = subprocess.Popen(
            ["node", self.program, "mock", "--errors", "-h", "127.0.0.1", "-p", str(self.port), self.path],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        self.lock.close()

    def wait(self):
        """Until it answers; its own output tells why not."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.ask("GET", "/", {}, "")
                return
            except (OSError, http.client.HTTPException):
                time.sleep(0.2)
        self.log.seek(0)
        raise RuntimeError(f"prism did not start: {self.log.read()[-500:]}")

    def ask(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, body.encode() or None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def judge(self, request):
        """What is wrong with it, as sentences; an empty list is a pass."""
        headers = {k: v for k, v in request["headers"].items() if k.lower() in PASSED_ON}
        status, text = self.ask(request["method"], request["path"], headers, request.get("body") or "")
        problems = self.unknown(request)
        if 200 <= status < 300:
            return problems
        try:
            said = json.loads(text)
        except ValueError:
            said = {}
        # what it says of the response is about the description's own example
        said_of = [v for v in said.get("validation", []) if v.get("location", [""])[:1] != ["response"]]
        if said.get("validation") and not said_of:
            return problems
        found = [f"{'.'.join(map(str, v.get('location', [])))}: {v.get('message')}" for v in said_of]
        return problems + (found or [f"HTTP status {status}: {said.get('title', '')} {said.get('detail', '')}".strip()])

    def unknown(self, request):
        """Query parameters and top members of the body that the description does not name."""
        url = urlsplit(request["path"])
        for template, methods in self.api["paths"].items():
            pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
            operation = methods.get(request["method"].lower())
            if operation is None or not re.fullmatch(pattern, url.path):
                continue
            both = methods.get("parameters", []) + operation.get("parameters", [])
            known = {p["name"] for p in map(self.deref, both) if p["in"] == "query"}
            given = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
            problems = [f"query parameter {k} is unknown" for k, _ in given if k not in known]
            return problems + self.unknown_members(operation, request.get("body") or "")
        return []

    def unknown_members(self, operation, body):
        described = self.deref(operation.get("requestBody", {})).get("content", {}).get("application/json", {})
        known = self.members(described.get("schema", {}))
        try:
            given = json.loads(body)
        except ValueError:
            return []
        return [f"body.{k} is unknown" for k in given if known and isinstance(given, dict) and k not in known]

    def members(self, schema):
        """The names of all members that an object may have by this schema."""
        schema = self.deref(schema)
        names = set(schema.get("properties", {}))
        for part in schema.get("allOf", []) + schema.get("oneOf", []) + schema.get("anyOf", []):
            names |= self.members(part)
        return names

    def deref(self, node):
        while "$ref" in node:
            target = self.api
            for part in node["$ref"].lstrip("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node


def recorded(tool):
    """The requests that a tool of tests/conformance prints, those made more than once only once."""
    path = os.path.join(os.environ.get("B", "build"), "tests/conformance", tool)
    out = subprocess.run([path], check=True, capture_output=True, text=True, timeout=300).stdout
    seen, requests = set(), []
    for line in out.splitlines():
        request = json.loads(line)
        key = json.dumps([request["method"], request["path"], request["body"], request["scenario"]])
        if key not in seen:
            seen.add(key)
            requests.append(request)
    return requests


def judge_all(name, description_name, tool, controls, leave_out=lambda request: False):
    """Every request of the tool is judged but those to leave out (another service's), then the controls: pairs of (name,
    function that spoils a copy of the first request with a body, in which case prism must object). Prints the lines that
    tests/run.sh counts; the exit code."""
    try:
        server = Server(description(description_name))
    except Missing as missing:
        print(f"SKIP {name}: {missing}")
        return 0
    failures = 0

    def report(what, problems):
        nonlocal failures
        failures += bool(problems)
        print(f"not ok {name}__{what}: {'; '.join(problems)}" if problems else f"ok {name}__{what}", flush=True)

    requests = [r for r in recorded(tool) if not leave_out(r)]
    with server:
        for i, request in enumerate(requests):
            what = f"{request['scenario']} ({i + 1}): {request['method']} {urlsplit(request['path']).path}"
            report(f"a_request_is_as_described {what}", server.judge(request))
        sound = next(r for r in requests if r["body"])
        for what, spoil in controls:
            spoilt = dict(sound, headers=dict(sound["headers"]))
            spoil(spoilt)
            report(f"control {what}", [] if server.judge(spoilt) else ["nobody objected"])
    return 1 if failures else 0


def in_body(change):
    """A control that changes the decoded body."""
    def spoil(request):
        body = json.loads(request["body"])
        change(body)
        request["body"] = json.dumps(body)
    return spoil
