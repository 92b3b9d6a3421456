#!/usr/bin/env bash
# The demonstration: three nodes, a webhook receiver, a stream of orders with their real payment
# delays (36 times faster), the leader killed with SIGKILL half-way and started again; at the end
# every order is accounted for. `make demo [ORDERS=FILE.csv] [TLS=1]`; the report is build/demo.json.
# With TLS=1 the nodes and their clients speak TLS, by certificates that are made on the way.
#
#   tests/demo/demo.sh [ORDERS.csv]            "" for orders that are made up
#   tests/demo/demo.sh ORDERS.csv --check      only say whether these orders will do
set -euo pipefail

BUILD=${BUILD:-build}
ORDERS=${1:-}
TLS=${TLS:-}
SPEED=36
RATE=100
WINDOW=30.5m
WINDOW_SECONDS=51 # 30.5 min / 36

bin() { echo "$BUILD/$1"; }
# In bold where somebody looks; a file or a pipe gets the words alone.
bold='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
refuse() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}
fail() {
    printf '\ndemo: %s\n' "$*" >&2
    printf 'demo: the logs of the nodes and the receiver are in %s\n' "$DIR" >&2
    exit 1
}

# Before anything is installed, built or started.
if [ -n "$ORDERS" ]; then
    [ -f "$ORDERS" ] && [ -r "$ORDERS" ] || refuse "cannot read the orders: $ORDERS"
    [ "$(grep -c '' <"$ORDERS")" -ge 2 ] || refuse "no orders in $ORDERS: a line of headings, then one each"
fi
[ "${2:-}" != --check ] || exit 0

DIR=$BUILD/demo
rm -rf "$DIR"
mkdir -p "$DIR"

