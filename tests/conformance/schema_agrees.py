"""The JSON Schemas of .cirun.yml and .access.yml and their readers must give the same verdict: on every fixture and on thousands of mutations.

Independent validators (python3-jsonschema, and ajv, which editors use) judge what the reader's own YAML reader made of the
text, as the tool cirun_schema of the build directory $B prints it. MUTATIONS=N tries as many; SEED=N another course.
"""
import copy
import json
import os
import random
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FIXTURES = os.path.join(ROOT, "tests/fixtures")
SHARED = os.environ.get("MUSTER_TEST_DATA", os.path.join(ROOT, "../shared/data"))

try:
    import jsonschema
except ImportError:
    print("SKIP schema_agrees: python3-jsonschema is not installed")
    sys.exit(0)

# What values are changed to: every kind, at the edges of what keys take.
POOL = ["~", "", "true", "no", "'yes'", "0", "1", "-1", "64", "65", "08", "'8'", "1.5", "101", "4095", "4096", "65536", "65537", "10080",
        "10081", "9999.99", "10000", "text", "''", "[]", "{}", "[a]", "[[a]]", "{a: b}", "[~]", "['']", "aws", "gcp", "azure", "do", "on_prem",
        "openstack", "vast_ai", "24GB", "24 gib", "1025GB", "6h", "1h30m", "30m1h", "90", "fastest", "gp3", "docker", "mon-fri", "sat - mon, wed",
        "9-17", "24-1", "9-9", "[mon, tue]", "a:b", "1e3", "0x10", "null", "'null'", "runner_allocated", "pull_from_api", "[true, off]",
        "{publisher: a, offer: b, sku: c, version: 1}", "{DeviceName: a}", "[{DeviceName: a}]", "[{a: b}, {c: d}]", "{diskSizeGb: 5}"]
KEYS = ["name", "cloud", "gpu", "instance_type", "machine_image", "region", "preemptible", "labels", "idle", "extra_config", "muster", "count",
        "workflow", "run_only_when_triggered_by", "setup_info", "runners", "replicas", "schedule", "usage_based", "env_vars", "baseDisk",
        "version", "policies", "access_control", "id", "repo", "teams", "users", "pull_request", "resource",
        "BlockDeviceMappings", "storageProfile", "executor", "gpus", "gpu_memory", "lifetime", "max_hourly_price", "zzz", "detail", "A_B", "1A"]


def full(pattern):
    """ECMA's $ is the end; Python's is also before a last newline."""
    return re.sub(r"(?<!\\)\$", r"\\Z", pattern)


def pattern(validator, wanted, instance, schema):
    if isinstance(instance, str) and re.search(full(wanted), instance) is None:
        yield jsonschema.ValidationError("%r does not match %r" % (instance[:80], wanted))


def validator_of(schema):
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": pattern})(schema)


