/* model.h - a second reading of docs/semantics.md: the same rules in plain arrays and linear
 * scans, without any index, to be compared with the state machine. Shares no code with it. */
#ifndef MODEL_H
#define MODEL_H

#include "noise.h"

#define MODEL_RECENT_MAX (1u << 20)
#define MODEL_REQUESTS_MAX 96

struct model_answer {
    uint64_t serial; /* of the request */
    uint64_t time_ms;
    bool keyed; /* the time is that of its recording */
    int error;
    int state;
    uint64_t deadline_ms;
    uint64_t index;
    uint64_t older; /* place in recent + 1 of the one before it with that serial; 0: none */
};

/* An event of a history: the first four are kept, and the last twelve of the others. */
#define MODEL_HEAD 4
#define MODEL_TAIL 12

struct model_event {
    enum history_kind kind;
    uint64_t time_ms;
    uint64_t index;
    uint64_t node;
    uint32_t attempt;
    unsigned outcome;
    uint64_t value;
    char reason[PROTOCOL_REASON_MAX + 1]; /* uncut */
};

struct model_order {
    bool exists; /* in memory, maybe forgotten */
    int state;   /* never CLOSING */
    uint64_t deadline_ms;
    uint64_t decided_ms;
    uint64_t decision;
    uint64_t scheduled;
    struct slice traceparent; /* of static memory */
    unsigned route;
    uint32_t version;
    uint32_t attempts;
    uint32_t failures;
    uint64_t next_ms;
    uint64_t redriven_ms;
    char reason[PROTOCOL_REASON_MAX + 1];
    uint64_t n_events; /* ever */
    struct model_event head[MODEL_HEAD];
    struct model_event tail[MODEL_TAIL]; /* event number i at i % MODEL_TAIL */
    struct model_answer schedule;
    unsigned n_requests;
    struct model_answer requests[MODEL_REQUESTS_MAX];
    bool in_flight; /* as the test drives it */
};

struct model_route {
    bool exists;
    bool paused;
    uint64_t paused_ms;
    uint32_t n_retries;
    uint32_t retries_ms[PROTOCOL_RETRIES_MAX];
    uint32_t attempts; /* 0: one more than retries */
    unsigned n_secrets;
    char secrets[PROTOCOL_SECRETS_MAX][PROTOCOL_SECRET_MAX + 1];
    unsigned n_keys;
    char keys[PROTOCOL_SECRETS_MAX][PROTOCOL_SECRET_MAX + 1]; /* that sign, "whsk_" */
};

struct model {
    uint64_t now_ms;
    uint64_t index;
    uint64_t epoch;
    uint64_t epoch_ms;
    uint64_t seed;
    uint8_t identity; /* each byte of it, and so below */
    uint8_t secret;
    uint64_t secret_index;
    unsigned n_operations; /* of this entry so far */
    bool knows_keys;       /* set it: this entry's request ids may be keyed */
    uint64_t retention_ms;
    uint64_t floor_ms;
    unsigned era;
    uint64_t set_back_ms;
    uint64_t clock_trusted;
    struct model_order orders[NOISE_IDS];
    struct model_route routes[NOISE_ROUTES];
    /* The recent requests: all ever recorded, and the first that is still there. */
    struct model_answer *recent;
    uint32_t recent_limit; /* MODEL_RECENT_MAX unless set */
    uint64_t first_recent;
    uint64_t n_recent;
    uint64_t cap_recent;
    uint64_t *recent_of_serial; /* place in recent + 1 */
    uint64_t cap_serial;
};

struct model *model_new(void);
void model_free(struct model *m);
/* An entry begins, an operation of it, and the entry ends. `id` and `route` are numbers. */
void model_begin(struct model *m, uint64_t index, uint64_t now_ms, unsigned era,
                 unsigned n_operations);
void model_apply(struct model *m, uint64_t epoch, const struct operation *op, unsigned id,
                 unsigned route, struct result *result);
void model_end(struct model *m);
/* As seen at now. */
int model_state(const struct model *m, unsigned id);
bool model_is_known(const struct model *m, unsigned id);
/* Is it this one? NULL: none. */
bool model_has_traceparent(const struct model_order *o, const uint8_t *traceparent);
/* Must be with the dispatcher, or ready for it, or waiting for its paused route. */
bool model_is_deliverable(const struct model *m, unsigned id);
/* Event number `i` of those ever, if it is kept, else NULL. */
const struct model_event *model_event(const struct model_order *o, uint64_t i);

#endif
