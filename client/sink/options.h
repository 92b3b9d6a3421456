/* options.h - how the reference receiver was told to behave. */
#ifndef ORDERSINK_OPTIONS_H
#define ORDERSINK_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SINK_SECRETS_MAX 16

/* An order that is to be answered in a way of its own. */
struct sink_chosen {
    struct sink_chosen *next;
    uint64_t delay_ms; /* of --later */
    char id[];
};

/* Ways of answering about an order of a batch that do not say what was done. */
enum sink_lie {
    SINK_LIE_NONE,
    SINK_LIE_MISSING, /* nothing is said */
    SINK_LIE_DOUBLED, /* it is said, and then "paid" */
    SINK_LIE_UNKNOWN, /* an outcome that there is not */
};
#define SINK_LIES_MAX 3

struct sink_options {
    const char *listen;  /* HOST:PORT */
    const char *journal; /* path */
    char *secrets[SINK_SECRETS_MAX];
    size_t n_secrets;
    const char *public_keys[SINK_SECRETS_MAX]; /* "whpk_..." */
    size_t n_public_keys;
    uint64_t tolerance_ms; /* of the timestamp, in both directions */
    uint64_t slow_ms;      /* wait so long before the answer... */
    double slow_share;     /* ...to this share of the requests */
    double fail_share;     /* of the requests: answered 500, nothing done */
    double hang_share;     /* of the requests: settled, and never answered */
    double paid_share;     /* of the webhook-ids: "paid" */
    double later_share;    /* of the webhook-ids: once "later" */
    uint64_t later_delay_ms;
    struct sink_chosen *paid;
    struct sink_chosen *later;
    uint64_t seed; /* of the shares of requests */
    bool quiet;
    /* Misbehaviour. The shares are of the requests. */
    double close_share;     /* settled, the connection closed in the middle of the answer */
    double garbage_share;   /* settled, answered with something that is not JSON */
    double huge_share;      /* settled, answered with 10 MB */
    double busy_share;      /* nothing done, answered with... */
    unsigned busy_status;   /* ...429 or 503 */
    uint64_t retry_after_s; /* and Retry-After; 0: without */
    double half_share;      /* of the batches: every second order is not done, and "failed" */
    enum sink_lie lies[SINK_LIES_MAX]; /* in turn, about every second order... */
    size_t n_lies;
    double lie_share;     /* ...of this share of the batches */
    const char *tls_cert; /* PEM files; NULL: no TLS */
    const char *tls_key;
};

enum sink_options_status { SINK_OPTIONS_OK, SINK_OPTIONS_HELP, SINK_OPTIONS_ERROR };

/* Parse. On HELP the text was printed to stdout; on ERROR one sentence that names the flag was
 * printed to stderr. Free in every case. Strings of argv stay argv's. */
enum sink_options_status sink_options_parse(struct sink_options *o, int argc, char **argv);
void sink_options_free(struct sink_options *o);

/* The entry of an order, or NULL. */
const struct sink_chosen *sink_chosen_find(const struct sink_chosen *list, const char *id,
                                           size_t id_len);

#endif
