# servers.sh - the servers of other systems for peers.sh, which sources it: on ports of 127.0.0.1
# that are free, writing below $DIR only, and ended by their process ids. A server whose parent dies
# is killed by the kernel.
#
# Each servers_NAME starts a system on what lies in $DIR/servers, or on nothing, and sets:
#   PIDS     of its servers       DURABLE  its settings, for people
#   PORTS    for its client       WAIT_FOR replicas that must have each change
# shellcheck shell=bash
# shellcheck disable=SC2034 # peers.sh reads them

PIDS=()     # of servers that hold orders
HELPERS=()  # others
FIRST_PORT=0

# So many ports in a row that nobody listens on.
ports_find() {
    local n=$1 port i
    for ((port = 20000 + $$ % 500 * 20; port < 32000; port += 20)); do
        for ((i = 0; i < n; i++)); do
            if (exec 3<>"/dev/tcp/127.0.0.1/$((port + i))") 2>/dev/null; then continue 2; fi
        done
        FIRST_PORT=$port
        return 0
    done
    return 1
}

# The user that a program has to run as, where it refuses to be root.
become() {
    local user=$1
    shift
    if [ -n "$user" ] && [ "$(id -u)" -eq 0 ]; then
        exec setpriv --reuid "$user" --regid "$user" --init-groups --pdeathsig KILL "$@"
    fi
    exec setpriv --pdeathsig KILL "$@"
}

# start USER COMMAND...; its process id is in $!.
start() {
    (become "$@") </dev/null >>"$DIR/log" 2>&1 &
}

servers_stop() {
    local signal=${1:-KILL} pid
    for pid in ${PIDS[@]+"${PIDS[@]}"}; do kill -s "$signal" "$pid" 2>/dev/null; done
    if [ "$signal" = KILL ] || [ "$signal" = QUIT ]; then
        for pid in ${PIDS[@]+"${PIDS[@]}"}; do wait "$pid" 2>/dev/null; done
    fi
    PIDS=()
}

helpers_stop() {
    local pid
    for pid in ${HELPERS[@]+"${HELPERS[@]}"}; do
        kill -s KILL "$pid" 2>/dev/null && wait "$pid" 2>/dev/null
    done
    HELPERS=()
}

# ---- Redis ----

redis_servers() {
    local replicas=$1 i port=$FIRST_PORT more
    PORTS=$port
    for ((i = 0; i <= replicas; i++)); do
        mkdir -p "$DIR/servers/redis-$i"
        more=()
        if [ "$i" -gt 0 ]; then
            more=(--replicaof 127.0.0.1 "$port")
            PORTS=$PORTS,$((port + i))
        fi
        start '' redis-server --bind 127.0.0.1 --port $((port + i)) --dir "$DIR/servers/redis-$i" \
            --appendonly yes --appendfsync always --save '' --repl-diskless-sync-delay 0 \
            ${more[@]+"${more[@]}"}
        PIDS+=($!)
    done
}
servers_redis() {
    DURABLE='one server, appendonly yes, appendfsync always'
    redis_servers 0
}
servers_redis-wait() {
    DURABLE='one server and 2 replicas, appendonly yes, appendfsync always on each, WAIT 1 after each change'
    WAIT_FOR=1
    redis_servers 2
}

# ---- beanstalkd ----

servers_beanstalkd() {
    DURABLE='one server, -b (binlog) -f 0 (fsync at each write)'
    PORTS=$FIRST_PORT
    mkdir -p "$DIR/servers/binlog"
    start '' beanstalkd -l 127.0.0.1 -p "$PORTS" -b "$DIR/servers/binlog" -f 0
    PIDS+=($!)
}

# ---- etcd ----

servers_etcd() {
    local i port=$FIRST_PORT cluster=''
    DURABLE='3 servers, defaults: fsync on a majority before an answer'
    PORTS=$port,$((port + 1)),$((port + 2))
    for i in 0 1 2; do
        cluster="$cluster${cluster:+,}n$i=http://127.0.0.1:$((port + 3 + i))"
    done
    for i in 0 1 2; do
        start '' etcd --name "n$i" --data-dir "$DIR/servers/etcd-$i" \
            --listen-client-urls "http://127.0.0.1:$((port + i))" \
            --advertise-client-urls "http://127.0.0.1:$((port + i))" \
            --listen-peer-urls "http://127.0.0.1:$((port + 3 + i))" \
            --initial-advertise-peer-urls "http://127.0.0.1:$((port + 3 + i))" \
            --initial-cluster "$cluster" --initial-cluster-token peers --logger zap --log-level error
        PIDS+=($!)
    done
}

# ---- RabbitMQ ----

# The port mapper of Erlang is started here, as the one that a node starts by itself would stay.
servers_rabbitmq() {
    local home=$DIR/servers/rabbitmq
    DURABLE='one server, quorum queues of one member (fsync before each confirm), persistent messages, publisher confirms, dead letters at least once'
    PORTS=$FIRST_PORT
    mkdir -p "$home"
    : >"$home/env.conf"
    : >"$home/rabbitmq.conf"
    echo '[].' >"$home/plugins"
    if [ ${#HELPERS[@]} -eq 0 ]; then
        start '' epmd -address 127.0.0.1 -port $((PORTS + 2))
        HELPERS+=($!)
        sleep 0.2
    fi
    # As under systemd its script becomes the server, and so has the server's process id.
    start '' env RUNNING_UNDER_SYSTEMD=true HOME="$home" ERL_EPMD_PORT=$((PORTS + 2)) \
        RABBITMQ_CONF_ENV_FILE="$home/env.conf" RABBITMQ_CONFIG_FILE="$home/rabbitmq" \
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/plugins" RABBITMQ_MNESIA_BASE="$home/data" \
        RABBITMQ_LOG_BASE="$home" RABBITMQ_LOGS=- RABBITMQ_NODENAME=peers@localhost \
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT="$PORTS" \
        RABBITMQ_DIST_PORT=$((PORTS + 1)) \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}' \
        /usr/lib/rabbitmq/bin/rabbitmq-server
    PIDS+=($!)
}

# ---- PostgreSQL ----

servers_postgresql() {
    local data=$DIR/servers/postgresql bin
    bin=$(compgen -G '/usr/lib/postgresql/*/bin' | sort -V | tail -n 1)
    DURABLE='one server, fsync, synchronous_commit and full_page_writes on; shared_buffers 512MB, max_wal_size 4GB'
    PORTS=$FIRST_PORT
    if [ ! -d "$data" ]; then
        mkdir -p "$data"
        [ "$(id -u)" -ne 0 ] || chown postgres:postgres "$data"
        if ! (become postgres "$bin/initdb" -D "$data" -U postgres --auth=trust --no-sync \
            -E UTF8 --locale=C) </dev/null >>"$DIR/log" 2>&1; then
            echo "peers: initdb fails; the user postgres must be able to reach $DIR" >&2
            return 1
        fi
    fi
    start postgres "$bin/postgres" -D "$data" -p "$PORTS" -c listen_addresses=127.0.0.1 \
        -c unix_socket_directories= -c shared_buffers=512MB -c max_wal_size=4GB
    PIDS+=($!)
}

# By SIGKILL the memory that PostgreSQL's processes share would stay.
servers_end() {
    if [ "${SYSTEM:-}" = postgresql ]; then servers_stop QUIT; else servers_stop KILL; fi
    helpers_stop
    rm -rf "$DIR/servers"
}
