# A clean Debian root for tests, made once and kept under build/. To be sourced.
# shellcheck shell=bash

# The mirror that this machine's apt uses.
debian_mirror() {
    sed -n -E 's/^URIs: *([^ ]+).*/\1/p; s/^deb +(\[[^]]*\] +)?([^ ]+) .*/\2/p' \
        /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null | head -n 1
}

# debian_apt_settings ROOT: how this machine reaches its mirror, for use inside.
debian_apt_settings() {
    local d
    rm -f "$1/etc/apt/sources.list"
    for d in sources.list sources.list.d apt.conf.d auth.conf.d preferences.d keyrings trusted.gpg.d; do
        [ ! -e "/etc/apt/$d" ] || cp -aT "/etc/apt/$d" "$1/etc/apt/$d"
    done
    cp -L /etc/resolv.conf /etc/hosts "$1/etc/" 2>/dev/null
    [ ! -d /usr/local/share/ca-certificates ] || cp -aT /usr/local/share/ca-certificates "$1/usr/local/share/ca-certificates"
    return 0
}

# debian_base: prints the root's path, making it when it is not there; one at a time does. Prints the reason instead and
# fails when it cannot be made here.
debian_base() {
    mkdir -p build/cache && (flock 9 && debian_base_locked "$(pwd)/build/cache/debian-base") 9>build/cache/debian-base.lock
}

debian_base_locked() {
    local dir=$1
    if [ ! -e "$dir.ready" ]; then
        [ "$(id -u)" = 0 ] || { echo 'needs root' && return 1; }
        command -v debootstrap >/dev/null || { echo 'debootstrap is missing' && return 1; }
        rm -rf "$dir"
        if ! debootstrap --variant=minbase bookworm "$dir" "$(debian_mirror)" >"$dir.log" 2>&1; then
            echo "debootstrap failed: $(tail -n 1 "$dir.log")" && return 1
        fi
        rm -rf "$dir"/var/cache/apt/archives/*.deb "$dir"/var/lib/apt/lists/*
        debian_apt_settings "$dir"
        : >"$dir.ready"
    fi
    printf '%s\n' "$dir"
}
