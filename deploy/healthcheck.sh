#!/bin/bash
# Is the daemon in this container well? Asks GET /healthz on the public port; exit 0 on 200. Needs nothing but bash.
listen=${MUSTER_LISTEN:-0.0.0.0:8080}
exec 3<>"/dev/tcp/127.0.0.1/${listen##*:}" || exit 1
printf 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n' >&3
read -rt 4 _ code _ <&3 && [ "$code" = 200 ]
