#!/bin/bash
# test_orderctl.sh - orderctl and orderbench without a cluster: arguments, errors, exit codes.
# Runs beside others: waits 20 s.
#
#   tests/test_orderctl.sh [BUILD]     the directory with the programs, default: $BUILD or build
#
# Prints TAP.
set -u
build=${1:-${BUILD:-build}}
ctl=$build/orderctl
bench=$build/orderbench
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tests=0
failed=0
unset ORDERSCHED_ENDPOINTS ORDERSCHED_TOKEN
nobody="--endpoints 127.0.0.1:1 --timeout 300ms" # port 1: nobody listens there

report() { # ok | "not ok", NAME
    tests=$((tests + 1))
    [ "$1" = ok ] || failed=$((failed + 1))
    echo "$1 $tests - $2"
}

# expect NAME EXIT STDOUT-REGEX STDERR-REGEX COMMAND...: a regex of "-" means: nothing at all.
expect() {
    local name=$1 want=$2 want_out=$3 want_err=$4 got problem=
    shift 4
    timeout 30 "$@" >"$dir/out" 2>"$dir/err" </dev/null
    got=$?
    [ "$got" = "$want" ] || problem="exit code $got, expected $want"
    for stream in out err; do
        local regex=$want_out
        [ $stream = err ] && regex=$want_err
        if [ "$regex" = - ]; then
            [ -s "$dir/$stream" ] && problem="$problem; unexpected std$stream"
        elif ! grep -Eq -- "$regex" "$dir/$stream"; then
            problem="$problem; std$stream does not match $regex"
        fi
    done
    if [ -z "$problem" ]; then
        report ok "$name"
    else
        report "not ok" "$name"
        printf '# %s\n# command: %s\n' "$problem" "$*"
        sed 's/^/# out: /' "$dir/out"
        sed 's/^/# err: /' "$dir/err"
    fi
}

long=$(printf 'x%.0s' $(seq 129))
good_secret=whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw
head -c 4097 /dev/zero >"$dir/large"

# Help and version need no cluster.
expect "help of the program" 0 'schedule ID' - $ctl --help
expect "help hides the operators' digest" 0 'member add' - $ctl -h
expect "help of a command" 0 '--payload-file FILE' - $ctl schedule --help
expect "help of a command of two words" 0 '--secret whsec_' - $ctl route put --help
expect "help wins over a missing argument" 0 'Usage: orderctl pay ID' - $ctl pay --help
expect "help of a command that runs a program" 0 'orderctl work ROUTE \[FLAGS\] -- COMMAND' - $ctl work --help
expect "work without a command" 2 - 'command to run is missing' $ctl work jobs --parallel 2
expect "work without the program" 2 - 'no-such-program cannot be run: No such file' \
    $ctl work jobs -- no-such-program
expect "work with a directory for a program" 2 - '/tmp cannot be run: Permission denied' $ctl work jobs -- /tmp
expect "work of no lanes" 2 - '--parallel must be a number from 1 to' $ctl work jobs --parallel 0 -- true
expect "work of too many orders" 2 - '--batch must be a number' $ctl work jobs --batch 1001 -- true
expect "work without a name" 2 - 'name must have 1 to 64 bytes' $ctl work jobs --name '' -- true
expect "version" 0 '^orderctl [0-9]+\.[0-9]+' - $ctl --version
for command in schedule pay cancel extend get list "route put" "route list" "route show" "route delete" \
    "route pause" "route resume" "route rotate" "dead list" "dead show" "dead redrive" "dead drop" \
    "member list" "member add" "member remove" status "leader transfer" digest clock "clock trust" "clock set-back" \
    "cert create-ca" "cert node" "cert client" "cert renew" "cert show" \
    "token create" "token rotate" "token revoke" "token list" "grant put" "auth on" "auth off" audit top; do
    expect "help of $command" 0 "^Usage: orderctl $command" - $ctl $command --help
done

