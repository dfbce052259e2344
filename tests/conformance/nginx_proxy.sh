#!/usr/bin/env bash
# The public listener behind Debian's real nginx on loopback: bodies buffered by the proxy and passed on as they come,
# connections kept on both sides, the client's address, limits of size and time. Needs no network.
set -u
cd "$(dirname "$0")/../.." || exit 1
B=${B:-build}
name=nginx_proxy
nginx=$(command -v nginx || echo /usr/sbin/nginx)
[ -x "$nginx" ] || { echo "SKIP $name: nginx is not installed (apt-get install nginx-light)"; exit 0; }
command -v openssl >/dev/null || { echo "SKIP $name: openssl is not installed"; exit 0; }
make -s B="$B" "$B/tests/e2e/intake" "$B/tests/bench/bench_intake" >/dev/null ||
    { echo "not ok $name: the intake program does not build"; exit 1; }

secret="It's a Secret to Everybody"
work=$(mktemp -d)
intake_pid=
nginx_pid=
# shellcheck disable=SC2317  # called by the trap
stop() {
    [ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null
    [ -z "$intake_pid" ] || kill "$intake_pid" 2>/dev/null
    wait
    rm -rf "$work"
}
trap stop EXIT
failed=0
result() { # name, wanted, found
    if [ "$2" = "$3" ]; then echo "ok $name $1"; else
        echo "not ok $name $1: expected $2, found $3"
        failed=1
    fi
}

# 1 MB of body, 1 s for a request, 1 s for a kept connection
"$B/tests/e2e/intake" 1000000 1000 1000 >"$work/ports" 2>>"$work/intake.log" &
intake_pid=$!
until [ -s "$work/ports" ]; do kill -0 "$intake_pid" || exit 1; done
read -r port admin <"$work/ports"

config() { # port of the proxy
    [ "$(id -u)" != 0 ] || echo 'user root;' # else its worker may not write into our directory
    cat <<EOF
worker_processes 1;
pid $work/nginx.pid;
error_log $work/error.log;
daemon off;
events { worker_connections 512; }
http {
    access_log off;
    client_body_temp_path $work/body;
    proxy_temp_path $work/proxy;
    fastcgi_temp_path $work/fastcgi;
    uwsgi_temp_path $work/uwsgi;
    scgi_temp_path $work/scgi;
    client_max_body_size 30m;
    upstream muster { server 127.0.0.1:$port; keepalive 4; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;
    server {
        listen 127.0.0.1:$1;
        location / { proxy_pass http://muster/; }
        location /unbuffered/ { proxy_request_buffering off; proxy_buffering off; proxy_pass http://muster/; }
        location /http10/ { proxy_http_version 1.0; proxy_pass http://127.0.0.1:$port/; }
    }
}
EOF
}
for _ in 1 2 3 4 5 6 7 8 9 10; do # nginx cannot choose a free port by itself
    front=$((20000 + RANDOM % 30000))
    config "$front" >"$work/nginx.conf"
    rm -f "$work/nginx.pid"
    "$nginx" -p "$work" -c "$work/nginx.conf" 2>"$work/start.log" &
    nginx_pid=$!
    while kill -0 "$nginx_pid" 2>/dev/null && ! [ -s "$work/nginx.pid" ]; do :; done
    kill -0 "$nginx_pid" 2>/dev/null && break
    nginx_pid=
done
[ -n "$nginx_pid" ] || { echo "not ok $name: nginx does not start: $(tail -n 1 "$work/start.log")"; exit 1; }

body() { # bytes: a job with so much around it
    printf '{"action":"queued","workflow_job":{"id":%s,"run_id":1,"labels":["gpu"],"head_sha":"%040d","x":"%0*d"},' \
        $((1000000 + RANDOM)) 1 "$1" 1
    printf '"repository":{"id":5,"full_name":"acme/model"}}'
}
deliver() { # path, file, curl's further options: prints the code
    local path=$1 file=$2 mac
    shift 2
    mac=$(openssl dgst -sha256 -hmac "$secret" -r "$file")
    curl -s -o "$work/answer" -w '%{http_code}' --max-time 20 "http://127.0.0.1:$front$path" --data-binary "@$file" \
        -H 'Content-Type: application/json' -H 'X-GitHub-Event: workflow_job' -H "X-GitHub-Delivery: $(date +%s%N)" \
        -H "X-Hub-Signature-256: ${forged:-sha256=${mac%% *}}" "$@"
}
connections() {
    curl -s "http://127.0.0.1:$admin/metrics" | sed -n 's/^muster_connections //p'
}
body 11000 >"$work/job"
body 100000 >"$work/large"
body 2000000 >"$work/huge"

for way in / /unbuffered/ /http10/; do
    result "a job is stored ($way)" 202 "$(deliver "${way}webhook" "$work/job")"
    result "a large job is stored ($way)" 202 "$(deliver "${way}webhook" "$work/large")"
    result "a body in chunks is stored ($way)" 202 \
        "$(deliver "${way}webhook" "$work/large" -H 'Transfer-Encoding: chunked')"
    result "a client that asks first is stored ($way)" 202 \
        "$(deliver "${way}webhook" "$work/large" -H 'Expect: 100-continue')"
    result "a wrong signature is refused ($way)" 401 \
        "$(forged=sha256=0 deliver "${way}webhook" "$work/job")"
    result "a body over our limit is refused with our own answer ($way)" '413 larger' \
        "$(deliver "${way}webhook" "$work/huge") $(grep -o larger "$work/answer")"
    result "health is seen ($way)" 200 \
        "$(curl -s -o "$work/answer" -w '%{http_code}' "http://127.0.0.1:$front${way}healthz")"
done

result 'a body over the limit in chunks, passed on as it comes' '413 larger' \
    "$(deliver /unbuffered/webhook "$work/huge" -H 'Transfer-Encoding: chunked') $(grep -o larger "$work/answer")"

# Kept connections: fifty deliveries need no more than nginx may keep; and ours may end any time between two.
for _ in $(seq 50); do deliver /webhook "$work/job" >>"$work/codes"; done
result 'fifty deliveries in a row are stored' "$(printf '202%.0s' $(seq 50))" "$(cat "$work/codes")"
kept=$(connections)
result 'the proxy keeps its connections' yes "$([ "$kept" -ge 1 ] && [ "$kept" -le 4 ] && echo yes || echo "$kept open")"
until [ "$(connections)" = 0 ]; do :; done
result 'after we closed a kept connection the next delivery is stored' 202 "$(deliver /webhook "$work/job")"

# The client's address, and none that the client made up.
forged=sha256=0 deliver /webhook "$work/job" --interface 127.0.0.2 -H 'X-Forwarded-For: 6.6.6.6' >/dev/null
result 'the log names the client the proxy saw' '"client":"127.0.0.2"' \
    "$(grep -o '"client":"[^"]*"' "$work/intake.log" | tail -n 1)"

# Time-outs: a slow client costs us nothing behind a buffering proxy, and its time without one.
result 'a slow client behind a buffering proxy is stored' 202 \
    "$(deliver /webhook "$work/large" --limit-rate 50k -H 'Expect:')"
slow=$(deliver /unbuffered/webhook "$work/huge" --limit-rate 50k -H 'Transfer-Encoding: chunked' -H 'Expect:')
result 'a slow client passed on as it comes is cut off' yes "$([ "$slow" -ge 500 ] || [ "$slow" = 000 ] && echo yes || echo "$slow")"
result 'and the next one is stored' 202 "$(deliver /unbuffered/webhook "$work/job")"

# Many at once.
result 'two thousand deliveries over 64 connections are all stored' 'accepted 2000 refused 0 lost 0' \
    "$(BENCH_SECRET="$secret" "$B/tests/bench/bench_intake" load "$front" 2000 64 kept 11000 | grep -o 'accepted .* lost [0-9]*')"
exit $failed
