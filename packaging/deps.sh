#!/bin/bash
# deps.sh - installs the Debian packages that orderschedd is built and tested with, where any is
# missing (`make deps`; a browser is deps-browser.sh's). Works on Debian 12, where libraft comes from
# the official backports suite, and on Debian 13.
#
#   packaging/deps.sh            say what is missing and install it; silent when nothing is
#   packaging/deps.sh --build    the same, without what only tests need
#   packaging/deps.sh --missing  only list what is missing; exit 1 when something is
#
# SYSROOT stands in front of /etc and /usr, for tests/test_deps.sh.
set -euo pipefail
export LC_ALL=C

root=${SYSROOT:-}
raft_version=0.22
build_only=''
if [ "${1:-}" = --build ]; then
    build_only=yes
    shift
fi

# Each line: a package, and how to see that it is there: a command, a pkg-config module (with
# the least version), a header, a command that only root has in its path, what clang links fuzz targets
# with, or a module of PHP. Checked instead of dpkg so that libraries built by hand count.
requirements() {
    cat <<'END'
gcc                   command gcc
libc6-dev             header stdio.h
make                  command make
pkg-config            command pkg-config
libraft-dev           module raft 0.22
libuv1-dev            module libuv
libnng-dev            header nng/nng.h
libmbedtls-dev        header mbedtls/ssl.h
libmsgpack-dev        header msgpack.h
libcurl4-openssl-dev  module libcurl
libmicrohttpd-dev     module libmicrohttpd
libjansson-dev        module jansson
libcyaml-dev          module libcyaml
libyaml-dev           module yaml-0.1
libxxhash-dev         module libxxhash
libsystemd-dev        module libsystemd
libssl-dev            module openssl
zlib1g-dev            module zlib
END
    [ -n "$build_only" ] || cat <<'END'
libcmocka-dev         header cmocka.h
openssl               command openssl
curl                  command curl
valgrind              command valgrind
nghttp2-server        sbin nghttpd
clang                 command clang
libclang-rt-dev       fuzzer libclang_rt.fuzzer
php-cli               command php
php-sqlite3           php pdo_sqlite
prometheus            command promtool
END
}

self=deps
# shellcheck source=packaging/apt.sh
. "$(dirname "$0")/apt.sh"

have_header() {
    local dir
    for dir in "$root/usr/include" "$root"/usr/include/*-linux-gnu "$root/usr/local/include"; do
        [ -e "$dir/$1" ] && return 0
    done
    return 1
}

have() {
    local kind=$1 what=$2 version=${3:-}
    case $kind in
    command) command -v "$what" >/dev/null ;;
    sbin) PATH=$PATH:/usr/sbin command -v "$what" >/dev/null ;;
    header) have_header "$what" ;;
    php) command -v php >/dev/null && php -m | grep -x "$what" >/dev/null ;;
    fuzzer) command -v clang >/dev/null && compgen -G "$(clang -print-resource-dir)/lib/*/$what*" >/dev/null ;;
    module)
        command -v pkg-config >/dev/null &&
            pkg-config --atleast-version="${version:-0}" "$what" 2>/dev/null
        ;;
    esac
}

missing_packages() {
    local package kind what version
    while read -r package kind what version; do
        have "$kind" "$what" "$version" || echo "$package"
    done < <(requirements)
}

