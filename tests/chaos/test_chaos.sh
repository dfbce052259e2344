#!/usr/bin/env bash
# Simulated worlds, each with its own faults and kills (chaos.h); many more by `make chaos SEEDS=10000`.
set -u
program=${B:-build}/tests/chaos/chaos
"$program" -d "${TWICE:-3}" | sed 's/^ok chaos .*/ok chaos a seed is the same twice/' || exit 1
exec "$program" "${SEEDS:-50}" 1001 "$(nproc)"
