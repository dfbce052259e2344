#!/usr/bin/env bash
# The daemon under valgrind: real settings, signed and forged deliveries, jobs whose GitHub cannot be reached, every page
# of both listeners, then SIGTERM. No leak and no invalid access may be left.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
skip() {
    echo "SKIP valgrind: $1"
    exit 0
}
command -v valgrind >/dev/null || skip 'valgrind is missing'
make -s B="$B" "$B/muster" >/dev/null || { echo 'not ok valgrind: muster does not build'; exit 1; }

work=$(mktemp -d)
daemon=
trap '[ -z "$daemon" ] || kill -9 "$daemon" 2>/dev/null; rm -rf "$work"' EXIT
openssl genrsa -traditional -out "$work/app.pem" 2048 2>/dev/null

env -i PATH="$PATH" MUSTER_LISTEN=127.0.0.1:0 MUSTER_ADMIN_LISTEN=127.0.0.1:0 MUSTER_STORE="sqlite:$work/muster.db" \
    MUSTER_GITHUB_APP_ID=1 MUSTER_GITHUB_PRIVATE_KEY_FILE="$work/app.pem" MUSTER_WEBHOOK_SECRET=e2e-secret \
    GITHUB_API_URL=http://127.0.0.1:9 AWS_REGION=eu-west-1 AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=y \
    valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite,indirect,possible --error-exitcode=99 \
    --log-file="$work/valgrind.%p" "$B/muster" serve 2>"$work/log" &
daemon=$!
until grep -q server.started "$work/log"; do
    kill -0 "$daemon" 2>/dev/null || { echo "not ok valgrind: the daemon did not start: $(tail -n 1 "$work/log")"; exit 1; }
    sleep 0.1
done
field() {
    sed -n "s/.*\"event\":\"server.started\".*\"$1\":\([0-9]*\).*/\1/p" "$work/log"
}
port=$(field port) admin=$(field admin_port)

deliver() { # ID LABEL ACTION SECRET
    printf '{"action":"%s","installation":{"id":7},"repository":{"id":5,"full_name":"o/r","default_branch":"main"},"workflow_job":{"id":%s,"run_id":9,"run_attempt":1,"status":"%s","head_sha":"0123456789012345678901234567890123456789","name":"train","labels":["%s"],"runner_name":null,"conclusion":null}}' \
        "$3" "$1" "$3" "$2" >"$work/body"
    curl -s -m 60 -o /dev/null -w '%{http_code}\n' -H "X-GitHub-Event: workflow_job" -H "X-GitHub-Delivery: valgrind-$1-$3" \
        -H "X-Hub-Signature-256: sha256=$(openssl dgst -sha256 -hmac "$4" -r "$work/body" | cut -d' ' -f1)" \
        -H 'Content-Type: application/json' --data-binary "@$work/body" "http://127.0.0.1:$port/webhook"
}
codes=
for i in 1 2 3 4 5; do
    codes+=" $(deliver "$i" cirun-gpu queued e2e-secret)"
    codes+=" $(deliver "$i" cirun-gpu queued e2e-secret)"
    codes+=" $(deliver "$i" cirun-gpu queued a-forger)"
    codes+=" $(deliver "$i" cirun-gpu completed e2e-secret)"
done
for page in "$port/healthz" "$port/readyz" "$port/nothing" "$admin/metrics" "$admin/healthz"; do
    codes+=" $(curl -s -m 60 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$page")"
done
want="$(for _ in 1 2 3 4 5; do printf ' 202 200 401 202'; done) 200 200 404 200 200"
failed=0
if [ "$codes" = "$want" ]; then
    echo 'ok the_daemon_answers_under_valgrind'
else
    echo "not ok the_daemon_answers_under_valgrind: answered$codes, not$want"
    failed=1
fi
kill "$daemon"
wait "$daemon"
code=$?
daemon=
if [ "$code" = 0 ] && ! grep -q . "$work"/valgrind.*; then
    echo 'ok no_leak_and_no_invalid_access_at_exit'
else
    echo "not ok no_leak_and_no_invalid_access_at_exit: ended with $code"
    cat "$work"/valgrind.* | head -n 60
    failed=1
fi
exit "$failed"
