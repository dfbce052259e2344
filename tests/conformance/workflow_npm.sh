#!/bin/sh
# Our reading of GitHub's expressions and matrices against GitHub's own package (npm/workflow_judge.mjs): needs node 20, the
# npm packages and the tool workflow. SEED=N for other random cases.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
tool=${B:-build}/tests/conformance/workflow
modules=$(sh "$here/npm/install.sh") || {
    echo "SKIP workflow_npm: $modules"
    exit 0
}
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)' || {
    echo 'SKIP workflow_npm: node is older than 20, which @actions/expressions needs'
    exit 0
}
[ -x "$tool" ] || {
    echo "not ok workflow_npm: $tool is not built"
    exit 1
}
node "$here/npm/workflow_judge.mjs" "$modules" "$tool" "${SEED:-20261125}"
