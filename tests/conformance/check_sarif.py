"""What `muster check --format sarif` prints, against the schema of SARIF 2.1.0: for every fixture and for files that
cannot be read. Then what the schema cannot say: rules and indices, columns in UTF-16, fixes that mend.

Needs muster in the build directory $B, and node with the packages of npm/.
"""
import copy
import glob
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "npm"))
import prism  # noqa: E402

MUSTER = os.path.abspath(os.path.join(os.environ.get("B", "build"), "muster"))
FIXTURES = os.path.join(HERE, "../fixtures")


def sarif(*files):
    done = subprocess.run([MUSTER, "check", "--format", "sarif", *files], capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def judge(modules, logs):
    """The problems of each log."""
    done = subprocess.run(["node", os.path.join(HERE, "sarif_judge.js"), modules], text=True, capture_output=True,
                          check=False, input="".join(json.dumps(log) + "\n" for log in logs))
    if done.returncode != 0:
        raise SystemExit(f"not ok sarif_judge: {done.stderr.strip()[:500]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def broken(log, edit):
    other = copy.deepcopy(log)
    edit(other["runs"][0])
    return other


def controls(log):
    """Logs that must not pass, and a word of what must be said of them."""
    return {
        "an unknown member": (broken(log, lambda r: r["results"][0].update(colour="red")), "additional"),
        "an unknown level": (broken(log, lambda r: r["results"][0].update(level="fatal")), "allowed values"),
        "no message": (broken(log, lambda r: r["results"][0].pop("message")), "message"),
        "no name of the tool": (broken(log, lambda r: r["tool"]["driver"].pop("name")), "name"),
        "column 0": (broken(log, lambda r: r["results"][0]["locations"][0]["physicalLocation"]["region"]
                            .update(startColumn=0)), ">= 1"),
        "an address with a blank": (broken(log, lambda r: r["results"][0]["locations"][0]["physicalLocation"]
                                           ["artifactLocation"].update(uri="a b.yml")), "uri-reference"),
        "another unit of columns": (broken(log, lambda r: r.update(columnKind="bytes")), "allowed values"),
        "a fix without changes": (broken(log, lambda r: r["results"][0].update(fixes=[{"artifactChanges": []}])),
                                  "fewer than 1"),
    }


def utf16(text, start, end):
    """The part of a line between two columns of UTF-16 code units."""
    return text.encode("utf-16-le")[2 * (start - 1):2 * (end - 1)].decode("utf-16-le")


def meaning_of_columns():
    """Columns count UTF-16: behind a character beyond the first plane the region is still the token."""
    path = os.path.join(FIXTURES, "check/wide.yml")
    lines = open(path, encoding="utf-8").read().split("\n")
    found = []
    for result in sarif(path)["runs"][0]["results"]:
        region = result["locations"][0]["physicalLocation"]["region"]
        found.append(utf16(lines[region["startLine"] - 1], region["startColumn"], region["endColumn"]))
    return [] if found == ["en-west-1", "regoin"] else [f"regions hold {found}"]


def meaning_of_fixes():
    """A file with all its fixes applied has no finding with a fix any more."""
    problems = []
    for path in (os.path.join(FIXTURES, "check/wide.yml"), os.path.join(FIXTURES, "check/grammar.yml")):
        lines = open(path, encoding="utf-8").read().split("\n")
        fixes = [f for r in sarif(path)["runs"][0]["results"] for f in r.get("fixes", [])]
        for change in sorted((f["artifactChanges"][0]["replacements"][0] for f in fixes),
                             key=lambda c: (c["deletedRegion"]["startLine"], c["deletedRegion"]["startColumn"]),
                             reverse=True):
            region = change["deletedRegion"]
            line = lines[region["startLine"] - 1].encode("utf-16-le")
            lines[region["startLine"] - 1] = (line[:2 * (region["startColumn"] - 1)] + change["insertedContent"]["text"]
                                              .encode("utf-16-le") + line[2 * (region["endColumn"] - 1):]
                                              ).decode("utf-16-le")
        with tempfile.NamedTemporaryFile("w", suffix=".yml", encoding="utf-8") as mended:
            mended.write("\n".join(lines))
            mended.flush()
            left = [r for r in sarif(mended.name)["runs"][0]["results"] if "fixes" in r]
        if not fixes or left:
            problems.append(f"{os.path.basename(path)}: {len(fixes)} fixes, {len(left)} findings with one are left")
    return problems


def main():
    try:
        modules = prism.modules()
    except prism.Missing as why:
        print(f"SKIP check_sarif: {why}")
        return 0
    files = sorted(glob.glob(os.path.join(FIXTURES, "check/*.yml")))
    logs = {os.path.basename(f): sarif(f) for f in files}
    logs["a file that is not there"] = sarif("/nowhere/no such file.yml")
    logs["a name to be encoded"] = sarif("/nowhere/ü [x]?#.yml", files[0])
    failed = 0
    checks = dict(zip(logs, judge(modules, list(logs.values())), strict=True))
    checks["columns"] = meaning_of_columns()
    checks["fixes"] = meaning_of_fixes()
    for name, problems in checks.items():
        failed += bool(problems)
        print(f"not ok sarif {name}: {'; '.join(problems)[:500]}" if problems else f"ok sarif {name}")
    wrong = controls(logs["meaning.yml"])
    for name, said in zip(wrong, judge(modules, [log for log, _ in wrong.values()]), strict=True):
        caught = wrong[name][1] in "; ".join(said)
        failed += not caught
        print(f"ok sarif control: {name}" if caught else f"not ok sarif control: {name}: {said} was said")
    return 1 if failed else 0


sys.exit(main())
