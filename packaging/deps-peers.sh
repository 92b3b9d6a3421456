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

self=deps-peers
# shellcheck source=packaging/apt.sh
. "$(dirname "$0")/apt.sh"

missing_packages() {
    local package file
    while read -r package file; do
        compgen -G "${SYSROOT:-}$file" >/dev/null || echo "$package"
    done < <(requirements)
}

apt_look "$@"
apt_begin "make bench-peers needs" "there is no apt-get here."
say "No service is started now; Debian enables each to start at the next boot" \
    "(systemctl disable NAME)."
apt_update
services_deny redis-server
apt_install "${missing[@]}"
apt_end
