#!/bin/bash
# test_examples.sh - the receivers of docs/examples do what docs/callbacks.md promises: with a real
# node, real deadlines and real signatures; and with forged, replayed and repeated requests. And the
# clients schedule, pay and work over HTTP.
# Runs beside others: waits 25 s.
# Same for each build: what it asks of the nodes, other tests ask of each.
#
#   tests/test_examples.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP. All languages at once, each with a receiver of its own. A language is skipped, with the reason, where what it needs is not installed.
set -u
build=${1:-${BUILD:-build}}
examples=$(dirname "$0")/../docs/examples
dir=$(mktemp -d)
node=
receiver=
tests=0
secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw
other=whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA==
runs=()
cleanup() {
    [ ${#runs[@]} -eq 0 ] || kill "${runs[@]}" 2>/dev/null
    [ -z "$node" ] || kill -KILL "$node" 2>/dev/null
    wait 2>/dev/null
    rm -rf "$dir"
}
stop_receiver() {
    [ -z "$receiver" ] || { kill -TERM "$receiver" && wait "$receiver"; } 2>/dev/null
    receiver=
}
trap cleanup EXIT

report() { # ok | "not ok", NAME
    tests=$((tests + 1))
    echo "$1 $tests - $2"
}

is() { # NAME GOT WANTED
    if [ "$2" = "$3" ]; then
        report ok "$1"
    else
        report "not ok" "$1"
        printf '# got:    %s\n# wanted: %s\n' "$2" "$3"
        tail -5 "$log" | sed 's/^/# log: /'
    fi
}

skip() { # WHAT REASON
    tests=$((tests + 1))
    echo "ok $tests - the examples in $1 # SKIP $2"
}

# shellcheck source=tests/support/ports.sh
. "$(dirname "$0")/support/ports.sh"
wait_for() { # COMMAND...: at most 20 s
    local tries
    for tries in $(seq 400); do
        "$@" && return
        sleep 0.05
    done
    return 1
}

# ---- requests by hand ----

# The signature of ID TIMESTAMP BODY under a secret: with the other language's own HMAC.
sign() { # SECRET ID TIMESTAMP BODY
    if command -v python3 >/dev/null; then
        python3 -c 'import sys, hmac, hashlib, base64
secret, *rest = sys.argv[1:]
key = base64.b64decode(secret[6:])
print("v1," + base64.b64encode(hmac.digest(key, ".".join(rest).encode(), hashlib.sha256)).decode())' "$@"
    else
        node -e 'const [secret, ...rest] = process.argv.slice(1);
const hmac = require("crypto").createHmac("sha256", Buffer.from(secret.slice(6), "base64"));
console.log("v1," + hmac.update(rest.join(".")).digest("base64"));' "$@"
    fi
}

# post ID FENCE BODY [SECRET [SECONDS OF AGE]] -> "STATUS BODY"
post() {
    local timestamp=$(($(date +%s) - ${5:-0})) signature line status length=0
    signature=$(sign "${4:-$secret}" "$1" "$timestamp" "$3")
    exec 3<>"/dev/tcp/127.0.0.1/$sink" || return
    {
        printf 'POST /hook HTTP/1.1\r\nhost: test\r\nconnection: close\r\nwebhook-id: %s\r\n' "$1"
        printf 'webhook-timestamp: %s\r\nwebhook-signature: %s\r\n' "$timestamp" "$signature"
        [ -z "$2" ] || printf 'orderschedd-fence: %s\r\n' "$2"
        printf 'content-type: application/json\r\ncontent-length: %d\r\n\r\n%s' ${#3} "$3"
    } >&3
    read -r _ status _ <&3
    while IFS= read -r line <&3 && line=${line%$'\r'} && [ -n "$line" ]; do
        case ${line,,} in content-length:*) length=${line#*:} ;; esac
    done
    echo "$status $(head -c $((length)) <&3 | tr -d ' \n')"
    exec 3>&-
}

key() { printf 'osd_%032x' "$1"; }
order() { # ID, as the data of a request about it
    echo "\"order_id\":\"$1\",\"deadline\":\"2027-01-15T08:00:00.001Z\",\"attempt\":1,\"payload\":{\"sku\":7}"
}
single() { echo "{\"type\":\"order.expired\",\"timestamp\":\"2027-01-15T08:00:01Z\",\"data\":{$(order "$1")}}"; }
in_batch() { echo "{\"idempotency_key\":\"$(key "$1")\",\"fence\":\"$2\",$(order "$3")}"; }
batch() {
    local IFS=,
    echo "{\"type\":\"order.expired.batch\",\"timestamp\":\"2027-01-15T08:00:01Z\",\"data\":[$*]}"
}

# ---- the receivers ----

start_receiver() { # LANGUAGE
    local address=127.0.0.1:$sink
    export SECRET=$secret
    ! listens $sink || return # that is not ours
    case $1 in
    Python) exec python3 "$examples/python/receiver.py" $address "$dir/py.db" "$dir/payments" ;;
    Key) # knows no secret
        exec env SECRET= PUBLIC_KEY="$public_key" \
            node "$examples/node/receiver.mjs" $address "$dir/key.jsonl" "$dir/payments"
        ;;
    Node) exec node "$examples/node/receiver.mjs" $address "$dir/node.jsonl" "$dir/payments" ;;
    PHP)
        export DATABASE="$dir/php.db" PAYMENTS="$dir/payments"
        exec php -S $address "$examples/php/receiver.php"
        ;;
    Java) exec java -cp "$dir/classes" Receiver $sink "$dir/Java.inbox" "$dir/payments" ;;
    Go) exec "$dir/shop" receive $address "$dir/Go.inbox" "$dir/payments" ;;
    shell)
        exec systemd-socket-activate --inetd --accept -l $address -E SECRET=$secret \
            -E STATE="$dir/shell" -E PAYMENTS="$dir/payments" -E PATH="$PATH" \
            "$examples/shell/receiver.sh"
        ;;
    esac >>"$log" 2>&1 &
    receiver=$!
    wait_for listens $sink
}