expect "an audit since no time" 2 - '--since must be an RFC 3339 time' $ctl audit --since yesterday
expect "an audit of no name" 2 - '--who must be' $ctl audit --who 'b b'
expect "an audit of nothing" 2 - '--what must have' $ctl audit --what ''
expect "an audit behind no row" 2 - '--cursor must be' $ctl audit --cursor first
expect "an audit of no rows" 2 - '--limit must be' $ctl audit --limit 0
expect "a token without a role" 2 - '--role is missing' $ctl token create bob --expires 1d
expect "a token without an end" 2 - '--expires is missing' $ctl token create bob --role admin
expect "a role that there is not" 2 - 'not "boss"' $ctl token create bob --role admin,boss --expires 1d
expect "a pattern with a star inside" 2 - '--routes must be' $ctl token create bob --role admin --routes 'a*b' --expires 1d
expect "a worker of some ids" 2 - 'not for a worker' $ctl token create bob --role worker --prefix x --expires 1d
expect "a rate of nothing" 2 - '--max-rate must be operations a second' \
    $ctl token create bob --role producer --max-rate 0/s --expires 1d
expect "a rate a minute" 2 - '--max-rate must be operations a second' \
    $ctl token create bob --role producer --max-rate 5/m --expires 1d
expect "no orders at all" 2 - '--max-pending must be a number' $ctl grant put bob --role producer --max-pending 0
expect "bytes that are none" 2 - '--max-bytes must be a size' $ctl grant put bob --role producer --max-bytes much
expect "a quota of an observer" 2 - '--max-rate is for a producer' $ctl grant put bob --role observer --max-rate 5/s
expect "orders of an operator" 2 - 'are for a producer or an admin' \
    $ctl grant put bob --role operator,observer --max-pending 5
expect "a principal's name with a space" 2 - 'the name must be' $ctl token revoke 'b b'
expect "a token of eleven years" 2 - '--expires must be a duration' $ctl token create b --role admin --expires 4000d
expect "a token that is none" 2 - 'what --token says is no token' $ctl --token secret status
expect "a token in the environment that is none" 2 - 'what ORDERSCHED_TOKEN holds is no token' \
    env ORDERSCHED_TOKEN=secret $ctl status
expect "a token that would leave the machine" 1 - 'INSECURE_TOKEN: a token is not sent' \
    $ctl --token osdt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA --endpoints 192.0.2.1:7401 status

# Usage: exit code 2, a sentence, nothing on stdout.
expect "no command" 2 - 'a command is missing' $ctl
expect "unknown command" 2 - 'unknown command "frobnicate"' $ctl frobnicate
expect "half a command" 2 - '"route" needs' $ctl route
expect "half of cert" 2 - '"cert" needs' $ctl cert
expect "wrong half of a command" 2 - '"member" needs' $ctl member frobnicate
expect "unknown flag" 2 - 'unknown flag --frobnicate' $ctl pay x --frobnicate
expect "unknown flag before the command" 2 - 'unknown flag --in' $ctl --in 30m pay x
expect "abbreviated flag" 2 - 'unknown flag --time' $ctl --time 3s pay x
expect "flag without its value" 2 - '--route needs a value' $ctl schedule x --in 30m --route
expect "flag given twice" 2 - '--in is given twice' $ctl schedule x --in 1m --in 2m --route r
expect "value for a flag without one" 2 - 'takes no value' $ctl get x --local=yes
expect "missing id" 2 - 'missing argument: ID' $ctl pay
expect "too many arguments" 2 - '"y" is one argument too many' $ctl pay x y
expect "schedule without a deadline" 2 - 'either --in or --at' $ctl schedule x --route r
expect "schedule with two deadlines" 2 - 'either --in or --at' \
    $ctl schedule x --in 1m --at 2099-01-01T00:00:00Z --route r