class Reader:
    def __init__(self):
        tool = os.path.join(os.environ.get("B", "build"), "tests/conformance/cirun_schema")
        self.process = subprocess.Popen([tool], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def judge(self, text, language="cirun"):
        self.process.stdin.write(json.dumps({"text": text, "access": language == "access"}).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Ajv:
    """The second opinion; none where node or the package is missing."""

    def __init__(self, path):
        npm = os.path.join(ROOT, "tests/conformance/npm")
        found = subprocess.run(["sh", os.path.join(npm, "install.sh")], capture_output=True, text=True, check=False)
        self.missing = found.stdout.strip() if found.returncode else None
        self.process = None if self.missing else subprocess.Popen(
            ["node", os.path.join(npm, "schema_judge.js"), found.stdout.strip(), path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def is_valid(self, document):
        self.process.stdin.write(json.dumps(document).encode() + b"\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == b"true\n"


def disagreement(validator, verdict, ajv=None):
    """None, or what they say. What no schema can see is no disagreement."""
    if not verdict["yaml"] or verdict["odd"] or verdict["beyond"]:
        return None
    accepts = validator.is_valid(verdict["document"])
    if ajv is not None and ajv.is_valid(verdict["document"]) != accepts:
        return "jsonschema %s, ajv does not" % ("accepts" if accepts else "refuses")
    if accepts == verdict["accepted"]:
        return None
    why = "" if accepts else "; ".join(e.message[:200] for e in validator.iter_errors(verdict["document"]))
    return "the schema %s, the reader says %s %s" % ("accepts" if accepts else "refuses", verdict["rules"] or "nothing", why)


def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read()


def fixtures(language):
    for kind in ("good", "odd", "bad"):
        folder = os.path.join(FIXTURES, language + "-yml", kind)
        for name in sorted(os.listdir(folder)):
            yield kind, name, read(os.path.join(folder, name))


def shared_files(language):
    folder = os.path.join(SHARED, language + "-yml")
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [(n, read(os.path.join(folder, n))) for n in names if n.endswith(".yml")]


def change_line(rng, lines):
    """One change of one line; a change that is no YAML any more is wasted, so most keep the form."""
    i = rng.randrange(len(lines))
    line = lines[i]
    how = rng.randrange(8)
    if how == 0:
        del lines[i]
    elif how == 1:
        lines.insert(i, line)
    elif how == 2:
        k = rng.randrange(len(lines))
        lines[i], lines[k] = lines[k], line
    elif how == 3:
        lines[i] = re.sub(r"[A-Za-z_]+(?=:)", lambda m: rng.choice(KEYS), line, count=1)
    elif how == 4 and line:
        k = rng.randrange(len(line))
        lines[i] = line[:k] + chr(rng.choice([32, 35, 44, 58, 48, 97, 91, 93, 123, 125, 34, 39, 45])) + line[k + 1:]
    elif how == 5:
        parts = re.findall(r"[A-Za-z_]+: ?[^,{}\[\]]*", line)
        if parts:
            part = rng.choice(parts)
            lines[i] = line.replace(part, part.split(":")[0] + ": " + rng.choice(POOL), 1)
    else:
        lines[i] = re.sub(r": .*$", lambda m: ": " + rng.choice(POOL), line, count=1)


def mutated(rng, text):
    lines = text.split("\n")
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if lines:
            change_line(rng, lines)
    return "\n".join(lines)


def report(name, failures, note=""):
    for f in failures[:10]:
        print("  " + f)
    print("%s schema_agrees__%s%s" % ("not ok" if failures else "ok", name, note if not failures else ": %d disagree" % len(failures)))
    return bool(failures)


def on_fixtures(language, validator, reader, ajv):
    failures = []
    for kind, name, text in fixtures(language):
        verdict = reader.judge(text, language)
        why = disagreement(validator, verdict, ajv)
        if verdict["accepted"] != (kind != "bad"):
            why = "the reader says %s" % verdict["rules"]
        if why:
            failures.append("%s/%s: %s" % (kind, name, why))
    return report(language + "_on_every_fixture", failures)


def on_shared(language, validator, reader):
    shared = [(n, disagreement(validator, reader.judge(t, language))) for n, t in shared_files(language)]
    if not shared:
        print("SKIP schema_agrees__%s_on_real_files: there is no %s/%s-yml" % (language, SHARED, language))
        return False
    return report(language + "_on_real_files", ["%s: %s" % (n, d) for n, d in shared if d])


def on_mutations(language, validator, reader, texts, n, ajv):
    rng, failures, counts = random.Random(int(os.environ.get("SEED", "4"))), [], {"accepted": 0, "refused": 0, "not compared": 0}
    for _ in range(n):
        text = mutated(rng, rng.choice(texts))
        verdict = reader.judge(text, language)
        compared = verdict["yaml"] and not verdict["odd"] and not verdict["beyond"]
        counts["not compared" if not compared else "accepted" if verdict["accepted"] else "refused"] += 1
        why = disagreement(validator, verdict, ajv)
        if why:
            failures.append("%s\n%s" % (why, "\n".join("    | " + line for line in text.split("\n"))))
    return report(language + "_on_mutations", failures, " # " + ", ".join("%d %s" % (n, k) for k, n in counts.items()))


def weakened(language, schema):
    """A schema that accepts more than the reader: it must be found out."""
    weaker = copy.deepcopy(schema)
    if language == "cirun":
        del weaker["properties"]["runners"]["items"]["properties"]["cloud"]["enum"]
    else:
        del weaker["additionalProperties"]
    return weaker


def main():
    reader, bad, mutations = Reader(), False, int(os.environ.get("MUTATIONS", "4000"))
    for language in ("cirun", "access"):
        path = os.path.join(ROOT, "deploy/schema/%s.schema.json" % language)
        with open(path, encoding="utf-8") as f:
            schema = json.load(f)
        validator, ajv = validator_of(schema), Ajv(path)
        if ajv.missing is not None:
            print("SKIP schema_agrees__%s_with_ajv: %s" % (language, ajv.missing))
            ajv = None
        texts = [t for _, _, t in fixtures(language)]
        bad |= on_fixtures(language, validator, reader, ajv)
        bad |= on_shared(language, validator, reader)
        weaker = validator_of(weakened(language, schema))
        found = [t for t in texts if disagreement(weaker, reader.judge(t, language))]
        bad |= report(language + "_a_weaker_schema_is_found_out", [] if found else ["no fixture tells it from the true one"])
        bad |= on_mutations(language, validator, reader, texts, mutations if language == "cirun" else mutations // 2, ajv)
    return 1 if bad else 0


sys.exit(main())
