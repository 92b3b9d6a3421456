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
        grep -vE '^(libc|libnng|libmbed(tls|x509|crypto)|lib(ssl|crypto)|libpthread|ld-linux.*|libasan|libubsan|libtsan|libm|libgcc_s)\.so')
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
# Every file and folder of an installation, with its mode.
modes() { (cd "$1" && find . -printf '%m %p\n' | sort -k2); }
a_umask_changes_nothing() {
    (umask 077 && make --no-print-directory BUILD="$build" PREFIX=/usr DESTDIR="$scratch/closed" \
        install) >/dev/null || return 1
    chmod 755 "$scratch/closed"
    modes "$scratch/closed" | grep -v ' 1[0-9]*$' >"$scratch/modes"
    ! grep -vE '^(755|644|777) ' "$scratch/modes" &&
        diff <(modes "$scratch/there") "$scratch/modes"
}
a_path_with_spaces_is_one_path() {
    local there="$scratch/with 空 spaces"
    (cd "$scratch" && find . | sort) >"$scratch/before"
    make --no-print-directory BUILD="$build" PREFIX=/usr DESTDIR="$there" install >/dev/null ||
        return 1
    [ -s "$there/usr/lib/pkgconfig/ordersched.pc" ] && diff <(modes "$scratch/there") \
        <(modes "$there") && [ -z "$(git status --porcelain --untracked-files=all 2>/dev/null |
        grep -E 'spaces|/with')" ] && [ ! -e spaces ]
}
uninstalls_what_it_installed() {
    local there="$scratch/with 空 spaces"
    touch "$there/usr/bin/another"
    make --no-print-directory BUILD="$build" PREFIX=/usr DESTDIR="$there" uninstall >/dev/null ||
        return 1
    diff <(cd "$there" && find . ! -type d) - <<<./usr/bin/another
}
clean_removes_what_was_made_alone() { # of a folder that holds other things
    mkdir -p "$scratch/home/obj/client" "$scratch/tree"
    cp -r Makefile packaging client node raft tests jepsen "$scratch/tree" || return 1
    touch "$scratch/home/letters" "$scratch/home/orderctl" "$scratch/home/obj/client/a.o"
    make --no-print-directory -C "$scratch/tree" BUILD="$scratch/home" clean >"$scratch/said" ||
        return 1
    diff <(cd "$scratch/home" && find . -type f) - <<<./letters &&
        grep -q 'holds other files' "$scratch/said" || return 1
    rm "$scratch/home/letters"
    make --no-print-directory -C "$scratch/tree" BUILD="$scratch/home" clean >/dev/null
    [ ! -e "$scratch/home" ]
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
check the_shared_library_needs_nng_its_mbedtls_and_the_c_library_only needs_only
check everything_is_installed_and_filled_in installs
check a_umask_of_077_changes_no_mode a_umask_changes_nothing
check a_destdir_with_a_space_is_one_path a_path_with_spaces_is_one_path
check uninstall_removes_what_install_copied uninstalls_what_it_installed
check clean_removes_only_what_was_made clean_removes_what_was_made_alone
check the_pkg_config_file_has_the_programs_version is_version
if ! is_sanitized; then # a sanitizer must be linked into the program too
    check a_program_can_be_built_with_the_shared_library program_runs shared
    check a_program_can_be_built_with_the_static_library program_runs static
fi

echo "1..$number"
[ "$failures" -eq 0 ]