expect "schedule without a route" 2 - '--route NAME is missing' $ctl schedule x --in 30m
expect "duration without a unit" 2 - '--in must be a duration such as 30m, not "30"' $ctl schedule x --in 30 --route r
expect "malformed time" 2 - 'must be an RFC 3339 time' $ctl schedule x --at tomorrow --route r
expect "two payloads" 2 - 'exclude each other' \
    $ctl schedule x --in 1m --route r --payload a --payload-file b
expect "missing payload file" 2 - 'No such file' \
    $ctl schedule x --in 1m --route r --payload-file "$dir/missing"
expect "request id too short" 2 - '32 hex digits' $ctl pay x --request-id abcd
expect "request id not hexadecimal" 2 - '32 hex digits' \
    $ctl pay x --request-id zz112233445566778899aabbccddeeff
expect "unknown state" 2 - '--state must be' $ctl list --state frozen
expect "limit of zero" 2 - 'must be a number' $ctl list --limit 0
expect "limit with a sign" 2 - 'must be a number' $ctl list --limit=-5
expect "limit beyond all numbers" 2 - 'must be a number' $ctl list --limit 99999999999999999999999
expect "list with a bad bound" 2 - 'must be an RFC 3339 time' $ctl list --due-after tomorrow
expect "list with another" 2 - 'due-before must be an RFC 3339 time' $ctl list --due-before 1970-01-01T00:00:00Z
expect "list with a prefix longer than any id" 2 - 'at most 128 bytes' \
    $ctl list --prefix "$(printf '%0129d' 0)"
expect "bad -w" 2 - 'neither table nor json nor jsonl' $ctl status -w yaml
expect "lines of what is no list" 2 - '-w jsonl is for lists, and this prints none: -w json' $ctl status -w jsonl
expect "top between no looks" 2 - '--interval must be a duration from 100ms to 1h, not "0ms"' $ctl top --interval 0ms
expect "top for a program" 2 - 'orderctl status -w json' $ctl top -w json
expect "bad timeout" 2 - 'must be a duration' $ctl --timeout soon status
expect "bad endpoints" 2 - 'must be a list HOST:PORT' $ctl --endpoints nowhere status
expect "bad endpoints from the environment" 2 - 'must be a list HOST:PORT' \
    env ORDERSCHED_ENDPOINTS=nowhere $ctl status
expect "empty cluster" 2 - '--cluster must' $ctl --cluster "" status
expect "route without a URL" 2 - '--url URL is missing' $ctl route put r
expect "route with a URL of another kind" 2 - 'must be an http' $ctl route put r --url ftp://h/
expect "route with a space in its URL" 2 - 'without spaces' $ctl route put r --url 'http://h/a b'
expect "route with a bad name" 2 - "the route's name must be" $ctl route put 'a/b' --url http://h/
expect "route with a bad secret" 2 - '--secret number 1 is not' \
    $ctl route put r --url http://h/ --secret whsec_abc
expect "route with a bad window" 2 - 'from 1 to 65536' $ctl route put r --url http://h/ --window 65537
expect "route with a bad timeout" 2 - 'from 100ms to 1h' $ctl route put r --url http://h/ --timeout 2h
expect "route with bad retries" 2 - 'must be a list' $ctl route put r --url http://h/ --retry 1s,,2s
expect "route of an unknown kind" 2 - 'must be http, worker or exec' $ctl route put r --kind smtp
expect "worker route with a URL" 2 - 'of kind http' $ctl route put r --kind worker --url http://h/
expect "exec route without a program" 2 - 'the program is missing' $ctl route put r --kind exec
expect "exec route with a relative program" 2 - 'must be an absolute path' \
    $ctl route put r --kind exec -- true
expect "http route with a program" 2 - 'one argument too many' \
    $ctl route put r --url http://h/ -- /bin/true
expect "route with a header without a value" 2 - 'must be NAME:VALUE' \
    $ctl route put r --url http://h/ --header X-Shop
expect "route with a header of ours" 2 - 'callbacks do not set themselves' \
    $ctl route put r --url http://h/ --header 'webhook-id: 7'
