#!/bin/sh
# The Windows bootstrap against an independent grammar of PowerShell (npm/powershell.js): needs node, the npm packages and
# the tool render_bootstrap. It proves that the rendered script parses, that a stranger's values stay values, and that
# every command in it is one that we meant; not that Windows does what we think.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
tool=${B:-build}/tests/e2e/render_bootstrap
modules=$(sh "$here/npm/install.sh") || {
    echo "SKIP powershell: $modules"
    exit 0
}
[ -x "$tool" ] || {
    echo "not ok powershell: $tool is not built"
    exit 1
}
exec node "$here/npm/powershell.js" "$modules" "$tool"