# How often the receiver released the stock of an order.
released() { # LANGUAGE ORDER
    case $1 in
    Python)
        python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT COUNT(*) FROM released WHERE id = ?",
                                           sys.argv[2:]).fetchone()[0])' "$dir/py.db" "$2"
        ;;
    Node) grep -c "\"order\":\"$2\",.*\"key\":.*\"outcome\":\"expired\"" "$dir/node.jsonl" ;;
    PHP) released_in_php "$dir/php.db" "$2" ;;
    Java | Go) grep -cP "^osd_[0-9a-f]*\texpired\t\Q$2\E\$" "$dir/$1.inbox" ;;
    shell) grep -c "^osd_[0-9a-f]* expired $2\$" "$dir/shell/journal" ;;
    esac
}
released_in_php() { # DATABASE ORDER
    # shellcheck disable=SC2016 # the variables are PHP's
    php -r '$found = (new PDO("sqlite:$argv[1]"))->prepare("SELECT COUNT(*) FROM released WHERE id = ?");
        $found->execute([$argv[2]]);
        echo $found->fetchColumn();' "$@"
}

ctl() { timeout 30 "$build/orderctl" "$@" 2>>"$dir/ctl.log"; }
state() { ctl get "$1" -w json | grep -o '"state": *"[A-Z]*"' | grep -o '[A-Z]*"$' | tr -d '"'; }
has_state() { [ "$(state "$1")" = "$2" ]; }

has_failed() { ctl get "$1" --history | grep -q 'attempt 1 failed'; }

# ---- what every receiver must do ----