expect "route with a header of two lines" 2 - 'visible ASCII' \
    $ctl route put r --url http://h/ --header $'x: 1\r\ny: 2'
expect "route with a bad rate" 2 - 'from 0 to 1000000' $ctl route put r --url http://h/ --rate -1
expect "route with a bad batch" 2 - 'from 1 to 1000' $ctl route put r --url http://h/ --batch 0
expect "route with a bad linger" 2 - 'to 1m' $ctl route put r --url http://h/ --linger 2m
expect "route with bad attempts" 2 - 'from 0 to 1000' $ctl route put r --url http://h/ --attempts 1001
expect "route with a bad http2" 2 - 'neither on nor off' $ctl route put r --url http://h/ --http2 yes
expect "route with a missing CA file" 2 - 'No such file' \
    $ctl route put r --url http://h/ --ca-file "$dir/missing"
expect "route with a CA file that is none" 2 - 'no PEM certificate' \
    $ctl route put r --url http://h/ --ca-file "$dir/large"
expect "rotate with a bad secret" 2 - 'is not whsec_' $ctl route rotate r --secret whsec_abc
expect "rotate that keeps too many" 2 - 'from 0 to 3' $ctl route rotate r --keep 4
expect "redrive of nothing" 2 - 'either order ids, or' $ctl dead redrive
expect "redrive of an id and all" 2 - 'either order ids, or' $ctl dead redrive x --all
expect "drop of a route and all" 2 - 'either order ids, or' $ctl dead drop --route r --all
expect "drop with a malformed time" 2 - 'must be an RFC 3339 time' $ctl dead drop --before yesterday
expect "dead list with a bad limit" 2 - 'must be a number' $ctl dead list --limit 0
expect "member with a bad id" 2 - 'the node id must be' $ctl member add zero 127.0.0.1:7400
expect "member with id 0" 2 - 'the node id must be' $ctl member add 0 127.0.0.1:7400
expect "member with a bad address" 2 - 'must be HOST:PORT' $ctl member add 4 127.0.0.1
expect "member without an address" 2 - 'missing argument' $ctl member add 4
expect "clock of something" 2 - '"frobnicate" is one argument too many' $ctl clock frobnicate
expect "trust in something" 2 - "must be a node's id" $ctl clock trust frobnicate
expect "trust in node 0" 2 - "must be a node's id" $ctl clock trust 0
expect "set-back of something" 2 - '"now" is one argument too many' $ctl clock set-back now
expect "set-back twice over" 2 - '\-\-yes is given twice' $ctl clock set-back --yes --yes
expect "trust in two" 2 - '"2" is one argument too many' $ctl clock trust 1 2
expect "transfer to a bad id" 2 - 'the node id must be' $ctl leader transfer x

# Secrets need not stand in a command line.
printf '%s\n' $good_secret >"$dir/secret"
printf 'Authorization: Bearer hush\n' >"$dir/header"
printf 'whsec_hush\n' >"$dir/bad-secret"
expect "secret from a missing file" 2 - 'secret .*/missing: No such file' \
    $ctl route put r --url http://h/ --secret "@$dir/missing"
expect "secret and header from files" 3 - 'route put r: UNREACHABLE' \
    $ctl $nobody route put r --url http://h/ --secret "@$dir/secret" --header "@$dir/header"
expect "secret from the standard input" 3 - 'route rotate r: UNREACHABLE' \
    bash -c '"$@" <"$0"' "$dir/secret" $ctl $nobody route rotate r --secret -
expect "nothing on the standard input" 2 - 'secret from the standard input: it is empty' \
    $ctl route rotate r --secret -
expect "a bad secret from a file" 2 - 'secret number 1 is not' \
    $ctl route put r --url http://h/ --secret "@$dir/bad-secret"
if $ctl route put r --url http://h/ --secret whsec_hush 2>&1 | grep -q hush; then
    report "not ok" "a bad secret is not repeated to the terminal"
else
    report ok "a bad secret is not repeated to the terminal"
fi

