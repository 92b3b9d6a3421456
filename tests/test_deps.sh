#!/bin/bash
# test_deps.sh - packaging/deps.sh against an imitation of apt: what it adds, copies and refuses.
# Runs beside others: computes 3 s.
# Same for each build.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export SYSROOT=$scratch/root CALLS=$scratch/calls
export PATH=$scratch/bin:$PATH
mkdir "$scratch/bin"

tool() {
    printf '#!/bin/bash\n%s\n' "$2" >"$scratch/bin/$1"
    chmod +x "$scratch/bin/$1"
}
tool pkg-config 'case "$*" in *" raft"|raft) [ -e "$SYSROOT/installed" ] ;; *) true ;; esac'
tool curl 'true'
tool clang 'echo "$SYSROOT/clang"'
tool php 'echo pdo_sqlite'
tool promtool 'true'
tool id 'cat "$SYSROOT/uid"'
tool sudo 'echo "sudo $*" >>"$CALLS"; exec "$@"'
# A mirror whose Debian has libraft 0.15, and 0.22 in the suites of $SYSROOT/mirror only.
tool apt-get 'echo "apt-get $*" >>"$CALLS"
case "$*" in
*indextargets*) cat "$SYSROOT/targets" ;;
*"-t bookworm-backports libraft-dev") touch "$SYSROOT/installed" ;;
esac'
tool apt-cache 'backports=no
grep -qs bookworm-backports -r "$SYSROOT/etc/apt" && [ -e "$SYSROOT/mirror" ] && backports=yes
case "$1" in
policy) echo "  Candidate: 0.15.0-1" ;;
madison)
    [ "$2" = libraft-dev ] || exit 0
    [ $backports = no ] || echo "$2 | 0.22.1-1~bpo12+1 | file:/srv/debian/debian bookworm-backports/main amd64 Packages"
    echo "$2 | 0.15.0-1 | file:/srv/debian/debian bookworm/main amd64 Packages"
    ;;
esac'

# A Debian 12 that has everything but libraft.
fresh() {
    rm -rf "$SYSROOT" "$CALLS"
    mkdir -p "$SYSROOT/etc/apt/sources.list.d" "$SYSROOT"/usr/include/{nng,mbedtls} "$SYSROOT/clang/lib/linux"
    touch "$CALLS" "$SYSROOT/mirror" "$SYSROOT/clang/lib/linux/libclang_rt.fuzzer-x86_64.a" "$SYSROOT"/usr/include/{stdio,msgpack,cmocka,nng/nng,mbedtls/ssl}.h
    printf 'ID=debian\nVERSION_CODENAME=bookworm\n' >"$SYSROOT/etc/os-release"
    echo 0 >"$SYSROOT/uid"
    sources=$SYSROOT/etc/apt/sources.list.d
    cat >"$sources/debian.sources" <<'END'
# A comment.
Types: deb
URIs: file:/srv/security/debian-security
Suites: bookworm-security
Components: main

Types: deb
URIs: file:/srv/vendor/debian
Suites: bookworm
Components: main
Signed-By: /vendor.gpg

Types: deb deb-src
# Another comment.
URIs: file:/srv/other/debian file:/srv/debian/debian/
Suites: bookworm
 bookworm-updates
Components: main contrib
Signed-By: /debian.gpg
END
    {
        echo "Vendor|bookworm|$sources/debian.sources:2|bookworm|file:/srv/vendor/debian/"
        echo "Debian|bookworm-security|$sources/debian.sources:1|bookworm-security|file:/srv/security/debian-security/"
        echo "Debian|bookworm|$sources/debian.sources:3|bookworm|file:/srv/debian/debian/"
    } >"$SYSROOT/targets"
}

one_line() { echo "deb [ $1 ] ${*:2}"; } # options, where it is, the suite and its components

# Directories, of which nothing is read.
debian=file:/srv/debian/debian vendor=file:/srv/vendor/debian
one_line_sources() {
    rm "$sources/debian.sources"
    cat >"$SYSROOT/etc/apt/sources.list" <<END
# deb $debian bookworm main
$(one_line 'trusted=yes signed-by=/vendor.gpg' $vendor bookworm main)
$(one_line 'arch=amd64 signed-by=/debian.gpg' $debian bookworm main contrib '# mine')
END
    echo "Debian|bookworm|$SYSROOT/etc/apt/sources.list:3|bookworm|$debian/" >"$SYSROOT/targets"
}

# shellcheck source=tests/support/tap.sh
. tests/support/tap.sh
output=''
rc=0
run() {
    output=$(packaging/deps.sh "$@" 2>&1)
    rc=$?
}
explain() { printf 'rc %s\n%s\n%s\n' "$rc" "$output" "$(cat "$CALLS")"; }
says() { [[ $output == *"$1"* ]]; }
called() { grep -qF -- "$1" "$CALLS"; }
failed_saying() { [ "$rc" -ne 0 ] && says "$1"; }
succeeded() { [ "$rc" -eq 0 ]; }
not() { ! "$@"; }
file_is() { diff -u "$1" - >&2; }

fresh
touch "$SYSROOT/installed"
run
check nothing_is_said_or_called_when_all_is_there [ "$rc-$output-$(cat "$CALLS")" = 0-- ]
run --missing
check nothing_is_listed_when_all_is_there [ "$rc-$output" = 0- ]