declare -A PID
cleanup() {
    local name
    set +e # what was killed does not end well, and that is not the demonstration's verdict
    for name in "${!PID[@]}"; do
        kill -KILL "${PID[$name]}" 2>/dev/null
        wait "${PID[$name]}" 2>/dev/null
    done
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- ports that nobody uses ---

port_busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
BASE=
for base in 17400 18400 19400 21400 22400 23400; do
    busy=
    for port in "$base" $((base + 1)) $((base + 2)) $((base + 10)) $((base + 11)) $((base + 12)) \
        $((base + 20)) $((base + 21)) $((base + 22)) $((base + 90)); do
        if port_busy "$port"; then busy=yes; fi
    done
    if [ -z "$busy" ]; then BASE=$base && break; fi
done
[ -n "$BASE" ] || fail "no free ports on 127.0.0.1 around 17400 to 23500"
raft_port() { echo $((BASE + 10 * ($1 - 1))); }
PEERS=1=127.0.0.1:$(raft_port 1),2=127.0.0.1:$(raft_port 2),3=127.0.0.1:$(raft_port 3)
ORDERSCHED_ENDPOINTS=127.0.0.1:$((BASE + 1)),127.0.0.1:$((BASE + 11)),127.0.0.1:$((BASE + 21))
export ORDERSCHED_ENDPOINTS

# --- certificates ---

tls_flags() { # ID
    [ -z "$TLS" ] || echo "--tls-cert $DIR/tls/node-$1.crt --tls-key $DIR/tls/node-$1.key --tls-ca $DIR/tls/ca.crt"
}
make_certificates() {
    local i
    "$(bin orderctl)" cert create-ca --cluster orderschedd --out "$DIR/tls"
    for i in 1 2 3; do "$(bin orderctl)" cert node "$i" --host 127.0.0.1 --out "$DIR/tls"; done
    "$(bin orderctl)" cert client demo --out "$DIR/tls"
    export ORDERSCHED_TLS_CA=$DIR/tls/ca.crt ORDERSCHED_TLS_CERT=$DIR/tls/client-demo.crt
    export ORDERSCHED_TLS_KEY=$DIR/tls/client-demo.key
}

# --- the parts ---

start_node() {
    # shellcheck disable=SC2046 # flags, and no blanks in them
    "$(bin orderschedd)" --id "$1" --data "$DIR/node-$1" --peers "$PEERS" $(tls_flags "$1") \
        >>"$DIR/node-$1.log" 2>&1 &
    PID[node$1]=$!
}

status() { "$(bin orderctl)" --timeout 3s status || true; }

# The id of the node that leads, from the status in JSON.
leader() {
    "$(bin orderctl)" --timeout 3s -w json status 2>/dev/null |
        tr -d ' \n' | sed -n 's/.*"leader":\([0-9][0-9]*\).*/\1/p'
}

wait_for_leader() {
    local tries id
    for tries in $(seq 100); do
        id=$(leader || true)
        if [ -n "$id" ] && [ "$id" != 0 ] && [ "$id" != "${1:-}" ]; then
            echo "$id"
            return
        fi
        sleep 0.1
    done
    fail "no leader within 10 seconds"
}

if [ -n "$TLS" ]; then
    say "0. A CA, and certificates for three nodes and a client"
    make_certificates
fi
say "1. Three nodes of orderschedd, each with its own disk, on 127.0.0.1 (ports $BASE and up)"
for i in 1 2 3; do start_node "$i"; done
LEADER=$(wait_for_leader)
status

say "2. A receiver that checks signatures, drops repetitions and writes a journal; a route to it"
SECRET=whsec_$(head -c 32 /dev/urandom | base64 | tr -d '\n')
"$(bin ordersink)" --listen "127.0.0.1:$((BASE + 90))" --secret "$SECRET" \
    --journal "$DIR/journal.jsonl" --quiet >"$DIR/sink.log" 2>&1 &
PID[sink]=$!
"$(bin orderctl)" route put cancel-unpaid --url "http://127.0.0.1:$((BASE + 90))/" \
    --secret "$SECRET" --retry 200ms,500ms,1s,1s,2s,5s,5s

if [ -z "$ORDERS" ]; then
    ORDERS=$DIR/orders.csv
    "$(bin orderbench)" generate --count 3000 --seed 7 >"$ORDERS"
    say "3. 3,000 made-up orders with a realistic spread of payment delays"
else
    say "3. The orders of $ORDERS"
fi
N=$(($(grep -c '' <"$ORDERS") - 1))
SCHEDULING=$((N / RATE))
echo "$N orders, $RATE a second; 30.5 minutes to pay, $SPEED times faster than in life."
if [ "$SCHEDULING" -ge 10 ]; then
    KILL_AT=$((WINDOW_SECONDS + SCHEDULING / 2))
    echo "The leader is killed after $KILL_AT seconds, when payments and expiries are in full swing."
else # so few that all end at once
    KILL_AT=10
    echo "The leader is killed after $KILL_AT seconds, while they wait."
fi
"$(bin orderbench)" replay --orders "$ORDERS" --window "$WINDOW" --speed "$SPEED" --rate "$RATE" \
    --route cancel-unpaid --journal "$DIR/journal.jsonl" --report "$BUILD/demo.json" \
    >"$DIR/verdict.txt" &
PID[replay]=$!

sleep "$KILL_AT"
if ! kill -0 "${PID[replay]}" 2>/dev/null; then
    fail "all orders had ended before the leader could be killed: of $N orders every one was paid" \
        "early; take more"
fi
LEADER=$(wait_for_leader)
say "4. Before: node $LEADER leads. Now it is killed with SIGKILL"
status
kill -KILL "${PID[node$LEADER]}"
wait "${PID[node$LEADER]}" 2>/dev/null || true
NEXT=$(wait_for_leader "$LEADER")
say "5. Node $LEADER is dead, node $NEXT leads"
status
sleep 5
start_node "$LEADER"
sleep 3
say "6. Node $LEADER was started again and caught up from its disk and the others"
status

say "7. The rest of the orders: waiting until nothing is pending"
CODE=0
wait "${PID[replay]}" || CODE=$?
unset 'PID[replay]'

say "8. The verdict: what was acknowledged, how each order ended, what the receiver saw"
cat "$DIR/verdict.txt"
echo
echo "The same in JSON: $BUILD/demo.json"
for i in 1 2 3; do
    kill -TERM "${PID[node$i]}" && wait "${PID[node$i]}" || fail "node $i did not stop cleanly"
    unset "PID[node$i]"
done
[ "$CODE" = 0 ] || fail "the verdict is not clean (exit code $CODE)"
grep -Eq '"failovers": *[1-9]' "$BUILD/demo.json" || fail "no failover was seen"
say "Every order has exactly one ending, the right one."