# Refused before anything is sent: exit code 1 and the named error.
expect "id too long" 1 - 'BAD_ID' $ctl pay "$long"
expect "empty id" 1 - 'BAD_ID' $ctl pay ""
expect "id too long, as JSON" 1 '"error": "BAD_ID"' 'BAD_ID' $ctl pay "$long" -w json
expect "payload too large" 1 - 'x: PAYLOAD_TOO_LARGE: 4097 bytes' \
    $ctl $nobody schedule x --in 1m --route r --payload-file "$dir/large"

# Nobody there: exit code 3; the line names the order and says what now.
expect "pay" 3 - 'pay x: UNREACHABLE: .*Nothing was done; check --endpoints' $ctl $nobody pay x
expect "get" 3 - 'get x: UNREACHABLE' $ctl $nobody get x
expect "get from one node" 3 - 'get x: UNREACHABLE' $ctl $nobody get x --local
expect "get as JSON" 3 '"error": "UNREACHABLE"' 'UNREACHABLE' $ctl $nobody get x -w json
expect "flags may stand anywhere" 3 '"unknown_outcome": false' UNREACHABLE $ctl -w json $nobody pay x
expect "schedule" 3 - 'schedule x: UNREACHABLE' $ctl $nobody schedule x --in 1m --route r --payload p
expect "list" 3 - 'list: UNREACHABLE' $ctl $nobody list
expect "list as lines: no object for a refusal" 3 - 'list: UNREACHABLE' $ctl $nobody list -w jsonl
expect "route put: both timeouts" 3 - 'route put r: UNREACHABLE' \
    $ctl $nobody route put r --url http://h/ --timeout 5s --secret $good_secret --retry 1s,1m30s
expect "route pause" 3 - 'route pause r: UNREACHABLE' $ctl $nobody route pause r
expect "route rotate" 3 - 'route rotate r: UNREACHABLE' $ctl $nobody route rotate r
expect "history" 3 - 'get x: UNREACHABLE' $ctl $nobody get x --history
expect "dead list" 3 - 'dead list: UNREACHABLE' $ctl $nobody dead list
expect "dead show" 3 - 'dead show x: UNREACHABLE' $ctl $nobody dead show x
expect "dead redrive" 3 '0 orders redriven, 2 refused' 'dead redrive y: UNREACHABLE' \
    $ctl $nobody dead redrive x y
expect "dead drop of a route" 3 - 'dead drop: UNREACHABLE' $ctl $nobody dead drop --route r
expect "member add" 3 - 'member add 4: UNREACHABLE' $ctl $nobody member add 4 127.0.0.1:7440
expect "status" 3 'down' 'no node answered' $ctl $nobody status
expect "status as JSON" 3 '"leader": null' 'no node answered' $ctl $nobody status -w json
expect "top" 3 - 'top: UNREACHABLE: no node answered' $ctl $nobody top --once
expect "clock" 3 'STANDING' 'clock: UNREACHABLE: no node answered' $ctl $nobody clock
expect "clock as JSON" 3 '"clocks": "no-leader"' 'no node answered' $ctl $nobody clock -w json
expect "clock trust" 3 - 'clock trust 2: UNREACHABLE' $ctl $nobody clock trust 2
expect "clock set-back" 3 - 'UNREACHABLE' $ctl $nobody clock set-back --yes
expect "clock trust of nobody in particular" 3 'STANDING' 'clock trust: UNREACHABLE' $ctl $nobody clock trust
expect "an id with a dash, and control characters" 3 - 'pay -a\\x1b\[2J: UNREACHABLE' \
    $ctl $nobody pay -- "$(printf -- '-a\033[2J')"
expect "endpoints from the environment" 3 'down' '127.0.0.1:2' \
    env ORDERSCHED_ENDPOINTS=127.0.0.1:2 $ctl --timeout 300ms status
expect "an answer that cannot be written" 3 - 'could not be written' \
    bash -c "$ctl --help >/dev/full"

