#!/bin/sh
# The npm packages that our requests are checked against, into build/cache/npm; prints their node_modules. What is there
# already is kept. When they cannot be had it prints why and fails: the caller skips, saying so.
#
#     modules=$(sh tests/conformance/npm/install.sh) || skip "$modules"
#
# To change a version: edit package.json, then in a copy of this folder
#     npm install --ignore-scripts --omit-lockfile-registry-resolved
# and copy package-lock.json back. It names versions and checksums, no addresses. Everything has to run on Node 18.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
into=$here/../../../build/cache/npm

give_up() {
    echo "$1"
    exit 1
}
command -v node >/dev/null || give_up 'node is not installed'
node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 18 ? 0 : 1)' || give_up 'node is older than 18'
mkdir -p "$into" || give_up 'build/cache cannot be written'
into=$(cd "$into" && pwd) || exit 1

# One installs, the others wait and find it.
exec 9>"$into/lock"
flock 9
if ! cmp -s "$here/package-lock.json" "$into/installed"; then
    command -v npm >/dev/null || give_up 'npm is not installed'
    rm -rf "$into/installed" "$into/node_modules"
    cp "$here/package.json" "$here/package-lock.json" "$into/" || give_up 'build/cache cannot be written'
    (cd "$into" && timeout 600 npm ci --ignore-scripts --no-audit --no-fund --prefer-offline 9>&-) >"$into/log" 2>&1 ||
        give_up "npm cannot install the packages: $(grep -m 1 -i 'err' "$into/log" | cut -c 1-200)"
    cp "$here/package-lock.json" "$into/installed"
fi
echo "$into/node_modules"
