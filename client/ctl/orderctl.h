/* orderctl.h - the parts of orderctl: the context of a command, its arguments, its output.
 *
 * Exit codes: 0 done; 1 refused, with the named error on stderr; 2 usage; 3 unreachable, or the
 * outcome is unknown. With -w json exactly one object goes to stdout, also for a refusal; with -w
 * jsonl a list's rows do, an object a line, and nothing else. */
#ifndef ORDERCTL_H
#define ORDERCTL_H

#include <jansson.h>

#include "../lib/ask.h"
#include "../text/tls_flags.h"

#define CTL_OPERANDS_MAX (1 + PROTOCOL_COMMAND_MAX)
#define CTL_REPEATS_MAX PROTOCOL_HEADERS_MAX /* of --header; --secret has fewer */

enum ctl_exit { CTL_DONE = 0, CTL_REFUSED = 1, CTL_USAGE = 2, CTL_UNKNOWN = 3 };

enum ctl_flag {
    CTL_ENDPOINTS,
    CTL_CLUSTER,
    CTL_TIMEOUT,
    CTL_WRITE,
    CTL_TLS_CA,
    CTL_TLS_CERT,
    CTL_TLS_KEY,
    CTL_HELP,
    CTL_VERSION,
    CTL_IN,
    CTL_AT,
    CTL_ROUTE,
    CTL_PAYLOAD,
    CTL_PAYLOAD_FILE,
    CTL_REQUEST_ID,
    CTL_LOCAL,
    CTL_STATE,
    CTL_LIMIT,
    CTL_URL,
    CTL_SECRET,
    CTL_SIGNING_KEY,
    CTL_CALLBACK_TIMEOUT,
    CTL_WINDOW,
    CTL_RETRY,
    CTL_KIND,
    CTL_HEADER,
    CTL_CONNECT_TIMEOUT,
    CTL_RATE,
    CTL_BURST,
    CTL_BATCH,
    CTL_LINGER,
    CTL_ATTEMPTS,
    CTL_CA_FILE,
    CTL_CLIENT_CERT,
    CTL_CLIENT_KEY,
    CTL_HTTP2,
    CTL_TRACEPARENT,
    CTL_KEEP,
    CTL_HISTORY,
    CTL_AFTER,
    CTL_BEFORE,
    CTL_ALL,
    CTL_PARALLEL,
    CTL_NAME,
    CTL_DRAIN,
    CTL_YES,
    CTL_OUT,
    CTL_VALID,
    CTL_HOST,
    CTL_CA,
    CTL_FORCE,
    CTL_KEEP_KEY,
    CTL_TOKEN,
    CTL_LOCALLY,
    CTL_ROLE,
    CTL_ROUTES,
    CTL_PREFIX,
    CTL_EXPIRES,
    CTL_OVERLAP,
    CTL_MAX_RATE,
    CTL_MAX_PENDING,
    CTL_MAX_BYTES,
    CTL_SINCE,
    CTL_WHO,
    CTL_WHAT,
    CTL_CURSOR,
    CTL_DUE_AFTER,
    CTL_DUE_BEFORE,
    CTL_INTERVAL,
    CTL_ONCE,
    CTL_FLAGS
};

struct ctl_command;

/* One run of the program. */
struct ctl {
    const struct ctl_command *command;
    const char *endpoints;
    const char *cluster;
    char local[PROTOCOL_ADDRESS_MAX]; /* with --local: the endpoint; else "" */
    const char *token;                /* who asks; NULL: what the environment says, if anything */
    unsigned timeout_ms; /* of each call; given_timeout says whether the user chose it */
    bool given_timeout;
    bool json;        /* with -w json and -w jsonl */
    bool lines;       /* with -w jsonl alone */
    bool reader_left; /* of what -w jsonl writes: it has seen enough */
    struct tls_flags tls;
    ordersched_client *client; /* opened for every command that got past its arguments and has a
                                  cluster to ask */
    struct {
        const char *values[CTL_REPEATS_MAX];
        unsigned n;
    } flags[CTL_FLAGS];
    /* Values that had better not stand in a command line, and keys made, to be wiped and freed. */
    char *texts[3 * PROTOCOL_SECRETS_MAX + PROTOCOL_HEADERS_MAX + 1];
    unsigned n_texts;
    const char *operands[CTL_OPERANDS_MAX];
    unsigned n_operands;
    const char *const *words; /* what stands behind "--", if the command runs it; NULL-terminated */
};

