# apt.sh - what deps.sh, deps-jepsen.sh and deps-peers.sh have in common; they source it. `self` is
# the name that their sentences begin with.

say() { echo "$self: $*"; }
fail() {
    echo "$self: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root is needed for: $*  (there is no sudo; run this as root: $0)"
    fi
}

# Asked once, before anything is done: what sudo refuses must not look like a failure of apt.
as_root_allowed() {
    [ "$(id -u)" -eq 0 ] || ! command -v sudo >/dev/null || sudo true ||
        fail "sudo refused: you may not become root here, or the password was wrong. Have an" \
            "administrator install them: ${missing[*]}"
}

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
        -o APT::Install-Recommends=false "$@"
}

# Fill in `missing` by missing_packages, the script's own. Ends it when nothing is missing, or when
# only that was asked.
apt_look() {
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || exit 0
    if [ "${1:-}" = --missing ]; then
        printf '%s\n' "${missing[@]}"
        exit 1
    fi
}

# Who needs them, and the sentence for a machine without apt.
apt_begin() {
    say "$1 these Debian packages, which are missing: ${missing[*]}"
    command -v apt-get >/dev/null || fail "$2"
    [ "$(id -u)" -eq 0 ] || say "Installing them with apt-get, as root through sudo."
    as_root_allowed
}

apt_update() { apt_get update || fail "apt-get update failed; see above."; }
apt_install() { apt_get install "$@" || fail "apt-get install failed; see above."; }

apt_end() {
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
    say "Everything is there."
}

# Debian's packages ask this program before they start a service, of which $1 is one; 101 means no. The
# administrator may have one already, which stays as it is. It is gone when the script ends.
POLICY=${SYSROOT:-}/usr/sbin/policy-rc.d
services_deny() {
    local answer=0
    if [ -e "$POLICY" ]; then
        "$POLICY" "$1" start >/dev/null 2>&1 || answer=$?
        [ "$answer" -eq 101 ] || fail "$POLICY is there and lets services start; it is not" \
            "overwritten. Install these by hand: ${missing[*]}"
        return 0
    fi
    trap 'as_root rm -f "$POLICY"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\n# Of %s.sh, while it installs: no service starts.\nexit 101\n' "$self" |
        as_root tee "$POLICY" >/dev/null || fail "$POLICY could not be written."
    as_root chmod 755 "$POLICY"
}
