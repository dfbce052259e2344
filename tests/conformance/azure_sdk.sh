#!/bin/sh
# Our Azure requests against Microsoft's own SDK (npm/azure_sdk.js): needs node, the npm packages and the tool azure_requests.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
tool=${B:-build}/tests/conformance/azure_requests
modules=$(sh "$here/npm/install.sh") || {
    echo "SKIP azure_sdk: $modules"
    exit 0
}
[ -x "$tool" ] || {
    echo "not ok azure_sdk: $tool is not built"
    exit 1
}
requests=$(mktemp) || exit 1
trap 'rm -f "$requests"' EXIT
"$tool" >"$requests" || {
    echo 'not ok azure_requests: it failed'
    exit 1
}
node "$here/npm/azure_sdk.js" "$modules" "$requests"