fresh
rm "$SYSROOT/usr/include/cmocka.h"
run --missing
check what_is_missing_is_listed [ "$rc-$output" = $'1-libraft-dev\nlibcmocka-dev' ]
check listing_changes_nothing [ ! -s "$CALLS" ]
rm "$SYSROOT"/clang/lib/linux/*
run --missing
check a_clang_without_libfuzzer_is_noticed says libclang-rt-dev

fresh
run
check the_debian_source_is_copied_for_the_backports succeeded
check only_the_suite_of_a_source_is_changed file_is "$sources/orderschedd-backports.sources" <<'END'
# For libraft 0.22 or newer, needed by orderschedd.
Types: deb
URIs: file:/srv/other/debian file:/srv/debian/debian/
Suites: bookworm-backports
Components: main contrib
Signed-By: /debian.gpg
END
check it_says_what_it_adds_before_it_does says 'orderschedd-backports.sources, a copy of the Debian source in'
check only_libraft_comes_from_the_backports called 'install -t bookworm-backports libraft-dev'
rm "$SYSROOT/installed"
before=$(cat "$sources"/*)
echo damaged >"$SYSROOT/targets"
run
check configured_backports_are_not_added_again [ "$rc-$(cat "$sources"/*)" = "0-$before" ]

fresh
one_line_sources
run
check a_one_line_source_keeps_its_options_and_components \
    file_is "$sources/orderschedd-backports.list" <<END
# For libraft 0.22 or newer, needed by orderschedd.
$(one_line 'arch=amd64 signed-by=/debian.gpg' $debian bookworm-backports main contrib)
END

fresh
echo "Vendor|bookworm|$sources/debian.sources:2|bookworm|file:/srv/vendor/debian/" >"$SYSROOT/targets"
run
check without_a_debian_source_it_says_so failed_saying 'no Debian source for bookworm'
check without_a_debian_source_it_adds_none [ "$(ls "$sources")" = debian.sources ]

fresh
rm "$SYSROOT/mirror"
run
check a_mirror_without_backports_is_named failed_saying 'file:/srv/debian/debian has no libraft 0.22'
check a_source_that_does_not_help_is_removed [ "$(ls "$sources")" = debian.sources ]

fresh
printf 'ID=ubuntu\nVERSION_CODENAME=jammy\n' >"$SYSROOT/etc/os-release"
run
check another_system_is_told_which_ones_have_libraft failed_saying 'this is ubuntu:jammy'

fresh
echo 1000 >"$SYSROOT/uid"
run
check others_than_root_use_sudo called "sudo env DEBIAN_FRONTEND=noninteractive apt-get"
check others_than_root_are_told says 'as root through sudo'
check the_new_source_is_written_with_sudo called "sudo tee $sources/orderschedd-backports.sources"

fresh
echo 1000 >"$SYSROOT/uid"
tool sudo 'echo "sudo $*" >>"$CALLS"; echo "sorry" >&2; exit 1'
run
check a_sudo_that_refuses_is_named failed_saying 'sudo refused'
check then_apt_is_not_blamed not says 'apt-get update failed'
check then_nothing_else_is_tried [ "$(cat "$CALLS")" = "sudo true" ]

fresh
touch "$SYSROOT/installed"
rm "$SYSROOT/usr/include/cmocka.h"
run --build
check what_only_tests_need_is_not_needed_for_the_programs [ "$rc-$output" = 0- ]
run --missing
check and_is_for_the_tests [ "$rc-$output" = 1-libcmocka-dev ]

# Only where promtool is not installed can it be missing.
fresh
touch "$SYSROOT/installed"
rm "$scratch/bin/promtool"
if ! command -v promtool >/dev/null; then
    mkdir -p "$SYSROOT/usr/sbin"
    tool apt-get 'case "$*" in *install*prometheus*) "$SYSROOT/usr/sbin/policy-rc.d"; echo "policy $?" >>"$CALLS" ;; esac'
    run
    check no_server_is_started_for_promtool called 'policy 101'
    check and_the_denial_ends_with_the_installation [ ! -e "$SYSROOT/usr/sbin/policy-rc.d" ]
fi

# The browser: of a path that has nothing else, as this machine may have one.
few=$scratch/few
mkdir "$few"
for word in bash env dirname cat touch; do ln -s "$(command -v $word)" "$few"; done
ln -s "$scratch/bin/id" "$scratch/bin/sudo" "$few"
few_tool() {
    printf '#!/bin/bash\n%s\n' "$2" >"$few/$1"
    chmod +x "$few/$1"
}
run_browser() {
    output=$(PATH=$few bash packaging/deps-browser.sh "$@" 2>&1)
    rc=$?
}
fresh
few_tool node true
few_tool npm true
few_tool google-chrome true
run_browser
check nothing_is_said_of_a_browser_that_is_there [ "$rc-$output-$(cat "$CALLS")" = 0-- ]
rm "$few/google-chrome" "$few/npm"
run_browser --missing
check a_missing_browser_is_listed [ "$rc-$output" = $'1-npm\nchromium' ]
few_tool apt-get 'echo "apt-get $*" >>"$CALLS"; case "$*" in *chromium*) exit 100 ;; *npm*) cat "$(command -v node)" >'"$few/npm"' ;; esac'
run_browser
check what_there_is_is_installed_though_something_is_not called 'install npm'
check and_what_is_not_is_named failed_saying 'still missing after the installation'

echo "1..$number"
[ "$failures" -eq 0 ]
