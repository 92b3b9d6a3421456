#!/bin/bash
# deps-jepsen.sh - installs the Debian packages that only the harness in jepsen/ uses, where any is
# missing (`make deps-jepsen`): the tools for network namespaces, packet filters and file systems.
#
#   packaging/deps-jepsen.sh            say what is missing and install it; silent when nothing is
#   packaging/deps-jepsen.sh --missing  only list what is missing; exit 1 when something is
set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

# Each line: a package, and a command of it.
requirements() {
    cat <<'END'
iproute2   ip
iproute2   tc
iproute2   ss
nftables   nft
e2fsprogs  mkfs.ext4
git        git
END
}

say() { echo "deps-jepsen: $*"; }
fail() {
    echo "deps-jepsen: $*" >&2
    exit 1
}

missing_packages() {
    local package command
    while read -r package command; do
        command -v "$command" >/dev/null || echo "$package"
    done < <(requirements) | sort -u
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

apt_get() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 \
        -o APT::Install-Recommends=false "$@"
}

mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "${1:-}" = --missing ]; then
    printf '%s\n' "${missing[@]}"
    exit 1
fi
say "the harness needs these Debian packages, which are missing: ${missing[*]}"
command -v apt-get >/dev/null || fail "there is no apt-get here."
[ "$(id -u)" -eq 0 ] || say "Installing them with apt-get, as root through sudo."
apt_get update || fail "apt-get update failed; see above."
apt_get install "${missing[@]}" || fail "apt-get install failed; see above."
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
say "Everything is there."