real_deliveries() { # LANGUAGE
    local l=$1 r=route-$1
    ctl route put "$r" --url "http://127.0.0.1:$sink/hook" --secret $secret >/dev/null
    echo paid >"$dir/payments/$l-paid"
    echo processing >"$dir/payments/$l-slow"
    ctl schedule "$l-open" --in 1s --route "$r" --payload '{"sku":7}' >/dev/null
    ctl schedule "$l-paid" --in 1s --route "$r" >/dev/null
    ctl schedule "$l-slow" --in 1s --route "$r" >/dev/null
    wait_for has_state "$l-open" EXPIRED
    is "$l: an open payment is closed and its order expires" "$(state "$l-open")" EXPIRED
    is "$l: ... with one effect" "$(released "$l" "$l-open")" 1
    is "$l: ... and the payment is closed" "$(cat "$dir/payments/$l-open")" closed
    wait_for has_state "$l-paid" PAID
    is "$l: an order that was paid after all is vetoed" "$(state "$l-paid")" PAID
    is "$l: ... without an effect" "$(released "$l" "$l-paid")" 0
    wait_for has_state "$l-slow" CLOSING # its deadline may not be over yet
    is "$l: a payment that is being processed is asked for later" "$(state "$l-slow")" CLOSING
    echo paid >"$dir/payments/$l-slow"
    wait_for has_state "$l-slow" PAID
    is "$l: ... and decided then" "$(state "$l-slow")" PAID
    mkdir "$dir/payments/$l-lost" # it can be neither closed nor read
    ctl schedule "$l-lost" --in 1s --route "$r" >/dev/null
    wait_for has_failed "$l-lost"
    is "$l: a payment that cannot be asked for is a failed attempt" "$(state "$l-lost")" CLOSING
}

all_expired() { # ORDER...
    local order
    for order in "$@"; do
        has_state "$order" EXPIRED || return
    done
}

real_batch() { # LANGUAGE
    local l=$1 i orders=()
    ctl route put "batch-$l" --url "http://127.0.0.1:$sink/hook" --secret $secret --batch 4 \
        --linger 500ms >/dev/null
    for i in 1 2 3 4; do
        orders+=("$l-batch-$i")
        ctl schedule "$l-batch-$i" --in 1s --route "batch-$l" --payload "{\"n\":$i}" >/dev/null
    done
    wait_for all_expired "${orders[@]}"
    is "$l: a node's batch is settled" \
        "$(for i in "${orders[@]}"; do state "$i"; done | sort | uniq -c | tr -s ' ')" " 4 EXPIRED"
    is "$l: ... with one effect each" \
        "$(for i in "${orders[@]}"; do released "$l" "$i"; done | tr '\n' ' ')" "1 1 1 1 "
}

forged_and_repeated() { # LANGUAGE
    local l=$1
    local expired='{"outcome":"expired"}'
    is "$l: a forged signature is refused" \
        "$(post "$(key 1)" 5.5 "$(single "$l-1")" $other | cut -c1-3)" 401
    is "$l: a replayed timestamp is refused" \
        "$(post "$(key 1)" 5.5 "$(single "$l-1")" $secret 301 | cut -c1-3)" 401
    is "$l: a timestamp from the future is refused" \
        "$(post "$(key 1)" 5.5 "$(single "$l-1")" $secret -310 | cut -c1-3)" 401
    is "$l: none of these had an effect" "$(released "$l" "$l-1")" 0
    is "$l: a genuine request is taken" "$(post "$(key 1)" 5.5 "$(single "$l-1")")" "200 $expired"
    is "$l: a repeat is answered the same" "$(post "$(key 1)" 5.5 "$(single "$l-1")")" \
        "200 $expired"
    is "$l: an old fence is refused" \
        "$(post "$(key 2)" 5.4 "$(single "$l-1")" | cut -c1-3)" 409
    is "$l: ... also one that only a text would take for higher" \
        "$(post "$(key 2)" 4.10 "$(single "$l-1")" | cut -c1-3)" 409
    stop_receiver
    start_receiver "$l"
    is "$l: after a restart a repeat is still one" "$(post "$(key 1)" 10.1 "$(single "$l-1")")" \
        "200 $expired"
    is "$l: ... and its fence is remembered" \
        "$(post "$(key 2)" 9.9 "$(single "$l-1")" | cut -c1-3)" 409
    is "$l: one effect in all" "$(released "$l" "$l-1")" 1
    is "$l: what is not an event is refused" "$(post "$(key 3)" 1.1 '{"type":' | cut -c1-3)" 400
}

