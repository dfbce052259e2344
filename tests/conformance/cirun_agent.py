#!/usr/bin/env python3
"""The published cirun-agent itself against our listener, on loopback. meda, ssh and scp are doubles: VMs are directories.

The agent is no package of Debian: name one with CIRUN_AGENT=PATH, or have cirun-agent in PATH. Without it this skips.
"""
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NAME = "cirun_agent"
PORT = 7777  # fixed in the agent
TOKEN = "a-token-of-agents"
VM = "cirun-74cd18c0-"
FAILURE = "no such image: it was never pushed"


class Meda(http.server.BaseHTTPRequestHandler):
    """What the agent asks of `meda serve`: VMs are directories of PLACE/vms; PLACE/fail makes creation fail."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, code, what):
        body = json.dumps(what).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @property
    def vms(self):
        return os.path.join(os.environ["PLACE"], "vms")

    @staticmethod
    def info(name):
        return {"name": name, "state": "running", "ip": "vm-" + name, "memory": "4G", "cpus": 2}

    def do_GET(self):
        name = self.path.removeprefix("/api/v1/vms").strip("/")
        if not name:
            self.answer(200, {"vms": [self.info(n) for n in sorted(os.listdir(self.vms))]})
        elif os.path.isdir(os.path.join(self.vms, name)):
            self.answer(200, self.info(name))
        else:
            self.answer(404, {"error": "not found"})

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with open(os.path.join(os.environ["PLACE"], "created"), "a") as f:
            f.write(json.dumps(asked) + "\n")
        if os.path.exists(os.path.join(os.environ["PLACE"], "fail")):
            self.answer(500, {"error": FAILURE})
            return
        os.makedirs(os.path.join(self.vms, asked["name"], "var/tmp"))
        self.answer(200, {"success": True})

    def do_DELETE(self):
        shutil.rmtree(os.path.join(self.vms, self.path.rsplit("/", 1)[1]), ignore_errors=True)
        self.answer(200, {"success": True})


SCP = """#!/bin/bash
to=${*: -1} from=${*: -2:1} vm=${to#*@vm-}
cp "$from" "$PLACE/vms/${vm%%:*}/script.sh"
"""
# What would run detached under sudo runs at once, with the VM's directory for its root.
SSH = """#!/bin/bash
command=${*: -1} to=${*: -2:1}
vm=$PLACE/vms/${to#*@vm-}
case $command in
*nohup*) echo "$command" >>"$PLACE/commands"; MUSTER_ROOT=$vm VM=$vm bash "$vm/script.sh" ;;
*) echo connected ;;
esac
"""
SCRIPT = '#!/bin/bash\nmkdir "$MUSTER_ROOT/var/tmp/muster.once" || exit 0\necho ran >>"$VM/runs"\n'


def say(ok, what, why=""):
    print(f"ok {NAME} {what}" if ok else f"not ok {NAME} {what}: {why}", flush=True)
    return ok


class Bed:
    def __init__(self, agent):
        self.place = tempfile.mkdtemp(prefix="muster-agent-")
        self.agent_path = agent
        os.makedirs(self.place + "/vms")
        os.makedirs(self.place + "/bin")
        os.makedirs(self.place + "/.meda/ssh")
        self.write("bin/scp", SCP)
        self.write("bin/ssh", SSH)
        self.write("script", SCRIPT)
        shutil.copy(os.path.abspath(__file__), self.place + "/.meda/meda")
        os.chmod(self.place + "/.meda/meda", 0o755)
        self.log = open(self.place + "/log", "wb")
        self.server = subprocess.Popen([os.environ.get("B", "build") + "/tests/e2e/agent", TOKEN], text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.port = int(self.server.stdout.readline())
        self.agent = None

    def write(self, path, text):
        with open(os.path.join(self.place, path), "w") as f:
            f.write(text)
        os.chmod(os.path.join(self.place, path), 0o755)

    def ask(self, line):
        self.server.stdin.write(line + "\n")
        self.server.stdin.flush()
        return self.server.stdout.readline().strip()

    def start(self, token=TOKEN):
        env = {"HOME": self.place, "PLACE": self.place, "PATH": self.place + "/bin:/usr/bin:/bin", "HOSTNAME": "host-1",
               "CIRUN_API_URL": f"http://127.0.0.1:{self.port}/api/v1", "NO_PROXY": "*"}
        self.agent = subprocess.Popen([self.agent_path, "--api-token", token, "--interval", "1"], env=env,
                                      stdout=self.log, stderr=self.log, start_new_session=True)

    def kill(self):
        if self.agent is not None:
            self.agent.kill()
            self.agent.wait()
            self.agent = None

    def close(self):
        self.kill()
        try:
            os.kill(int(self.read(".meda/pid")), signal.SIGTERM)
        except (OSError, ValueError):
            pass
        self.server.stdin.close()
        self.server.wait(20)
        self.log.close()
        shutil.rmtree(self.place, ignore_errors=True)

    def read(self, path):
        try:
            with open(os.path.join(self.place, path), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def until(self, what, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if what():
                return True
            time.sleep(0.1)
        return False

    def reaches(self, machine, stage, seconds=60):
        return self.until(lambda: self.ask("look " + machine).split(" ")[0] == stage, seconds)

    def polls(self, n):
        """So many more polls were answered."""
        seen = self.read("log").count("Attempted runners to provision")
        return self.until(lambda: self.read("log").count("Attempted runners to provision") >= seen + n)


def run(bed):
    failed = 0

    def check(ok, what):
        nonlocal failed
        tail = bed.read("log")[-400:].replace("\n", " | ")
        failed += not say(ok, what, f"look muster-1: {bed.ask('look muster-1')}; log ends: {tail}")

    bed.start("another-token")
    check(bed.until(lambda: "401" in bed.read("log")) and bed.ask("live") == "0", "a_wrong_token_connects_nobody")
    bed.kill()
    bed.start()
    check(bed.until(lambda: bed.ask("live") == "1"), "the_published_agent_is_connected")
    check(bed.ask(f"want muster-1 {bed.place}/script") == "ok" and bed.reaches("muster-1", "here"),
          "it_provisions_what_is_wanted")
    bed.until(lambda: bed.read(f"vms/{VM}muster-1/runs") != "")
    bed.polls(4)
    check(bed.read(f"vms/{VM}muster-1/runs") == "ran\n" and bed.read("created").count("\n") == 1,
          "once_and_its_script_once")
    asked = json.loads(bed.read("created") or "{}")
    check(asked == {"image": "ghcr.io/cirunlabs/ubuntu:24.04", "name": VM + "muster-1", "memory": "4G", "cpus": 2,
                    "disk": "20G"} or asked.get("disk_size") == "20G", "with_the_size_that_was_asked_for")
    check("sudo nohup bash" in bed.read("commands"), "the_script_is_started_as_root")
    bed.kill()
    bed.start()
    check(bed.polls(3) and bed.reaches("muster-1", "here") and bed.read(f"vms/{VM}muster-1/runs") == "ran\n",
          "started_anew_it_leaves_its_vms_alone")
    os.makedirs(f"{bed.place}/vms/cirun-template-x")
    check(bed.ask("end muster-1") == "ok" and bed.reaches("muster-1", "gone") and
          os.listdir(bed.place + "/vms") == ["cirun-template-x"], "it_deletes_what_was_ended_and_nothing_else")
    bed.write("fail", "")
    check(bed.ask(f"want muster-2 {bed.place}/script") == "ok" and bed.reaches("muster-2", "failed", 120),
          "it_tries_again_and_gives_up")
    look = bed.ask("look muster-2")
    check(look.startswith("failed 3 agent host-1: ") and bed.read("created").count("muster-2") == 3,
          "after_three_tries_in_its_own_words")
    return failed


def main():
    agent = os.environ.get("CIRUN_AGENT") or shutil.which("cirun-agent")
    if agent is None:
        print(f"SKIP {NAME}: cirun-agent is not installed (CIRUN_AGENT=PATH names one)")
        return 0
    with socket.socket() as s:
        if s.connect_ex(("127.0.0.1", PORT)) == 0:
            print(f"SKIP {NAME}: port {PORT}, where the agent looks for meda, is in use")
            return 0
    bed = Bed(agent)
    try:
        return 1 if run(bed) else 0
    finally:
        bed.close()


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        with open(os.path.join(os.environ["HOME"], ".meda/pid"), "w") as f:
            f.write(str(os.getpid()))
        http.server.ThreadingHTTPServer(("127.0.0.1", PORT), Meda).serve_forever()
    sys.exit(main())
