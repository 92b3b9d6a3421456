/* config.h - flags and file to configuration, with every mistake named.
 *
 * Flags win over the file (--config FILE.yaml, checked by libcyaml against a schema; errors name
 * file and line). docs/configuration.md lists every key. */
#ifndef CONFIG_H
#define CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "../host/log.h"

#define CONFIG_PEERS_MAX 32
#define CONFIG_WEB_ORIGINS_MAX 16

/* What a client must show where there is TLS. */
enum config_clients {
    CONFIG_CLIENTS_CERTIFICATE, /* a certificate; a token may say more */
    CONFIG_CLIENTS_TOKEN,       /* either of them */
};

struct config_peer {
    uint64_t id;
    char *address; /* HOST:PORT of Raft; client API PORT+1, HTTP PORT+2 */
};

struct config {
    uint64_t id;   /* --id N (1..2^63-1) */
    char *data;    /* --data DIR (required) */
    char *cluster; /* --cluster NAME, default "orderschedd" */
    /* --peers 1=HOST:PORT,...; without it this node alone, or none with --join */
    struct config_peer peers[CONFIG_PEERS_MAX];
    unsigned n_peers;
    char *address; /* own HOST:PORT: from --peers, or --address, default 127.0.0.1:7400 */
    bool join;     /* --join: an empty node that waits to be added */
    bool insecure; /* --insecure: peers and clients off the loopback without TLS */
    /* --tls-cert, --tls-key, --tls-ca FILE: all, or none (NULL) */
    char *tls_cert, *tls_key, *tls_ca;
    uint64_t tls_max_age_ms;         /* --tls-max-age 24h */
    enum config_clients tls_clients; /* --tls-clients certificate|token */
    char *bind; /* --bind HOST: listen there instead of on the own address's host; as it
                           * stands before ":PORT" (IPv6 in brackets), or NULL */
    char *http; /* --http HOST:PORT, or "off"; NULL: PORT+2, where the other two listen */
    /* --http-origin ORIGIN, once for each: whose pages may ask over HTTP, besides the node's own */
    char *web_origins[CONFIG_WEB_ORIGINS_MAX];
    unsigned n_web_origins;
    enum log_level log_level;     /* --log-level debug|info|warn|error */
    enum log_format log_format;   /* --log-format logfmt|json */
    unsigned election_timeout_ms; /* --election-timeout 500ms */
    unsigned heartbeat_ms;        /* --heartbeat 50ms */
    uint64_t max_clock_error_ms;  /* --max-clock-error 500ms between right wall clocks */
    uint64_t clock_wait_ms;       /* --clock-wait 10s after a boot, of a cluster of one */
    uint64_t max_clock_jump_ms;   /* --max-clock-jump 7d since its last entry */
    bool accept_clock;            /* --accept-clock: at this start the wall clock is right */
    uint64_t retention_ms;        /* --retention 24h */
    uint64_t max_orders;          /* --max-orders 20000000 */
    uint64_t max_bytes;           /* --max-bytes 8GiB, memory of orders */
    uint64_t min_free_bytes;      /* --min-free 256MiB on the data disk */
    unsigned max_requests;        /* --max-requests 4096 in flight */
    unsigned snapshot_threshold;  /* --snapshot-threshold entries, 0 = default */
    unsigned snapshot_trailing;   /* --snapshot-trailing entries, 0 = default */
    unsigned snapshot_slice;      /* --snapshot-slice orders, 0 = default */
    unsigned max_deliveries;      /* --max-deliveries 1024 callbacks in flight, all routes */
    uint64_t max_delivery_bytes;  /* --max-delivery-bytes 64MiB, memory of these */
    bool allow_exec;              /* --allow-exec: routes of kind exec run programs here */
    unsigned max_exec;            /* --max-exec 64 of them at a time */
    uint64_t canary_ms;           /* --canary 5s|off (0) */
    bool allow_private_callbacks; /* --allow-private-callbacks: to addresses that are not public;
                                    * default: when all peers are on the loopback */
};

enum config_status { CONFIG_OK, CONFIG_HELP, CONFIG_VERSION, CONFIG_ERROR };

/* Parse. On CONFIG_HELP/VERSION the text was printed to stdout; on CONFIG_ERROR one sentence
 * that names the flag or file:line was printed to stderr (exit code 2). */
enum config_status config_parse(struct config *c, int argc, char **argv);
void config_free(struct config *c);

#endif
