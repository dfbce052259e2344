"""Our exchanges for Google's access tokens against Google's own library (npm google-auth-library): both ask the same
local endpoint by the same file, and what they send is compared.

Needs node, the npm packages, openssl, and the tool gcp_token in the build directory $B.
"""
import base64
import http.server
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from urllib.parse import parse_qsl

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "npm"))
import prism  # noqa: E402

TOOL = os.path.join(os.environ.get("B", "build"), "tests/conformance/gcp_token")
# What Google's library takes for the audience, whatever the file says.
AUDIENCE = "https://www.googleapis.com/oauth2/v4/token"
failures = 0


def report(name, problems):
    global failures
    failures += bool(problems)
    print(f"not ok gcp_tokens__{name}: {'; '.join(problems)}" if problems else f"ok gcp_tokens__{name}", flush=True)


def skip(why):
    print(f"SKIP gcp_tokens: {why}")
    sys.exit(0)


class Endpoint(http.server.BaseHTTPRequestHandler):
    """Answers as Google's token endpoint does, and keeps what it was asked."""
    asked = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.asked.append((self.headers.get("Content-Type", "").split(";")[0], dict(parse_qsl(body, strict_parsing=True))))
        answer = json.dumps({"access_token": "ya29.given", "expires_in": 3599, "token_type": "Bearer"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def part(jwt, n):
    text = jwt.split(".")[n]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def exchange(command, env=None):
    """What a program prints, and the one request that it made meanwhile."""
    Endpoint.asked.clear()
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, env=env, check=False)
    if done.returncode != 0 or len(Endpoint.asked) != 1:
        raise RuntimeError(f"{command[0]} ended with {done.returncode} after {len(Endpoint.asked)} requests: {done.stderr}")
    return done.stdout.strip(), Endpoint.asked[0]


def differences(ours, theirs, names):
    return [f"{n} is {ours.get(n)!r}, theirs {theirs.get(n)!r}" for n in names if ours.get(n) != theirs.get(n)]


def compare_service_account(file, url, node):
    token, (kind, form) = exchange([TOOL, file, url])
    jwt = form["assertion"]
    said, (their_kind, their_form) = exchange([*node, file, url, jwt], ENV)
    said = json.loads(said)
    theirs = their_form["assertion"]
    report("the_exchange_is_that_of_googles_library",
           differences(form, their_form, ["grant_type"]) + differences({"type": kind}, {"type": their_kind}, ["type"])
           + ([] if set(form) == set(their_form) else [f"fields {sorted(form)}, theirs {sorted(their_form)}"])
           + ([] if token == said["token"] == "ya29.given" else ["not the token that was given"]))
    report("the_claims_are_those_of_googles_library",
           differences(part(jwt, 1), part(theirs, 1), sorted(set(part(jwt, 1)) | set(part(theirs, 1)))))
    report("the_algorithm_is_that_of_googles_library", differences(part(jwt, 0), part(theirs, 0), ["alg"]))
    report("the_token_stands_before_googles_verifier", [] if said["verified"] else ["its signature does not hold"])
    report("googles_signer_makes_the_same_token_of_the_same_claims",
           [] if said["resigned"] == jwt else [f"ours {jwt[-40:]}, theirs {said['resigned'][-40:]}"])
    spoilt = jwt[:-4] + ("AAAA" if jwt[-4:] != "AAAA" else "BBBB")
    said, _ = exchange([*node, file, url, spoilt], ENV)
    report("control a spoilt signature does not stand", ["nobody objected"] if json.loads(said)["verified"] else [])


def compare_user(file, url, node):
    token, (kind, form) = exchange([TOOL, file, url])
    said, (their_kind, their_form) = exchange([*node, file, url, ""], ENV)
    report("a_users_exchange_is_that_of_googles_library",
           differences(form, their_form, sorted(set(form) | set(their_form)))
           + differences({"type": kind}, {"type": their_kind}, ["type"])
           + ([] if token == json.loads(said)["token"] else ["not the token that was given"]))


if not shutil.which("openssl"):
    skip("openssl is not installed")
try:
    ENV = dict(os.environ, NODE_PATH=prism.modules())
except prism.Missing as missing:
    skip(missing)
with tempfile.TemporaryDirectory() as folder, http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endpoint) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/token"
    script = ["node", os.path.join(HERE, "npm/google_token.js")]
    pem = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
                         capture_output=True, text=True, check=True).stdout
    account, user = os.path.join(folder, "account.json"), os.path.join(folder, "user.json")
    with open(account, "w", encoding="utf-8") as f:
        json.dump({"type": "service_account", "project_id": "p", "private_key_id": "key-1", "private_key": pem,
                   "client_email": "muster@p.iam.gserviceaccount.com", "token_uri": AUDIENCE}, f)
    with open(user, "w", encoding="utf-8") as f:
        json.dump({"type": "authorized_user", "client_id": "the-client.apps.example", "client_secret": "a+b/c=&d",
                   "refresh_token": "1//0g refresh"}, f)
    compare_service_account(account, address, script)
    compare_user(user, address, script)
    server.shutdown()
sys.exit(1 if failures else 0)
