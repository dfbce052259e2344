#!/usr/bin/env bash
# What deploy/ offers is accepted by the programs that will read it.
# shellcheck disable=SC2317
set -u
cd "$(dirname "$0")/../.." || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
check() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >"$work/out" 2>&1; then
        echo "ok $name"
    else
        echo "not ok $name: $(tail -n 3 "$work/out" | tr '\n' ' ')"
        failed=1
    fi
}

if command -v systemd-analyze >/dev/null; then
    # The program need not be installed to read the unit.
    sed 's|/usr/local/bin/muster|/bin/true|' deploy/muster.service >"$work/muster.service"
    verify() {
        systemd-analyze verify "$work/muster.service" && [ ! -s "$work/out" ]
    }
    check systemd_accepts_the_unit verify
    exposure() {
        systemd-analyze security --offline=true --no-pager --threshold=15 "$work/muster.service"
    }
    check the_unit_is_hardened exposure
else
    echo 'SKIP deploy_files: systemd-analyze is missing'
fi

compose() {
    /usr/bin/python3 - <<'PY'
import sys, yaml
services = yaml.safe_load(open("deploy/compose.yaml"))["services"]
muster = services["muster"]
assert muster["read_only"] and muster["cap_drop"] == ["ALL"] and "no-new-privileges:true" in muster["security_opt"]
assert muster["ulimits"]["core"] == 0, "core dumps would hold keys"
assert "ports" not in muster, "only Caddy faces the world"
inline = [k for k, v in muster["environment"].items() if "${" not in v and "secret" in k.lower() and not k.endswith("_FILE")]
assert not inline, inline
PY
}
if /usr/bin/python3 -c 'import yaml' 2>/dev/null; then
    check compose_keeps_muster_locked_in compose
else
    echo 'SKIP deploy_files: python3-yaml is missing'
fi

# Debian's Caddy, unpacked but not installed: an installation would start it.
caddy=$(command -v caddy || echo build/cache/caddy/usr/bin/caddy)
if [ ! -x "$caddy" ]; then
    mkdir -p build/cache/caddy
    (cd "$work" && apt-get -qq download caddy >/dev/null 2>&1) && dpkg -x "$work"/caddy_*.deb build/cache/caddy
fi
if [ -x "$caddy" ]; then
    check caddy_accepts_its_file env HOME="$work" MUSTER_HOST=muster.example.com \
        "$caddy" validate --adapter caddyfile --config deploy/Caddyfile
else
    echo 'SKIP deploy_files: caddy is missing and cannot be downloaded'
fi
exit "$failed"
