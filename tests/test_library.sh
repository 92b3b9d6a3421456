#!/bin/bash
# test_library.sh - the installed client library: what can be seen of it is its header, no less and
# no more, and a program can be built with nothing but what `make install` copies.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

build=${BUILD:-build}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
prefix=$scratch/there/usr
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$scratch/there

# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh

# The functions that the header declares, one a line.
declared() {
    cc -fpreprocessed -dD -E -P client/ordersched.h | tr '\n' ' ' | tr ';' '\n' |
        grep -o 'ORDERSCHED_API.*' | grep -oE '\<ordersched_[a-z_]+\(' | tr -d '(' | sort -u
}
sanitizer_symbols='^(__asan|__ubsan|__odr_asan|__lsan|__tsan)'
# A pipe into grep -q would end nm by a signal, and pipefail take that for "no".
is_sanitized() { [ -n "$(nm "$build/libordersched.so" | grep -E ' (__[at]san_init|__ubsan_)')" ]; }

exports_the_header() { # nm's options and the library
    diff <(declared) <(nm --defined-only "$@" | awk 'NF == 3 { print $3 }' |
        grep -vE "$sanitizer_symbols" | sort -u)
}
needs_only() {
    local needed
    needed=$(readelf -d "$build/libordersched.so" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
        grep -vE '^(libc|libnng|libpthread|ld-linux.*|libasan|libubsan|libtsan|libm|libgcc_s)\.so')
    [ -z "$needed" ] || { echo "$needed"; false; }
}
installs() {
    local file
    make --no-print-directory BUILD="$build" PREFIX=/usr DESTDIR="$scratch/there" install || return 1
    for file in bin/orderschedd bin/orderctl bin/orderbench bin/ordersink include/ordersched.h \
        lib/libordersched.so.0 lib/libordersched.a lib/pkgconfig/ordersched.pc \
        lib/systemd/system/orderschedd.service share/doc/orderschedd/LICENSE; do
        [ -s "$prefix/$file" ] || { echo "not installed: $file"; return 1; }
    done
    ! grep -rn 'usr/local\|@[A-Z]*@' "$prefix/lib/systemd" "$prefix/lib/pkgconfig"
}
is_version() {
    [ "$(pkg-config --modversion ordersched)" = "$("$prefix/bin/orderschedd" --version | cut -d' ' -f2)" ]
}
program_runs() { # static or shared
    cat >"$scratch/program.c" <<'END'
#include <ordersched.h>
#include <stdio.h>
int main(void)
{
    struct ordersched_config config = {.endpoints = "127.0.0.1:1"};
    ordersched_client *client;
    if (ordersched_open(&config, &client) != ORDERSCHED_OK) {
        return 1;
    }
    ordersched_close(client);
    return puts(ordersched_error_name(ORDERSCHED_TOO_LATE)) < 0;
}
END
    local libs
    if [ "$1" = static ]; then
        libs="-Wl,-Bstatic $(pkg-config --libs ordersched) -Wl,-Bdynamic $(pkg-config --static --libs-only-l ordersched | sed 's/-lordersched//')"
    else
        libs=$(pkg-config --libs ordersched)
    fi
    # shellcheck disable=SC2046,SC2086 # several words on purpose
    cc -Wall -Werror -o "$scratch/program-$1" "$scratch/program.c" \
        $(pkg-config --cflags ordersched) $libs &&
        [ "$(LD_LIBRARY_PATH=$prefix/lib "$scratch/program-$1")" = TOO_LATE ]
}

check the_shared_library_exports_the_header_and_nothing_else exports_the_header -D "$build/libordersched.so"
check the_static_library_exports_the_header_and_nothing_else exports_the_header -g "$build/libordersched.a"
check the_shared_library_needs_nng_and_the_c_library_only needs_only
check everything_is_installed_and_filled_in installs
check the_pkg_config_file_has_the_programs_version is_version
if ! is_sanitized; then # a sanitizer must be linked into the program too
    check a_program_can_be_built_with_the_shared_library program_runs shared
    check a_program_can_be_built_with_the_static_library program_runs static
fi

echo "1..$number"
[ "$failures" -eq 0 ]
