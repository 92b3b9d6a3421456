# jepsen_bed.sh - checks that need the bed of jepsen/, which not every machine lets be made; sourced behind tap.sh.

# Why the bed cannot be made here; nothing when it can.
why_not() {
    local tool
    if [ "$(id -u)" -ne 0 ]; then
        echo "root is needed"
        return
    fi
    for tool in ip nft tc mkfs.ext4 unshare; do
        if ! PATH=$PATH:/usr/sbin:/sbin command -v $tool >/dev/null; then
            echo "$tool is missing: make deps-jepsen"
            return
        fi
    done
    if ! unshare --mount --net --pid --fork true 2>/dev/null; then
        echo "no namespaces can be made here"
    elif [ ! -e /dev/loop-control ]; then
        echo "there are no loop devices here"
    elif ! unshare --mount --net nft add table bridge probe 2>/dev/null; then
        echo "nftables does not work here"
    fi
}

reason=$(why_not)

# A check, if the bed can be made.
check_in_bed() {
    if [ -n "$reason" ]; then
        number=$((number + 1))
        echo "ok $number - $1 # SKIP $reason"
    else
        check "$@"
    fi
}