# The newest version that apt knows, whatever its priority.
newest_version() {
    local best='' version
    while read -r _ _ version _; do
        if [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best"; then
            best=$version
        fi
    done < <(apt-cache madison "$1" 2>/dev/null)
    echo "$best"
}

# The suite in which apt knows a libraft that is new enough, "-" when it is already the
# candidate; fails when there is none.
raft_suite() {
    local candidate version suite
    candidate=$(apt-cache policy libraft-dev | sed -n 's/^  Candidate: //p')
    if [ -n "$candidate" ] && [ "$candidate" != "(none)" ] &&
        dpkg --compare-versions "$candidate" ge "$raft_version"; then
        echo -
        return
    fi
    while read -r _ _ version _ _ suite _; do
        if dpkg --compare-versions "$version" ge "$raft_version"; then
            echo "${suite%%/*}"
            return
        fi
    done < <(apt-cache madison libraft-dev 2>/dev/null)
    return 1
}

# The file, suite and address of the machine's own Debian source for a codename. apt itself tells
# Debian's from a vendor's that uses the same suite names.
debian_source() {
    local origin codename file suite uri
    # shellcheck disable=SC2016 # the variables are apt's
    while IFS='|' read -r origin codename file suite uri; do
        if [ "$origin" = Debian ] && [ "$codename" = "$1" ] && [[ $uri != cdrom:* ]]; then
            echo "${file%:*}|$suite|${uri%/}"
            return
        fi
    done < <(apt-get indextargets \
        --format '$(ORIGIN)|$(CODENAME)|$(SOURCESENTRY)|$(RELEASE)|$(REPO_URI)' \
        'Created-By: Packages')
    return 1
}

# Print the first stanza of a deb822 file that has this suite and address, with other suites.
copy_stanza() {
    awk -v suite="$2" -v uri="$3" -v suites="$4" '
        function has(list, word,    n, words, i) {
            n = split(list, words, /[ \t]+/)
            for (i = 1; i <= n; i++) {
                sub(/\/$/, "", words[i])
                if (words[i] == word) return 1
            }
            return 0
        }
        function finish(    i) {
            if (n > 0 && !done && has(field["suites"], suite) && has(field["uris"], uri) &&
                has(field["types"], "deb") && tolower(field["enabled"]) !~ /^ *(no|false)/) {
                for (i = 1; i <= n; i++) print lines[i]
                done = 1
            }
            n = 0
            delete field
        }
        /^#/ { next }
        /^[ \t]*$/ { finish(); next }
        /^[ \t]/ { # continues the field above
            field[name] = field[name] " " $0
            if (name != "suites" && name != "types") lines[++n] = $0
            next
        }
        {
            name = tolower(substr($0, 1, index($0, ":") - 1))
            field[name] = substr($0, index($0, ":") + 1)
            lines[++n] = name == "suites" ? "Suites: " suites : name == "types" ? "Types: deb" : $0
        }
        END { finish(); exit !done }' "$1"
}

# The same for a line of a sources.list: deb [options] address suite components
copy_line() {
    awk -v suite="$2" -v uri="$3" -v suites="$4" '
        $1 == "deb" {
            at = 2
            if ($2 ~ /^\[/) while (at <= NF && $at !~ /\]$/) at++
            if ($2 ~ /^\[/) at++
            address = $at
            sub(/\/$/, "", address)
            if (address == uri && $(at + 1) == suite) {
                $(at + 1) = suites
                sub(/[ \t]*#.*/, "")
                print
                found = 1
                exit
            }
        }
        END { exit !found }' "$1"
}

add_backports() {
    local codename=$1 source file suite uri kind target text
    source=$(debian_source "$codename") ||
        fail "apt has no Debian source for $codename, from which the backports suite could be" \
            "derived. Add one for $codename-backports by hand, then run this again."
    IFS='|' read -r file suite uri <<<"$source"
    kind=${file##*.}
    target=$root/etc/apt/sources.list.d/orderschedd-backports.$kind
    case $kind in
    sources) text=$(copy_stanza "$file" "$suite" "$uri" "$codename-backports") || text='' ;;
    *) text=$(copy_line "$file" "$suite" "$uri" "$codename-backports") || text='' ;;
    esac
    [ -n "$text" ] || fail "the Debian source in $file could not be read. Add one for" \
        "$codename-backports by hand, then run this again."

    say "$codename has libraft $(newest_version libraft-dev), which loses data; $raft_version is in" \
        "Debian's official backports."
    say "Adding $target, a copy of the Debian source in $file for the suite" \
        "$codename-backports. Only libraft is taken from it."
    printf '# For libraft %s or newer, needed by orderschedd.\n%s\n' "$raft_version" "$text" |
        as_root tee "$target" >/dev/null
    if ! apt_get update || ! raft_suite >/dev/null; then
        as_root rm -f "$target"
        fail "$uri has no libraft $raft_version or newer in $codename-backports (the source was" \
            "removed again). Use a mirror that has the backports."
    fi
}

install_raft() {
    local suite codename=''
    if ! suite=$(raft_suite); then
        if [ -r "$root/etc/os-release" ]; then
            # shellcheck disable=SC1091
            codename=$(. "$root/etc/os-release" && echo "${ID:-}:${VERSION_CODENAME:-}")
        fi
        [ "$codename" = debian:bookworm ] ||
            fail "apt knows no libraft-dev $raft_version or newer. Debian 12 (with its backports)" \
                "and Debian 13 have it; this is ${codename:-unknown}."
        add_backports bookworm
        suite=$(raft_suite)
    fi
    local release=()
    [ "$suite" = - ] || release=(-t "$suite")
    apt_install "${release[@]}" libraft-dev
}

# The name of a package in this Debian: the C library of msgpack has its own since Debian 13.
package_name() {
    if [ "$1" = libmsgpack-dev ] && [ -n "$(newest_version libmsgpack-c-dev)" ]; then
        echo libmsgpack-c-dev
    else
        echo "$1"
    fi
}

apt_look "$@"
apt_begin "orderschedd needs" "there is no apt-get here: orderschedd is built on Debian 12 or 13."
apt_update
packages=()
raft=''
for package in "${missing[@]}"; do
    if [ "$package" = prometheus ]; then # its promtool is wanted, and no server of it
        services_deny prometheus
    fi
    if [ "$package" = libraft-dev ]; then
        raft=yes
    else
        packages+=("$(package_name "$package")")
    fi
done
[ ${#packages[@]} -eq 0 ] || apt_install "${packages[@]}"
[ -z "$raft" ] || install_raft
apt_end
