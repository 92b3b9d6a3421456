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

self=deps-jepsen
# shellcheck source=packaging/apt.sh
. "$(dirname "$0")/apt.sh"

missing_packages() {
    local package command
    while read -r package command; do
        command -v "$command" >/dev/null || echo "$package"
    done < <(requirements) | sort -u
}

apt_look "$@"
apt_begin "the harness needs" "there is no apt-get here."
apt_update
apt_install "${missing[@]}"
apt_end
