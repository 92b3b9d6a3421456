/* model_internal.h - the model as its own files see it: model.c, which carries an operation through
 * the steps of docs/semantics.md, and model_operations.c, what each one does. */
#ifndef MODEL_INTERNAL_H
#define MODEL_INTERNAL_H

#include "model.h"

#define MODEL_MINUTE_MS 60000ull
#define MODEL_DAY_MS (24 * 60 * MODEL_MINUTE_MS)

uint64_t model_plus(uint64_t a, uint64_t b); /* at most UINT64_MAX */
uint64_t model_clamp(uint64_t value, uint64_t low, uint64_t high);
/* The cluster has had a leader, and none that brought a secret. */
bool model_is_old(const struct model *m);
bool model_is_decided(const struct model_order *o);
/* The state as it is seen: CLOSING past the deadline. */
int model_seen(const struct model *m, const struct model_order *o);

/* What an operation does, and its error. */
int model_carry_out(struct model *m, struct model_order *o, const struct operation *op,
                    unsigned route);
int model_route_operation(struct model *m, const struct operation *op, unsigned route);
int model_outcome(struct model *m, struct model_order *o, const struct operation *op);
void model_epoch(struct model *m, uint64_t epoch, const struct operation *op,
                 struct result *result);
void model_set_back(struct model *m, const struct operation *op, struct result *result);
int model_clock_trust(struct model *m, const struct operation *op);
/* Nothing else takes a place that is kept for operators. */
bool model_may_change(struct model *m, const struct operation *op, unsigned route);
/* Requests recorded with it that were OK, or were not. */
unsigned model_count_requests(const struct model_order *o, bool ok);

#endif
