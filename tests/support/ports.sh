# ports.sh - ports for a test in shell; sourced.

listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() { # N: the first of a run of N that nobody listens on
    local port=$((20000 + $$ % 8000)) i taken=yes
    while [ $taken = yes ]; do
        taken=no
        port=$((port + 7))
        for ((i = 0; i < $1; i++)); do
            listens $((port + i)) && taken=yes
        done
    done
    echo "$port"
}
