/* state.h - what the reference receiver remembers: how each webhook-id was settled, and
 * the highest fence of each order.
 *
 * It grows with the number of orders, as the journal does that it is restored from. */
#ifndef ORDERSINK_STATE_H
#define ORDERSINK_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../wire/siphash.h"

enum sink_answer {
    SINK_UNDECIDED,
    SINK_EXPIRED,        /* settled: every repeat gets it again */
    SINK_PAID_AFTER_ALL, /* settled */
    SINK_LATER_ONCE,
    SINK_FAILED,
};
/* "expired", "paid", "later", "failed", as in the journal. */
const char *sink_answer_name(enum sink_answer answer);

/* A fence: EPOCH.INDEX, compared in this order. */
struct sink_fence {
    uint64_t epoch;
    uint64_t index;
};
/* False: not such a token. */
bool sink_fence_parse(const char *text, struct sink_fence *fence);
bool sink_fence_is_lower(struct sink_fence a, struct sink_fence b);

enum sink_kind { SINK_WEBHOOK, SINK_ORDER, SINK_ORDER_BASE64 };

struct sink_entry {
    struct sink_entry *next;
    uint64_t hash;
    enum sink_answer settled; /* of a webhook-id: EXPIRED, PAID_AFTER_ALL or UNDECIDED */
    bool postponed;           /* of a webhook-id: "later" was said */
    struct sink_fence fence;  /* of an order: highest seen */
    enum sink_kind kind;
    size_t key_len;
    uint8_t key[];
};

struct sink_state {
    struct siphash_key key; /* of the hashes, made with the first entry */
    bool has_key;
    struct sink_entry **buckets;
    size_t n_buckets; /* a power of two, or 0 */
    size_t n;
};

/* Zero the state to start. The entry of a key, made on first use; NULL on lack of memory. It stays
 * where it is until sink_state_free(). */
struct sink_entry *sink_state_entry(struct sink_state *s, enum sink_kind kind, const void *key,
                                    size_t key_len);
void sink_state_free(struct sink_state *s);

#endif
