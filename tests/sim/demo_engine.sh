# The demo's second chapter: a job in a real container, where a Docker Engine or Podman answers on this host. The engine
# may be somebody's own: only containers of this demo's deployment and the image muster-demo:local, which is made of this
# host's own programs (no network, no registry), are ever touched, and both are gone at the end.
# To be sourced by demo.sh; uses its $work, $B and functions.
#
#   engine_find      finds one: $engine_socket and $engine_kind, or fails with the sentence in $engine_why
#   engine_chapter   tells the chapter; fails with the sentence in $engine_why
#   engine_clean     takes away what is left on the engine; may be called at any time
# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034

engine_socket='' engine_kind='' engine_why='' engine_touched=''
engine_image=muster-demo:local
engine_deployment=demo-$$-$RANDOM

engine_api() { # METHOD PATH [CURL OPTIONS...]
    local method=$1 path=$2
    shift 2
    # In a session of its own: Ctrl-C lets it finish, so that what it made can be taken away.
    setsid -w curl -gsS -m 60 --unix-socket "$engine_socket" -X "$method" "$@" "http://engine$path" 2>/dev/null
}

engine_find() {
    local at
    engine_why='no Docker or Podman answers here'
    for at in "${DOCKER_HOST:-unix:///var/run/docker.sock}" "unix://${XDG_RUNTIME_DIR:-/nowhere}/podman/podman.sock" \
        unix:///run/podman/podman.sock; do
        engine_socket=${at#unix://}
        if [ "$engine_socket" = "$at" ]; then
            engine_why="DOCKER_HOST is $at, and only a socket of this host will do"
        elif [ -S "$engine_socket" ] && [ ! -w "$engine_socket" ]; then
            engine_why="an engine may be at $engine_socket, but $(id -un) has no permission to use it"
        elif [ -S "$engine_socket" ] && [ "$(engine_api GET /_ping -m 5)" = OK ]; then
            engine_kind=Docker
            ! engine_api GET /version | grep -q '"Podman Engine"' || engine_kind=Podman
            return
        fi
        [ -z "${DOCKER_HOST:-}" ] || break # the one that was named, or none
    done
    return 1
}

# engine_containers [1]: those of this demo that run; 1: all of them.
engine_containers() {
    engine_api GET "/containers/json?all=${1:-0}&filters=%7B%22label%22%3A%5B%22muster-deployment%3D$engine_deployment%22%5D%7D" |
        grep -oE '"Id":"[0-9a-f]{64}"' | cut -d'"' -f4
}
# The engine's filter is not trusted: what is found may be removed.
engine_remove_containers() {
    local id
    for id in $(engine_containers 1); do
        engine_api GET "/containers/$id/json" | grep -q "\"muster-deployment\":\"$engine_deployment\"" &&
            engine_api DELETE "/containers/$id?force=1&v=1" >/dev/null
    done
}
engine_has_image() {
    engine_api GET "/images/$engine_image/json" -f -o /dev/null
}
engine_image_is_ours() {
    engine_api GET "/images/$engine_image/json" -f | grep -q '"org.muster.demo":'
}

engine_clean() {
    local _
    [ -n "$engine_touched" ] || return 0
    for _ in {1..50}; do
        engine_remove_containers
        [ -n "$(engine_containers 1)" ] && sleep 0.1 && continue
        engine_image_is_ours || break
        engine_api DELETE "/images/$engine_image" >/dev/null
        engine_has_image || break
        sleep 0.1
    done
    engine_touched=''
}

# The root of an image, of this host's programs: those that the bootstrap and the stand-in runner call.
engine_make_root() {
    local root=$1 p file lib
    mkdir -p "$root"/{usr/{bin,lib,lib64,sbin},dev,etc,home,opt,proc,root,run,sys,tmp,var/tmp} &&
        ln -s usr/bin "$root/bin" && ln -s usr/sbin "$root/sbin" && ln -s usr/lib "$root/lib" && ln -s usr/lib64 "$root/lib64" || return
    for p in bash sh cat chmod chown curl cut date env getent git grep gzip head id ls mkdir rm rmdir sed setpriv setsid sha256sum \
        sleep tail tar timeout tr uname; do
        file=$(type -P "$p") || { engine_why="this host has no $p" && return 1; }
        cp -L "$file" "$root/usr/bin/$p" || return
        for lib in $(ldd "$file" 2>/dev/null | grep -oE '/[^ ]+'); do
            [ -e "$root$lib" ] || { mkdir -p "$root$(dirname "$lib")" && cp -L "$lib" "$root$lib"; } || return
        done
    done
    printf '%s\n' root:x:0:0::/root:/bin/bash runner:x:1001:1001::/home/runner:/bin/bash >"$root/etc/passwd"
    printf '%s\n' root:x:0: runner:x:1001: >"$root/etc/group"
    printf 'SIM_GITHUB_URL=%s\n' "$SIM_GITHUB_URL" >"$root/etc/muster-demo"
    chmod 1777 "$root/tmp" "$root/var/tmp"
}

engine_make_image() {
    local root=$work/image
    engine_why="the image of this host's programs cannot be made"
    if engine_has_image; then
        engine_image_is_ours || { engine_why="it has an image $engine_image that is not of this demo" && return 1; }
        engine_api DELETE "/images/$engine_image" >/dev/null # of a demo that was killed
    fi
    engine_make_root "$root" && tar --owner=0 --group=0 --numeric-owner -C "$root" -cf "$work/image.tar" . || return
    engine_touched=1
    engine_api POST "/images/create?fromSrc=-&repo=$engine_image&changes=LABEL%20org.muster.demo%3D1" -T "$work/image.tar" \
        -H 'Content-Type: application/x-tar' >"$work/import"
    rm -rf "$root" "$work/image.tar"
    engine_image_is_ours || { engine_why="it does not take an image ($(tail -n 1 "$work/import" | cut -c1-300))" && return 1; }
}

# What the container says, as lines of the story.
engine_follow() {
    local id='' line
    until [ -n "$id" ]; do
        sleep 0.1
        id=$(engine_containers | head -n 1)
    done
    exec curl -gsSN -m 120 --unix-socket "$engine_socket" "http://engine/containers/$id/logs?follow=1&stdout=1&stderr=1" 2>/dev/null \
        > >(grep -a --line-buffered -o 'muster: stage .*' | while IFS= read -r line; do
            printf '%s\tmachine\t%s\n' "$(date +%s%3N)" "${line#muster: stage }"
        done | tee "$work/said" >"$DEMO_STORY")
}

# Why it went wrong, in the words of whoever knows best.
engine_reason() {
    local why
    why=$(sed -n 's/.*"error":"\([^"]*\)".*/\1/p' "$work/log" | tail -n 1)
    [ -n "$why" ] || why=$(tail -n 1 "$work/said" 2>/dev/null | cut -f3)
    engine_why="${why:-nothing happened in time}"
}

engine_chapter() {
    cat >"$work/cirun.yml" <<YML
runners:
  - name: docker
    cloud: on_prem
    instance_type: 1vcpu-1gb
    machine_image: $engine_image
    labels: [cirun-docker]
YML
    make_setup
    new_story && start_github && engine_make_image || return
    printf 'clouds:\n  on_prem:\n    docker_host: unix://%s\n    network: host\n' "$engine_socket" >"$work/muster.yml"
    start_muster MUSTER_DEPLOYMENT="$engine_deployment" HOME="$work" -- -c "$work/muster.yml"
    printf '\n  The second chapter, with real machines: %s answers on this host. The .cirun.yml now asks for:\n' "$engine_kind"
    sed 's/^/      /' "$work/cirun.yml"
    engine_follow 3>&- &
    pids+=($!)
    tell --seconds 40 || { engine_reason && return 1; }
    [ -z "$(engine_containers 1)" ] || { engine_why='the container is still there' && return 1; }
}