# orderbench.
printf 'order_id,purchased_at,paid_at\na,1,2\nb,1,x\n' >"$dir/bad.csv"
printf 'order_id,purchased_at,paid_at\na,1,2\n' >"$dir/good.csv"
replay="$bench replay --window 30.5m --speed 36 --route r"
expect "help of orderbench" 0 'orderbench generate' - $bench --help
expect "help of replay" 0 '--journal FILE' - $bench replay --help
expect "help of orderbench fire" 0 '--dead-orders N' - $bench fire --help
expect "help of orderbench drain" 0 '--batch N' - $bench drain --help
expect "fire with a wrong number" 2 - '--orders must be a number' $bench fire --orders many
expect "fire with nothing but dead routes" 2 - 'must leave one route alive' \
    $bench fire --routes 2 --dead 2
expect "fire with a dead route of no kind" 2 - 'neither closed nor silent' \
    $bench fire --dead-kind undead
expect "fire with one number too many" 2 - 'one too many' \
    $bench fire --orders 1 --over 1s --rate 1
expect "fire with a rate that makes no order" 2 - 'or none' $bench fire --rate 0.1 --over 1s
expect "fire with a wrong duration" 2 - '--over must be a duration' $bench fire --over 5
expect "drain of a kind that there is not" 2 - '--kind is' $bench drain --kind pigeon
expect "drain with workers where there are none" 2 - '--workers is for' $bench drain --workers 2
expect "drain with too many workers" 2 - '--workers must be a number' \
    $bench drain --kind worker --workers 65
expect "fire with dead orders too long ahead" 2 - '--dead-ahead must be a duration' $bench fire --dead-ahead 2m
expect "drain with too large a batch" 2 - '--batch must be a number' $bench drain --batch 1001
expect "drain with a wrong window" 2 - '--window must be a number' $bench drain --window 0
expect "drain with a wrong lead" 2 - '--lead must be a duration' $bench drain --lead now
expect "drain with a wrong format" 2 - '-w is neither' $bench drain -w xml
expect "drain without a cluster" 3 - 'UNREACHABLE' $bench drain $nobody
expect "fire with wrong endpoints" 2 - 'ARGUMENT' $bench fire --endpoints nowhere
expect "no command of orderbench" 2 - 'command is missing' $bench
expect "unknown command of orderbench" 2 - 'unknown command' $bench fly
expect "replay without orders" 2 - 'needs --orders' $replay
expect "replay of a missing file" 2 - 'missing.csv: No such file' $replay --orders "$dir/missing.csv"
expect "replay of a malformed file" 2 - 'bad.csv:3: paid_at' $replay --orders "$dir/bad.csv"
expect "replay at no speed" 2 - '--speed' $bench replay --orders "$dir/good.csv" --window 1m --route r --speed 0
expect "replay at a wrong rate" 2 - '--rate' $replay --orders "$dir/good.csv" --rate many
expect "replay with a wrong window" 2 - '--window' $bench replay --orders "$dir/good.csv" --window 30 --route r
expect "replay faster than a millisecond" 2 - 'less than a millisecond' \
    $bench replay --orders "$dir/good.csv" --window 10ms --route r --speed 1000
expect "replay with a flag twice" 2 - 'twice' $replay --orders "$dir/good.csv" --route s
expect "replay with nobody there" 3 - 'UNREACHABLE: no leader answers' \
    $replay $nobody --orders "$dir/good.csv"
