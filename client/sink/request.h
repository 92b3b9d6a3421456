/* request.h - one request on its way through the reference receiver: received, read,
 * judged, answered. It tells of one order, or of a batch of them.
 *
 * It belongs to the HTTP side until it is handed to the judge, and again once `judged` is set. */
#ifndef ORDERSINK_REQUEST_H
#define ORDERSINK_REQUEST_H

#include <jansson.h>

#include "options.h"
#include "state.h"
#include "../callback/webhook.h"

#define SINK_WEBHOOK_ID_MAX 256
#define SINK_BATCH_MAX 1000

/* One order that the request tells of, and what is said about it. */
struct sink_item {
    /* As it was read. */
    const char *key;        /* idempotency key: of a request about one order its webhook-id */
    const json_t *order_id; /* a string of the request's; NULL: none was read */
    enum sink_kind order_kind;
    uint32_t attempt;
    uint64_t deadline_ms;
    struct sink_fence fence;
    /* The verdict: an answer; or UNDECIDED, a status above 299, and a reason. */
    enum sink_answer answer;
    uint64_t delay_ms; /* of "later" */
    bool repeat;       /* the key was settled before, and gets that answer again */
    unsigned status;   /* what a request about this order alone is answered */
    char reason[96];
    enum sink_lie lie; /* about the verdict, in a batch */
};

/* How a request is answered that was judged. */
enum sink_fault {
    SINK_FAULT_NONE,
    SINK_FAULT_HANG,    /* not at all */
    SINK_FAULT_CLOSE,   /* the connection is closed in the middle of it */
    SINK_FAULT_GARBAGE, /* with something that is not JSON */
    SINK_FAULT_HUGE,    /* with 10 MB */
};

struct sink_request {
    struct sink_request *next; /* the judge's queues */
    void *connection;          /* the HTTP side's */
    /* As it came. Header values belong to the connection. */
    uint64_t t_us; /* arrival, wall clock */
    struct webhook webhook;
    const char *fence_text;  /* NULL in a batch */
    const char *traceparent; /* for the journal; NULL: none that is text */
    char *body;
    size_t body_cap;
    size_t body_max;
    bool body_too_long;
    /* As it was read. */
    bool id_is_text; /* the webhook-id can be written down */
    bool is_batch;
    uint64_t cluster_ms;     /* the cluster's time in it; 0: none that can be read */
    json_t *root;            /* of the body; the items point into it */
    struct sink_item single; /* of a request about one order */
    struct sink_item *items;
    size_t n_items;
    /* The verdict on the request as a whole: a status above 299 with a reason, or 200, and then
     * the items have one each. */
    unsigned status;
    char reason[96];
    enum sink_fault fault;
    uint64_t due_ms; /* not to be answered before (monotonic) */
    bool judged;
};

/* Verify and read. A request that is not acceptable gets its status (400 or 401) and reason;
 * the status of an acceptable one stays 0. Pure but for the allocation. */
void sink_request_read(struct sink_request *r, const struct sink_options *o);
__attribute__((format(printf, 3, 4))) void
sink_request_refuse(struct sink_request *r, unsigned status, const char *format, ...);
__attribute__((format(printf, 3, 4))) void sink_item_refuse(struct sink_item *item, unsigned status,
                                                            const char *format, ...);
void sink_request_free(struct sink_request *r);

#endif
