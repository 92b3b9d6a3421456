#!/bin/bash
# fresh.sh - a newcomer's machine: a bare Debian with nothing but git and make, in which the project is
# cloned; in which the first order is cancelled by README's commands, and `make demo`, `make demo TLS=1`
# and `make check` run (`make fresh DIST=trixie`). How long each took is told at the end.
#
#   tests/fresh.sh [bookworm|trixie] [--user] [--keep]
#
#   --user    as a user who has sudo; else as root, without sudo
#   --keep    the root stays: build/fresh/DIST.XXXXXX
#
#   GOALS="first demo demo-tls check"    TESTS="test_wheel it_*"    PACKAGES="python3 nodejs", put in besides
#
# The clone is of what is committed here. Its path has a space and Chinese characters in it, the locale
# is one that is not generated, and mounts, processes and loopback are the run's own: nothing is left
# when it ends. Only apt has the network of the machine. Needs root, debootstrap, iproute2, 2 GB of
# disk, and some twenty minutes. build/fresh/DIST.tar is the bare root, made by the first run: remove it
# for a newer one.
#
# The last line is that of `make check`; exit code 1 when a goal failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

say() { printf '\nfresh: %s\n' "$*"; }
fail() {
    printf 'fresh: %s\n' "$*" >&2
    exit 1
}

dist=trixie as_user='' keep='' inside=''
for word in "$@"; do
    case $word in
    bookworm | trixie) dist=$word ;;
    --user) as_user='a user with sudo' ;;
    --keep) keep=yes ;;
    --inside=*) inside=${word#--inside=} ;; # the script itself, in namespaces of its own
    *) fail "$word is none of: bookworm, trixie, --user, --keep" ;;
    esac
done
goals=${GOALS:-first demo demo-tls check}
packages=${PACKAGES:-}
dir=$PWD/build/fresh
bare=$dir/$dist.tar
name=$dist${as_user:+-user}
who="$dist, ${as_user:-root}"

# --- inside ---

# Run a command as the newcomer, in this directory of their home.
newcomer() {
    local place=$1 user=root home=/root
    shift
    [ -z "$as_user" ] || user=neu home=/srv/neu
    # shellcheck disable=SC2016 # the inner shell's
    chroot "$root" runuser -u $user -- env -i HOME=$home USER=$user TERM=dumb \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        LANG=de_DE.UTF-8 LC_ALL=de_DE.UTF-8 \
        sh -c 'cd "$1" && shift && exec "$@"' newcomer "$home/$place" "$@" </dev/null 2>&1
}

# The root itself too: the root of a process that makes namespaces must be that of a mount.
mount_all() {
    mount --bind "$root" "$root" &&
        mount --bind "/proc/$OUTSIDE/ns/net" "$root/run/fresh-net" &&
        mount -t proc proc "$root/proc" &&
        mount -t sysfs sysfs "$root/sys" &&
        mount --bind /dev "$root/dev" &&
        mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm" &&
        mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts "$root/dev/pts"
}

# The commands of README's section "The first cancelled order", as a terminal of bash gets them, and the
# command in front of them.
first_order() {
    echo 'make deps-build all || exit 1'
    awk '/^## / { in_it = $0 == "## The first cancelled order" } in_it && /^    / { print substr($0, 5) }' README.md
}

# What `make all` built must have cancelled an order by then.
make_first() {
    newcomer "$1" bash -c "$(first_order)" | tee "$dir/$name.first.log"
    grep -q '"state": *"EXPIRED"' "$dir/$name.first.log" && grep -q TOO_LATE "$dir/$name.first.log"
}

run_goal() { # goal directory
    case $1 in
    first) make_first "$2" ;;
    demo-tls) newcomer "$2" make demo TLS=1 | tee "$dir/$name.$1.log" ;;
    *) newcomer "$2" make "$1" ${TESTS:+"TESTS=$TESTS"} | tee "$dir/$name.$1.log" ;;
    esac
}