expect "generate" 0 '^[0-9a-f]{32},[0-9]+,[0-9]+$' - $bench generate --count 10
expect "generate without a count" 2 - '--count' $bench generate
expect "generate with a bad seed" 2 - '--seed' $bench generate --count 1 --seed x
expect "help of orderbench names the commands that measure" 0 '^  failover ' - $bench --help
expect "help of schedule" 0 '--outstanding N' - $bench schedule --help
expect "help of with" 0 'ORDERSCHED_ENDPOINTS' - $bench with --help
expect "no orders to schedule" 2 - '--orders must be a number from 1' $bench schedule --orders 0
expect "nobody outstanding" 2 - '--outstanding' $bench pay --outstanding 0
expect "no rate" 2 - '--rate' $bench schedule --rate 0
expect "by hand, many at once" 2 - 'leave out --outstanding' $bench schedule --by-hand --outstanding 2
expect "by hand at a rate" 2 - 'leave out --outstanding' $bench schedule --by-hand --rate 5
expect "by hand at somebody else's" 2 - 'a cluster of its own' \
    $bench schedule --by-hand --endpoints 127.0.0.1:1
expect "too many nodes" 2 - '--nodes must be a number from 1 to 9' $bench memory --nodes 10
expect "kill nodes of somebody else" 2 - 'cluster of its own only' $bench restart --endpoints 127.0.0.1:1
expect "kill leaders of somebody else" 2 - 'cluster of its own only' $bench failover --endpoints 127.0.0.1:1
expect "memory of somebody else" 2 - 'needs a cluster of its own' $bench memory --endpoints 127.0.0.1:1
expect "nodes of a cluster that runs" 2 - '--endpoints measures one that runs' \
    $bench schedule --endpoints 127.0.0.1:1 --nodes 3
expect "failover of one node" 2 - '--nodes 3 or more' $bench failover --nodes 1
expect "failover in two ways" 2 - 'exclude each other' $bench failover --kills 1 --cut 1
expect "no SIGTERM" 2 - '--term must be a number from 1 to 100' $bench failover --term 0
expect "too many kills" 2 - '--kills must be a number from 1 to 100' $bench failover --kills 101
expect "help of failover" 0 '--cut N' - $bench failover --help
expect "growth to less than its sample" 2 - '--base and --sample' $bench growth --orders 10
expect "restart of half the nodes" 2 - '--kill is neither' $bench restart --kill half
expect "a data directory that is not there" 3 - 'cannot make a directory' \
    $bench schedule --data "$dir/none"
expect "help of http" 0 '--hostile' - $bench http --help
expect "http in TLS" 2 - 'leave out --tls' $bench http --tls
expect "http with clients" 2 - '--outstanding says how many' $bench http --clients 2
expect "http with more connections than a node takes" 2 - 'from 1 to 1000' $bench http --outstanding 1001
expect "http with too large a batch" 2 - '--batch must be a number from 1 to 1024' $bench http --batch 1025
expect "http without a turn" 2 - '--rounds must be a number from 1 to 99' $bench http --rounds 0
expect "http by time" 2 - '--over is for --hostile' $bench http --over 1s
expect "hostile http with a batch" 2 - 'loads of its own' $bench http --hostile --batch 2
expect "http of one kind that is not hostile" 2 - '--only is for --hostile' $bench http --only metrics
expect "http of a kind that is not known" 2 - 'no kind of hostile clients' $bench http --hostile --only nobody
expect "http of somebody else" 2 - 'needs a cluster of its own' $bench http --endpoints 127.0.0.1:1
expect "with no program" 2 - 'needs a program' $bench with --nodes 1
expect "measure where nobody is" 3 - 'UNREACHABLE' $bench schedule $nobody
echo '[{"bench":"pay","ops_per_s":400000}]' >"$dir/rows.json"
expect "goals" 0 '^pay, best client, orders/s .*400000 +met' - $bench goals "$dir/rows.json"
expect "goals not measured" 0 '^memory, .* not measured' - $bench goals "$dir/rows.json"
echo '{' >"$dir/rows.json"
expect "goals of no JSON" 2 - 'rows.json:' $bench goals "$dir/rows.json"
echo '{}' >"$dir/rows.json"
expect "goals of no rows" 2 - 'not an array of rows' $bench goals "$dir/rows.json"
expect "generate to a full disk" 3 - 'could not be written' bash -c "$bench generate --count 9 >/dev/full"

echo "1..$tests"
[ "$failed" = 0 ]