batches() { # LANGUAGE
    local l=$1 got
    echo paid >"$dir/payments/$l-b2"
    got=$(post "$(key 9)" "" "$(batch "$(in_batch 1 10.1 "$l-1")" "$(in_batch 11 5.5 "$l-b1")" \
        "$(in_batch 12 5.5 "$l-b2")" "$(in_batch 13 1.1 "$l-1")")")
    is "$l: each order of a batch has its own answer" "$got" "200 {\"results\":[$(
        ){\"idempotency_key\":\"$(key 1)\",\"outcome\":\"expired\"},$(
        ){\"idempotency_key\":\"$(key 11)\",\"outcome\":\"expired\"},$(
        ){\"idempotency_key\":\"$(key 12)\",\"outcome\":\"paid\"},$(
        ){\"idempotency_key\":\"$(key 13)\",\"outcome\":\"failed\",\"reason\":\"anewerfencewasseen\"}]}"
    is "$l: ... and its own effect" "$(released "$l" "$l-1") $(released "$l" "$l-b1")" "1 1"
    got=$(post "$(key 9)" "" "$(batch "$(in_batch 11 5.5 "$l-b1")")" $other | cut -c1-3)
    is "$l: a forged batch is refused" "$got" 401
}

# A receiver that knows nothing but the public key.
public_key_alone() {
    public_key=$(ctl route put keyed --url "http://127.0.0.1:$sink/hook" --secret $secret --retry 50ms \
        --attempts 1000 --signing-key new | grep -o 'whpk_.*')
    start_receiver Key
    ctl schedule keyed-1 --in 100ms --route keyed >/dev/null
    wait_for all_expired keyed-1
    is "Node: a public key verifies a node's signature" "$(state keyed-1)" EXPIRED
    is "Node: ... and no signature by a secret passes for one" \
        "$(post "$(key 1)" 5.5 "$(single keyed-2)" | cut -c1-3)" 401
    ctl route rotate keyed --signing-key new >/dev/null
    ctl schedule keyed-3 --in 100ms --route keyed >/dev/null
    wait_for all_expired keyed-3
    is "Node: ... also after a rotation, which keeps the old key" "$(state keyed-3)" EXPIRED
    stop_receiver
}

try() { # LANGUAGE
    if ! start_receiver "$1"; then
        report "not ok" "$1: the receiver listens"
        sed 's/^/# log: /' "$log"
        return
    fi
    real_deliveries "$1"
    forged_and_repeated "$1"
    case $1 in
    Python | Node | shell) # the others say that they take one order a request
        real_batch "$1"
        batches "$1"
        ;;
    esac
    stop_receiver
}

# ---- the clients, over HTTP ----

client() { # LANGUAGE ARGUMENT...
    local l=$1
    shift
    case $l in
    Python) set -- python3 "$examples/python/client.py" "$@" ;;
    Node) set -- node "$examples/node/client.mjs" "$@" ;;
    PHP) set -- php "$examples/php/client.php" "$@" ;;
    Java) set -- java -cp "$dir/classes" Client "$@" ;;
    Go) set -- "$dir/shop" "$@" ;;
    esac
    # The first is nobody's: whoever does not answer is passed over.
    ORDERSCHED_URLS=http://127.0.0.1:1,http://127.0.0.1:$http exec "$@" 2>>"$log"
}
says() { { (client "$@"); echo "exit $?"; } | sed -E 's/ [0-9]+ ms/ N ms/' | paste -sd ' '; }

# How often a worker released the stock of an order.
worked() { # LANGUAGE ORDER
    case $1 in
    Python | PHP)
        python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute("SELECT COUNT(*) FROM released WHERE id = ?",
                                           sys.argv[2:]).fetchone()[0])' "$dir/work-$1" "$2"
        ;;
    Node) grep -cF "\"id\":\"$2\"" "$dir/work-$1" ;;
    Java | Go) grep -cP "^osd_[0-9a-f]*\texpired\t\Q$2\E\$" "$dir/work-$1" ;;
    esac
}

