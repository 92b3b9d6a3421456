/* json_outcome.h - what a JSON object says of its order, from a webhook or a program:
 *
 *   {"outcome":"expired"}  {"outcome":"paid"}  {"outcome":"later","delay_ms":N}
 *   {"outcome":"failed","reason":"..."}, where that may be said
 *
 * No state, any thread. */
#ifndef JSON_OUTCOME_H
#define JSON_OUTCOME_H

#include <jansson.h>

#include "../wire/protocol.h"

enum json_says {
    JSON_SAYS_OUTCOME,  /* EXPIRED, PAID, or LATER with its delay */
    JSON_SAYS_FAILED,   /* the receiver's own word */
    JSON_SAYS_NOTHING,  /* no object with an outcome */
    JSON_SAYS_STRANGE,  /* another outcome */
    JSON_SAYS_NO_DELAY, /* "later", but no delay_ms in whole milliseconds */
};

struct json_outcome {
    enum json_says says;
    enum outcome outcome; /* FAILED unless JSON_SAYS_OUTCOME */
    uint64_t delay_ms;    /* of LATER, else 0; at most ORDERSCHED_DEADLINE_MAX_MS */
    /* Of JSON_SAYS_FAILED: the receiver's, not empty, lives as long as the object; or NULL. */
    const char *reason;
};

/* `object` may be any value, or NULL. */
struct json_outcome json_outcome_read(const json_t *object);

#endif
