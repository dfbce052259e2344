"""What we hand a container of Vast.ai as its arguments, run by a real bash: the user-data arrives whole, and a container
asks for its own end with the key that its environment holds.

Needs bash, base64 and curl, and the tool vast_ai_requests in the build directory $B.
"""
import base64
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading

TOOL = os.path.join(os.environ.get("B", "build"), "tests/conformance/vast_ai_requests")
NAME = "vast_ai_container"
KEY = "key-of-one-container"

for program in ("bash", "base64", "curl"):
    if shutil.which(program) is None:
        print(f"SKIP {NAME}: {program} is not installed")
        sys.exit(0)


class Api(http.server.BaseHTTPRequestHandler):
    """Vast.ai: takes the end of one instance, at the second try."""
    asked = []

    def do_DELETE(self):  # noqa: N802
        self.asked.append((self.path, self.headers.get("Authorization")))
        self.send_response(429 if len(self.asked) == 1 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def arguments():
    """Of the containers in the tool's requests, by scenario."""
    out = subprocess.run([TOOL], check=True, capture_output=True, text=True, timeout=300).stdout
    requests = [json.loads(line) for line in out.splitlines()]
    bodies = {r["scenario"]: json.loads(r["body"]) for r in requests if r["method"] == "PUT"}
    return {scenario: body["args"] for scenario, body in bodies.items() if "args" in body}


def run(args, url, **env):
    """The arguments as they are, but for the address in the script."""
    packed = re.fullmatch(r"exec bash <\(echo ([A-Za-z0-9+/=]+) \| base64 -d\)", args[2]).group(1)
    script = re.sub(r"(?m)^export MUSTER_VAST_URL='[^']*'$", f"export MUSTER_VAST_URL='{url}'",
                    base64.b64decode(packed).decode())
    again = args[2].replace(packed, base64.b64encode(script.encode()).decode())
    return subprocess.run([args[0], args[1], again], env={"PATH": os.environ["PATH"], **env}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120, check=False)


def report(what, wanted, got):
    good = wanted == got
    print(f"ok {NAME}__{what}" if good else f"not ok {NAME}__{what}: wanted {wanted!r}, got {got!r}", flush=True)
    return 0 if good else 1


server = http.server.HTTPServer(("127.0.0.1", 0), Api)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}"
scripts = arguments()
failures = 0
said = ["container 1", "quotes ' \" $ \\ survive"]

done = run(scripts["own end"], address)
failures += report("user_data_arrives_as_it_is", (0, said), (done.returncode, done.stdout.splitlines()))
failures += report("outside_of_vast_nobody_is_asked", [], Api.asked)
done = run(scripts["own end"], address, CONTAINER_ID="12", CONTAINER_API_KEY=KEY)
failures += report("a_container_asks_for_its_own_end_until_it_is_granted",
                   [("/api/v0/instances/12/", f"Bearer {KEY}")] * 2, Api.asked)
failures += report("its_key_shows_in_no_output", False, KEY in done.stdout + done.stderr)
failures += report("the_longest_user_data_runs", "long\n", run(scripts["long"], address).stdout)
server.shutdown()
server.server_close()
sys.exit(1 if failures else 0)