run_goals() {
    local root=$1 path='neue Bestellungen 订单' goal begin word failed=0 results=()

    { hostname fresh && ip link set lo up && mount_all; } || fail "the root cannot be entered"
    newcomer . mkdir "$path" || exit 1
    newcomer "$path" git -c advice.detachedHead=false -c init.defaultBranch=main clone -q \
        /var/tmp/orderschedd.bundle orderschedd || exit 1
    for goal in $goals; do
        say "$who: $goal"
        begin=$SECONDS
        run_goal "$goal" "$path/orderschedd" && word=passed || word=FAILED failed=1
        results+=("$who: $goal: $word, $((SECONDS - begin)) s")
    done
    printf '\n'
    printf 'fresh: %s\n' "${results[@]}"
    # The count; make's word may come after it.
    grep -E '^[0-9]+ passed, ' "$dir/$name.check.log" 2>/dev/null | tail -n 1
    return $failed
}

if [ -n "$inside" ]; then
    run_goals "$inside"
    exit
fi

# --- outside ---

make_bare() {
    say "a bare $dist"
    debootstrap --variant=minbase --include=git,make,ca-certificates "$dist" "$root" \
        >"$dir/$dist.log" 2>&1 || fail "debootstrap failed: see $dir/$dist.log"
    tar -C "$root" --one-file-system --numeric-owner -cf "$bare.part" . && mv "$bare.part" "$bare"
}

# Names and addresses as an installer leaves them; a user; what was asked for besides.
furnish() {
    # shellcheck disable=SC2086 # words
    set -- ${as_user:+sudo} $packages
    case " $goals " in *' first '*) set -- curl "$@" ;; esac # README says that it takes one
    printf '127.0.0.1 localhost\n::1 localhost\n127.0.1.1 fresh\n' >"$root/etc/hosts"
    cat /etc/resolv.conf >"$root/etc/resolv.conf"
    # With /proc, which a Java that configures itself looks at.
    # shellcheck disable=SC2016 # the inner shell's
    [ $# -eq 0 ] || unshare --mount --propagation private env DEBIAN_FRONTEND=noninteractive sh -c '
        mount -t proc proc "$1/proc" && cd / && root=$1 && shift && chroot "$root" apt-get -qq update &&
        chroot "$root" apt-get -qq -y --no-install-recommends install "$@" >/dev/null' sh "$root" "$@" ||
        fail "could not be put in: $*"
    [ -n "$as_user" ] || return 0
    chroot "$root" useradd --create-home --home-dir /srv/neu --shell /bin/bash neu &&
        echo 'neu ALL=(ALL) NOPASSWD: ALL' >"$root/etc/sudoers.d/neu"
}

# The loopback of the run leads nowhere: apt is given the network outside.
give_network() {
    touch "$root/run/fresh-net"
    cat >"$root/usr/local/bin/apt-get" <<'END'
#!/bin/sh
[ "$(id -u)" -eq 0 ] || exec /usr/bin/apt-get "$@"
exec nsenter --net=/run/fresh-net /usr/bin/apt-get "$@"
END
    chmod 755 "$root/usr/local/bin/apt-get"
}

[ "$(id -u)" -eq 0 ] || fail "needs root, to make a root directory of its own"
for tool in debootstrap ip unshare; do
    command -v $tool >/dev/null || fail "needs $tool"
done
mkdir -p "$dir" && root=$(mktemp -d "$dir/$name.XXXXXX") || exit 1
chmod 755 "$root"
rm -f "$dir/$name".*.log
# Whoever kills what runs in the namespaces has unmounted all: no mount was seen outside.
run=''
# shellcheck disable=SC2317 # the trap calls it
end() {
    [ -z "$run" ] || { kill -KILL "$run" && wait "$run"; } 2>/dev/null
    [ -n "$keep" ] || rm -rf --one-file-system "$root"
}
trap end EXIT
trap 'exit 130' INT TERM
if [ -e "$bare" ]; then tar -C "$root" -xpf "$bare"; else make_bare; fi || exit 1
furnish && give_network || exit 1
git bundle create -q "$root/var/tmp/orderschedd.bundle" HEAD || exit 1
chmod 644 "$root/var/tmp/orderschedd.bundle"
set -m # a job that would ignore SIGINT lets its tests ignore it
OUTSIDE=$$ unshare --mount --net --uts --ipc --pid --fork --kill-child --propagation private \
    "$0" "$@" --inside="$root" &
run=$!
wait "$run"
rc=$?
run=''
exit $rc
