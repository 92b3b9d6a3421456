#!/bin/bash
# deps-peers.sh - installs the Debian packages that only `make bench-peers` uses, where any is
# missing (`make deps-peers`): the systems that people use instead, and their client libraries.
# No service is started for it.
#
#   packaging/deps-peers.sh            say what is missing and install it; silent when nothing is
#   packaging/deps-peers.sh --missing  only list what is missing; exit 1 when something is
set -euo pipefail
export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin

POLICY=${SYSROOT:-}/usr/sbin/policy-rc.d

# Each line: a package, and a file of it; * stands for a version or an architecture.
requirements() {
    cat <<'END'
redis-server         /usr/bin/redis-server
beanstalkd           /usr/bin/beanstalkd
etcd-server          /usr/bin/etcd
rabbitmq-server      /usr/lib/rabbitmq/bin/rabbitmq-server
postgresql           /usr/lib/postgresql/*/bin/initdb
libhiredis-dev       /usr/include/hiredis/hiredis.h
librabbitmq-dev      /usr/include/amqp.h
libpq-dev            /usr/include/postgresql/libpq-fe.h
libcurl4-openssl-dev /usr/include/*/curl/curl.h
END
}

say() { echo "deps-peers: $*"; }
fail() {
    echo "deps-peers: $*" >&2
    exit 1
}

missing_packages() {
    local package file
    while read -r package file; do
        compgen -G "${SYSROOT:-}$file" >/dev/null || echo "$package"
    done < <(requirements)
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

# Debian's packages ask this program before they start a service; 101 means no. The administrator
# may have one already, which stays as it is.
services_deny() {
    local answer=0
    if [ -e "$POLICY" ]; then
        "$POLICY" redis-server start >/dev/null 2>&1 || answer=$?
        [ "$answer" -eq 101 ] || fail "$POLICY is there and lets services start; it is not" \
            "overwritten. Install these by hand: ${missing[*]}"
        return 0
    fi
    trap 'as_root rm -f "$POLICY"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\n# Of deps-peers.sh, while it installs: no service starts.\nexit 101\n' |
        as_root tee "$POLICY" >/dev/null || fail "$POLICY could not be written."
    as_root chmod 755 "$POLICY"
}

mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -gt 0 ] || exit 0
if [ "${1:-}" = --missing ]; then
    printf '%s\n' "${missing[@]}"
    exit 1
fi
say "make bench-peers needs these Debian packages, which are missing: ${missing[*]}"
command -v apt-get >/dev/null || fail "there is no apt-get here."
[ "$(id -u)" -eq 0 ] || say "Installing them with apt-get, as root through sudo."
say "No service is started now; Debian enables each to start at the next boot" \
    "(systemctl disable NAME)."
apt_get update || fail "apt-get update failed; see above."
services_deny
apt_get install "${missing[@]}" || fail "apt-get install failed; see above."
mapfile -t missing < <(missing_packages)
[ ${#missing[@]} -eq 0 ] || fail "still missing after the installation: ${missing[*]}"
say "Everything is there."
