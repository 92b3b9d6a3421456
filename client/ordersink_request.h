/* ordersink_request.h - one request on its way through the reference receiver: received, read,
 * judged, answered.
 *
 * It belongs to the HTTP side until it is handed to the judge, and again once `judged` is set. */
#ifndef ORDERSINK_REQUEST_H
#define ORDERSINK_REQUEST_H

#include <jansson.h>

#include "ordersink_options.h"
#include "ordersink_state.h"
#include "webhook.h"

#define SINK_WEBHOOK_ID_MAX 256

struct sink_request {
    struct sink_request *next; /* the judge's queues */
    void *connection;          /* the HTTP side's */
    /* As it came. Header values belong to the connection. */
    uint64_t t_ms; /* arrival, wall clock */
    struct webhook webhook;
    const char *fence_text;
    char *body;
    size_t body_cap;
    bool body_too_long;
    /* As it was read. */
    json_t *order_id; /* a string */
    enum sink_kind order_kind;
    uint32_t attempt;
    uint64_t deadline_ms;
    uint64_t cluster_ms; /* the cluster's time at the delivery; 0: it does not say */
    struct sink_fence fence;
    /* The verdict: a status above 299 with a reason, or an answer. */
    unsigned status;
    char reason[96];
    enum sink_answer answer;
    uint64_t delay_ms; /* of "later" */
    bool repeat;       /* settled before: the earlier answer again */
    bool hang;         /* settled, and not to be answered */
    uint64_t due_ms;   /* not to be answered before (monotonic) */
    bool judged;
};

/* Verify and read. A request that is not acceptable gets its status (400 or 401) and reason;
 * the status of an acceptable one stays 0. Pure but for the allocation. */
void sink_request_read(struct sink_request *r, const struct sink_options *o);
__attribute__((format(printf, 3, 4))) void sink_request_refuse(struct sink_request *r,
                                                               unsigned status,
                                                               const char *format, ...);
void sink_request_free(struct sink_request *r);

#endif
