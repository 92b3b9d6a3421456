#!/bin/bash
# receiver.sh - a receiver of orderschedd's callbacks in bash, with openssl and jq: one HTTP request
# on stdin, its answer on stdout. systemd (or inetd, or socat) listens and starts it:
#
#   systemd-socket-activate --inetd --accept -l 127.0.0.1:7500 -E SECRET=whsec_... \
#       -E STATE=/var/tmp/shop -E PAYMENTS=/var/tmp/payments ./receiver.sh
#
# Verifies signature and timestamp, does each order once by its idempotency key, refuses old fences,
# closes the payment before it releases the stock, and answers: one order a request, or a batch.
# For a shop at work take a program that stays (receiver.py, receiver.mjs), or `orderctl work`.
#
# STATE/journal remembers: KEY OUTCOME ORDER a line. The payment platform is a directory: a file
# named like the order says "paid" or "processing"; where there is none the payment is still open.
set -u
export LC_ALL=C
tolerance_s=300 # an older timestamp is a replay
: "${SECRET:?}" "${STATE:?}" "${PAYMENTS:?}"

answer() { # STATUS BODY
    printf 'HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n' "$1" ${#2}
    printf 'connection: close\r\n\r\n%s' "$2"
    exit 0
}

declare -A header=()
read_request() {
    local method line name value
    read -r method _
    while IFS= read -r line && line=${line%$'\r'} && [ -n "$line" ]; do
        name=${line%%:*}
        value=${line#*:}
        header[${name,,}]=${value# }
    done
    [ "$method" = POST ] || answer "405 Method Not Allowed" '{"error":"POST only"}'
    [[ ${header[content-length]:-} =~ ^[0-9]{1,7}$ ]] ||
        answer "411 Length Required" '{"error":"length"}'
    body=$(head -c "${header[content-length]}" && echo x)
    body=${body%x}
}

# Standard Webhooks: v1,base64(HMAC-SHA256(secret, id.timestamp.body)), and not too old.
verify() {
    local timestamp=${header[webhook-timestamp]:-} secret hex known sent age
    for secret in $SECRET; do
        hex=$(base64 -d <<<"${secret#whsec_}" | od -An -v -tx1 | tr -d ' \n')
        known=v1,$(printf '%s' "${header[webhook-id]:-}.$timestamp.$body" |
            openssl dgst -sha256 -mac HMAC -macopt "hexkey:$hex" -binary | base64)
        for sent in ${header[webhook-signature]:-}; do
            [ "$sent" = "$known" ] || continue
            [[ $timestamp =~ ^[0-9]{1,12}$ ]] || break 2
            age=$(($(date +%s) - timestamp))
            [ $age -le $tolerance_s ] && [ $age -ge -$tolerance_s ] && return
        done
    done
    answer "401 Unauthorized" '{"error":"not genuine"}'
}

# Query the payment, close it if it is open, and only then answer. May be asked again.
close_payment() { # ORDER
    local state=
    [[ $1 =~ ^[A-Za-z0-9_-][A-Za-z0-9._-]*$ ]] || { echo expired && return; } # never opened
    if (set -C && echo closed >"$PAYMENTS/$1") 2>/dev/null; then # whoever comes first
        echo expired
        return
    fi
    # Not "later": that would be asked again for ever, and nobody would hear of it.
    [ -r "$PAYMENTS/$1" ] || { echo unreadable && return; }
    read -r state <"$PAYMENTS/$1"
    case $state in
    paid) echo paid ;;
    closed) echo expired ;;
    *) echo later ;; # being processed: nobody can close it now
    esac
}

# KEY FENCE ORDER -> the outcome. The lock keeps two requests about one order apart.
settle() {
    local key=$1 order=$3 fence seen outcome
    local fences=$STATE/fence-$(sha256sum <<<"$order" | head -c 32)
    [[ $key =~ ^osd_[0-9a-f]{32}$ && $2 =~ ^[0-9]+\.[0-9]+$ ]] || { echo malformed && return; }
    fence=$(printf '%020d.%020d' "${2%.*}" "${2#*.}") # so that text compares like numbers
    seen=$(cat "$fences" 2>/dev/null)
    if [[ $fence < $seen ]]; then
        echo failed
        return
    fi
    outcome=$(grep -m1 "^$key " "$STATE/journal" 2>/dev/null | cut -d' ' -f2)
    if [ -z "$outcome" ]; then
        outcome=$(close_payment "$order")
        # With "expired" this line is where the stock is released, and the memory of it.
        [[ $outcome == later || $outcome == unreadable ]] ||
            printf '%s %s %q\n' "$key" "$outcome" "$order" >>"$STATE/journal"
    fi
    echo "$fence" >"$fences.new" && mv "$fences.new" "$fences"
    echo "$outcome"
}

result() { # OUTCOME -> the members of an answer
    case $1 in
    later) echo '{"outcome":"later","delay_ms":2000}' ;;
    failed) echo '{"outcome":"failed","reason":"a newer fence was seen"}' ;;
    malformed) echo '{"outcome":"failed","reason":"malformed"}' ;;
    unreadable) echo '{"outcome":"failed","reason":"the payment can be neither closed nor read"}' ;;
    *) echo "{\"outcome\":\"$1\"}" ;;
    esac
}

order_of='(.order_id // ("base64:" + .order_id_base64))'
mkdir -p "$STATE"
read_request
verify
exec 9>"$STATE/lock"
flock 9
case $(jq -r .type <<<"$body" 2>/dev/null) in
order.expired)
    order=$(jq -r ".data | $order_of" <<<"$body")
    outcome=$(settle "${header[webhook-id]}" "${header[orderschedd-fence]:-}" "$order")
    status="200 OK"
    [ "$outcome" != failed ] || status="409 Conflict"
    [ "$outcome" != malformed ] || status="400 Bad Request"
    [ "$outcome" != unreadable ] || status="500 Internal Server Error"
    results=$(result "$outcome")
    ;;
order.expired.batch)
    status="200 OK"
    results=$(jq -r ".data[] | [.idempotency_key, .fence, $order_of] | @tsv" <<<"$body" |
        while IFS=$'\t' read -r key fence order; do
            order=$(printf '%b' "$order") # undo what @tsv escaped
            jq -c --arg key "$key" '{idempotency_key: $key} + .' \
                <<<"$(result "$(settle "$key" "$fence" "$order")")"
        done | jq -cs '{results: .}')
    ;;
*) answer "400 Bad Request" '{"error":"malformed"}' ;;
esac
sync -d "$STATE/journal" 2>/dev/null # on disk before the answer
answer "$status" "$results"
