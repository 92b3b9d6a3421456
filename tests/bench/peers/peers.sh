#!/usr/bin/env bash
# Other systems under the same work as ours, each in turns with ours, so that the ratios hold on a
# machine that is not quiet. `make bench-peers`; the rows are in build/bench-peers.json.
#
#   PEERS=NAMES         only these: "redis redis-wait beanstalkd etcd rabbitmq postgresql"
#   PEERS_WORKS=NAMES   only these: "schedule schedule-one pay fire drain memory restart"
#   BENCH_SCALE=0.01    how much of each size (1)
#   BENCH_DATA=DIR      where all servers write (the build directory): the disk that is measured
#
# What is not installed is left out, and named. A measurement that fails is named, and fails all at
# the end; it becomes no figure. docs/performance.md tells what each system is asked to do.
set -uo pipefail

here=$(dirname "$0")
BUILD=${BUILD:-build}
SCALE=${BENCH_SCALE:-1}
DATA=${BENCH_DATA:-$BUILD}
ALL_PEERS='redis redis-wait beanstalkd etcd rabbitmq postgresql'
ALL_WORKS='schedule schedule-one pay fire drain memory restart'
PEERS=${PEERS:-$ALL_PEERS}
WORKS=${PEERS_WORKS:-$ALL_WORKS}
BENCH=$BUILD/orderbench
OUT=$BUILD/bench-peers.json
ROUNDS=2

fail() {
    printf 'peers: %s\n' "$*" >&2
    exit 2
}
is_among() { case " $2 " in *" $1 "*) ;; *) return 1 ;; esac }

# shellcheck source=tests/bench/sizes.sh
. "$here/../sizes.sh"
for name in $PEERS; do
    is_among "$name" "$ALL_PEERS" || fail "PEERS has an unknown name: $name (known: $ALL_PEERS)"
done
for name in $WORKS; do
    is_among "$name" "$ALL_WORKS" || fail "PEERS_WORKS has an unknown name: $name (known: $ALL_WORKS)"
done

# ---- who takes part ----

client_of() { echo "$BUILD/peers/peer_${1%-wait}"; }

# What is missing of a system; nothing when it can be measured.
missing() {
    local server
    case $1 in
    redis | redis-wait) server=redis-server ;;
    beanstalkd) server=beanstalkd ;;
    etcd) server=etcd ;;
    rabbitmq) server=/usr/lib/rabbitmq/bin/rabbitmq-server ;;
    postgresql) server=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | tail -n 1) ;;
    esac
    if [ -z "$server" ] || ! command -v "$server" >/dev/null; then
        echo 'its server is not installed'
    elif [ ! -x "$(client_of "$1")" ]; then
        echo 'its client library is not installed'
    fi
}

present=''
left_out=''
for name in $PEERS; do
    why=$(missing "$name")
    if [ -z "$why" ]; then
        present="$present $name"
    else
        left_out="$left_out$name: $why"$'\n'
    fi
done
print_left_out() {
    [ -z "$left_out" ] || printf '\nLeft out (make deps-peers installs them):\n%s' "$left_out"
}
if [ -z "$present" ]; then
    print_left_out >&2
    fail "none of these is installed: $PEERS"
fi

# ---- the scratch directory, and its end ----

DIR=$(mktemp -d "$DATA/peers-XXXXXX") || fail "nothing can be made in $DATA"
chmod 755 "$DIR" # PostgreSQL runs as a user of its own
SYSTEM=
JOB=
# shellcheck source=tests/bench/peers/servers.sh
. "$here/servers.sh"
cleanup() {
    trap '' INT TERM HUP # once it has begun, it is not cut short by a second signal
    if [ -n "$JOB" ]; then kill -TERM "$JOB" 2>/dev/null && wait "$JOB" 2>/dev/null; fi
    servers_end
    rm -rf "$DIR"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP
ports_find 6 || fail "no six ports in a row are free"

# ---- sizes ----

# Orders of a work. Systems that pay an fsync for each order get fewer.
orders_of() {
    local system=$1 work=$2
    case $work:$system in
    schedule-one:etcd) size 1000 ;;
    schedule-one:*) size 2000 ;;
    schedule:etcd | pay:etcd) size 5000 ;;
    schedule:beanstalkd | pay:beanstalkd) size 10000 ;;
    schedule:rabbitmq) size 100000 ;;
    schedule:* | pay:*) size 200000 ;;
    fire:etcd) size 2500 ;;
    fire:*) size 10000 ;;
    drain:etcd) size 5000 ;;
    drain:*) size 20000 ;;
    memory:etcd | restart:etcd) size 10000 ;;
    memory:beanstalkd | restart:beanstalkd) size 20000 ;;
    *) size 200000 ;;
    esac
}

# Ours, where a figure is one of a second or of an order and a small size would not do us justice.
our_orders_of() {
    case $2 in
    schedule | pay | memory) size 200000 ;;
    *) orders_of "$1" "$2" ;;
    esac
}

# Until the first deadline: 1.5 s, and what putting so many takes. What is too short is noticed.
lead_of() { # SYSTEM ORDERS
    local per_s
    case $1 in
    etcd) per_s=400 ;;
    beanstalkd) per_s=4000 ;;
    *) per_s=10000 ;;
    esac
    echo $((1500 + $2 * 1000 / per_s))ms
}