shop_and_worker() { # LANGUAGE
    local l=$1 order="$1/bill 7 单" started=$SECONDS
    ctl route put "work-$l" --kind worker --timeout 30s >/dev/null
    is "$l: the shop schedules" "$(says "$l" schedule "$order" 30m "work-$l" '{"sku":7}')" \
        "PENDING N ms left exit 0"
    is "$l: ... the order of that name" "$(state "$order")" PENDING
    is "$l: ... and may say so again" "$(says "$l" schedule "$order" 30m "work-$l" '{"sku":7}')" \
        "PENDING N ms left exit 0"
    is "$l: ... but not otherwise" "$(says "$l" schedule "$order" 31m "work-$l" '{"sku":7}')" \
        "EXISTS the order is PENDING exit 1"
    is "$l: the shop pays" "$(says "$l" pay "$order")" "PAID exit 0"
    is "$l: ... also twice" "$(says "$l" pay "$order")" "PAID exit 0"
    is "$l: ... what there is" "$(says "$l" pay nothing)" "NOT_FOUND the order is not known exit 1"
    client "$l" work "work-$l" "$dir/work-$l" >"$dir/work-$l.log" &
    receiver=$!
    ctl schedule "$l-job" --in 1s --route "work-$l" >/dev/null
    wait_for all_expired "$l-job"
    is "$l: the worker cancels what is due" "$(state "$l-job")" EXPIRED
    wait_for grep -q . "$dir/work-$l.log"
    is "$l: ... and says so" "$(cat "$dir/work-$l.log")" "$l-job EXPIRED"
    is "$l: ... with one effect" "$(worked "$l" "$l-job")" 1
    is "$l: ... and then it cannot be paid" "$(says "$l" pay "$l-job")" "TOO_LATE the order is EXPIRED exit 1"
    started=$SECONDS
    stop_receiver
    is "$l: the worker ends when it is asked to" "$((SECONDS - started < 10))" 1
}

# ---- the run ----

if ! command -v python3 >/dev/null && ! command -v node >/dev/null; then
    echo "1..0 # SKIP neither python3 nor node is installed"
    exit 0
fi
port=$(free_port 9)
http=$((port + 2))
mkdir "$dir/payments"
export ORDERSCHED_ENDPOINTS=127.0.0.1:$((port + 1))
"$build/orderschedd" --id 1 --data "$dir/data" --address "127.0.0.1:$port" 2>"$dir/node.log" &
node=$!
if ! wait_for listens $((port + 1)); then
    echo "not ok 1 - the node starts"
    sed 's/^/# /' "$dir/node.log"
    echo 1..1
    exit 1
fi
# What is missing of what a language needs; empty: nothing.
lacks() { # LANGUAGE
    local missing='' program
    case $1 in
    Python) set -- python3 ;;
    Node) set -- node ;;
    PHP) set -- php python3 ;;
    Java) set -- javac java ;;
    Go) set -- go ;;
    shell) set -- systemd-socket-activate openssl jq ;;
    esac
    for program in "$@"; do
        command -v "$program" >/dev/null || missing="$missing $program"
    done
    if [ "$1" = php ] && [ -z "$missing" ] && ! php -m | grep -qx pdo_sqlite; then
        missing=" php's pdo_sqlite"
    fi
    echo "$missing"
}
compiled() { # LANGUAGE
    case $1 in
    Java) javac -d "$dir/classes" "$examples"/java/*.java ;;
    Go) (cd "$examples/go" && GOCACHE=$dir/go GOFLAGS=-buildvcs=false go build -o "$dir/shop" .) ;;
    esac >>"$log" 2>&1
}

examples_in() { # LANGUAGE
    local language=$1 missing
    trap stop_receiver EXIT
    trap exit TERM
    missing=$(lacks "$language")
    if [ -n "$missing" ]; then
        skip "$language" "not installed:$missing"
    elif ! compiled "$language"; then
        report "not ok" "$language: it compiles"
        sed 's/^/# /' "$log"
    else
        try "$language"
        [ "$language" != Node ] || public_key_alone
        [ "$language" = shell ] || shop_and_worker "$language"
    fi
}

sink=$http
for language in Python Node PHP Java Go shell; do
    sink=$((sink + 1))
    log=$dir/$language.log
    examples_in $language >"$dir/$language.tap" &
    runs+=($!)
done
wait "${runs[@]}"
runs=()
cat "$dir"/*.tap | awk '/^(not )?ok [0-9]+/ { sub(/[0-9]+/, ++n) } /^not ok/ { failed = 1 } { print }
    END { print "1.." n + 0; exit failed }'