struct ctl_command {
    const char *name;     /* "pay", "route put" */
    const char *operands; /* "ID", for the usage line; NULL: none */
    const char *summary;
    const char *details; /* more for --help, or NULL */
    unsigned operands_min;
    unsigned operands_max;
    const struct flag *flags; /* or NULL */
    bool hidden;
    bool offline; /* needs no cluster: there is no client then */
    bool lists;   /* prints rows, and so takes -w jsonl */
    bool runs;    /* the words behind "--" are a program and its arguments */
    /* Check the arguments without a cluster: CTL_DONE, or CTL_USAGE after ctl_usage(). Or NULL. */
    int (*check)(struct ctl *ctl);
    int (*run)(struct ctl *ctl); /* returns the exit code */
};

extern const struct ctl_command ctl_order_commands[]; /* each ends with a NULL name */
extern const struct ctl_command ctl_list_commands[];
extern const struct ctl_command ctl_route_commands[];
extern const struct ctl_command ctl_dead_commands[];
extern const struct ctl_command ctl_member_commands[];
extern const struct ctl_command ctl_cluster_commands[];
extern const struct ctl_command ctl_top_commands[];
extern const struct ctl_command ctl_clock_commands[];
extern const struct ctl_command ctl_set_back_commands[];
extern const struct ctl_command ctl_work_commands[];
extern const struct ctl_command ctl_cert_commands[];
extern const struct ctl_command ctl_cert_renew_commands[];
extern const struct ctl_command ctl_cert_show_commands[];
extern const struct ctl_command ctl_principal_commands[];
extern const struct ctl_command ctl_audit_commands[];

/* The value of a flag, or NULL. */
const char *ctl_value(const struct ctl *ctl, enum ctl_flag flag);
/* Say what is wrong with the arguments. Returns CTL_USAGE. */
int ctl_usage(const struct ctl *ctl, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole number from min to max. */
bool ctl_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *out);

/* Say that the cluster refused, did not answer, or left the outcome unknown: a line on stderr of
 * what happened, to what, and what to do now; with -w json an object on stdout. `subject` is the
 * order's id or another name, or NULL. `request_id` may be NULL. Returns the exit code. */
int ctl_fail(const struct ctl *ctl, const char *subject, const uint8_t *request_id,
             const struct ask_reply *reply);
int ctl_exit_code(int error);
/* Say that no node told its status, and of a refusal (survey_refusal()) what to do. Returns the exit code. */
int ctl_none_answered(const struct ctl *ctl, int refusal);
/* Make a request id. ORDERSCHED_OK, or the error, which is then also in *reply, with the reason
 * that the first endpoint gives if it is no cluster of ours. */
int ctl_make_request_id(const struct ctl *ctl, uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                        struct ask_reply *reply);
/* Is each of the endpoints a node's Raft port? Then its first is in `first`. Waits for some hundred
 * milliseconds at most for one that hangs up, and no longer than a round trip for a client port. With
 * TLS, a handshake is made there, as a client would. */
bool ctl_names_raft_ports(const struct ctl *ctl, char *first, size_t first_len);
/* What came for OK cannot be read: the reply becomes that error. */
void ctl_malformed(struct ask_reply *reply);
/* Does the reply say more than its error's name does: what keeps us from a node, say? */
bool ctl_says_why(const struct ask_reply *reply);
/* The first of the endpoints. */
void ctl_first_endpoint(const struct ctl *ctl, char out[PROTOCOL_ADDRESS_MAX]);
/* Print one object to stdout and release it. Returns CTL_DONE, or CTL_UNKNOWN without memory. */
int ctl_print_json(json_t *object);
/* The same on one line, whatever has become of stdout. */
int ctl_print_line(json_t *object);
/* Set `key` to the text, or, when it is not UTF-8, "<key>_base64" to its base64. */
void ctl_json_bytes(json_t *object, const char *key, const void *data, size_t len);
void ctl_json_time(json_t *object, const char *key_ms, const char *key, uint64_t ms);
void ctl_hex(const uint8_t *data, size_t len, char *out); /* 2 * len + 1 bytes */

#endif