OVER_S=5 # fire
over() { awk -v o="$OVER_S" -v s="$SCALE" 'BEGIN { v = o * 1000 * (s < 1 ? s : 1); printf "%dms", v < 500 ? 500 : v }'; }

# ---- measurements ----

FAILED=''
: >"$DIR/rows"

# run SECONDS FILE COMMAND...: a job of its own, so that a signal to this script is not held up.
run() {
    local seconds=$1 file=$2 code=0
    shift 2
    timeout -k 5 "$seconds" "$@" >"$file" 2>"$DIR/said" &
    JOB=$!
    wait "$JOB" || code=$?
    JOB=
    if [ "$code" -ne 0 ]; then
        sed 's/^/    /' "$DIR/said" >&2
        echo "    exit code $code$([ "$code" = 124 ] && echo ': out of time')" >&2
    fi
    return "$code"
}

ours() {
    local work=$1 n=$2
    case $work in
    schedule) set -- schedule --orders "$n" ;;
    schedule-one) set -- schedule --orders "$n" --outstanding 1 ;;
    pay) set -- pay --orders "$n" ;;
    fire) set -- with --data "$DIR" -- "$BENCH" fire --orders "$n" --over "$(over)" --lead 1500ms ;;
    drain) set -- with --data "$DIR" -- "$BENCH" drain --orders "$n" --kind worker --lead 2s ;;
    memory | restart) set -- "$work" --orders "$n" ;;
    esac
    if [ "$1" != with ]; then set -- "$@" --data "$DIR"; fi
    run 60 "$DIR/ours.json" "$BENCH" "$@" -q -w json
}

client() { # WORK, then more flags
    local work=$1
    shift
    run 90 "$DIR/theirs.json" "$(client_of "$SYSTEM")" "$work" --peer "$SYSTEM" --ports "$PORTS" \
        --wait-for "$WAIT_FOR" --durable "$DURABLE" "$@"
}

start_servers() {
    WAIT_FOR=0
    "servers_$SYSTEM"
}

joined() {
    local IFS=,
    echo "$*"
}

theirs() {
    local work=$1 n=$2 code=0 since
    start_servers || return 1
    case $work in
    fire) client fire --orders "$n" --over "$(over)" --lead "$(lead_of "$SYSTEM" "$n")" || code=$? ;;
    drain) client drain --orders "$n" --lead "$(lead_of "$SYSTEM" "$n")" || code=$? ;;
    memory) client memory --orders "$n" --pids "$(joined "${PIDS[@]}")" || code=$? ;;
    restart)
        client memory --orders "$n" --pids "$(joined "${PIDS[@]}")" || code=$?
        if [ "$code" -eq 0 ]; then
            # A quorum queue of RabbitMQ 3.10 that is killed within a second of its last confirms
            # comes back without a leader, and stays so.
            [ "$SYSTEM" != rabbitmq ] || sleep 5
            servers_stop KILL
            since=${EPOCHREALTIME//[!0-9]/}
            start_servers
            client serves --orders "$n" --since "$since" || code=$?
        fi
        ;;
    *) client "$work" --orders "$n" || code=$? ;;
    esac
    [ "$code" -eq 0 ] || tail -n 5 "$DIR/log" | sed 's/^/    server: /' >&2
    servers_end
    return "$code"
}

keep_row() { # ROUND: one object: theirs, and ours inside it
    local row our
    row=$(<"$DIR/theirs.json")
    our=$(tr -s ' \n' ' ' <"$DIR/ours.json")
    printf '%s,"round":%d,"ours":%s}\n' "${row%\}}" "$1" "$our" >>"$DIR/rows"
}

measure() { # WORK ROUND
    local work=$1 round=$2 n our_n
    n=$(orders_of "$SYSTEM" "$work")
    our_n=$(our_orders_of "$SYSTEM" "$work")
    printf '  %-13s %-11s round %d: %s orders\n' "$work" "$SYSTEM" "$round" "$n"
    if ! ours "$work" "$our_n"; then
        FAILED="$FAILED"$'\n'"  $work, ours beside $SYSTEM"
    elif ! theirs "$work" "$n"; then
        FAILED="$FAILED"$'\n'"  $work of $SYSTEM"
    else
        keep_row "$round"
    fi
}

say "In turns with orderschedd:$present"
began=$SECONDS
for work in $ALL_WORKS; do
    is_among "$work" "$WORKS" || continue
    for SYSTEM in $present; do
        if [ "$work:$SYSTEM" = pay:rabbitmq ]; then
            echo "  pay           rabbitmq    cannot: a message is not taken out of a queue by its id"
            continue
        fi
        for ((round = 1; round <= ROUNDS; round++)); do measure "$work" "$round"; done
    done
done

{ printf '[\n' && sed '$!s/$/,/' "$DIR/rows" && printf ']\n'; } >"$OUT"
say "orderschedd beside them (scale $SCALE, commit ${ORDERBENCH_COMMIT:-unknown}, $((SECONDS - began)) s)"
"$BUILD/peers/table" "$OUT" || FAILED="$FAILED"$'\n'"  the table"
print_left_out
printf '\nThe rows: %s\n' "$OUT"
if [ -n "$FAILED" ]; then
    printf '\npeers: could not be measured:%s\n' "$FAILED" >&2
    exit 1
fi
