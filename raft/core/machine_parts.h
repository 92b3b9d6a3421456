/* machine_parts.h - what the files of the state machine say to each other.
 *
 *   machine.c           life, time, and the walk through one entry
 *   machine_orders.c    the operations on orders, by the table of docs/semantics.md
 *   machine_outcomes.c  what a callback's answer does to an order
 *   machine_requests.c  one effect for each request id
 *   machine_routes.c    the callback routes
 *   machine_clock.c     whose clock is trusted; a time that is ahead is put right
 *   machine_grants.c    the principals, who may do what, and how much of it
 *   machine_vain.c      would a request change nothing?
 *   machine_index.c     the derived lists
 *   machine_canary.c    by which a cluster notices that it has silently stopped
 *   machine_rebuild.c   the derived lists, made anew after a restore
 *   machine_purge.c     giving back the memory of forgotten orders
 *   machine_read.c      reads
 *   machine_digest.c    digest, at once and in slices
 *   machine_check.c     invariants
 *   machine_common.c    what all of them reckon, find and walk with, and tell before a change
 *
 * No two of them call each other. Only these files and snapshot_*.c include it. */
#ifndef MACHINE_PARTS_H
#define MACHINE_PARTS_H

#include "machine.h"

/* A place in the store's tables, for walks whose order does not matter. Zero it to start. The
 * store must not change during the walk. */
struct machine_walk {
    uint32_t shard;
    uint32_t slot;
};
struct order *machine_walk_next(const struct machine *m, struct machine_walk *walk);

uint64_t machine_add_ms(uint64_t time_ms, uint64_t delay_ms); /* ends at UINT64_MAX */
/* A terminal order past its retention: unknown, whether or not it is still in memory. */
bool machine_is_forgotten(const struct machine *m, const struct order *o);

/* Fill the part of a result that describes an order; NULL: none is known. */
void machine_describe(const struct machine *m, const struct order *o, int error,
                      struct result *result);

/* --- routes --- */
#define MACHINE_ROUTE_CELLS (4u * MACHINE_ROUTES_MAX) /* a power of 2 */
/* Let a new route be found by its name. */
void machine_index_route(struct machine *m, const struct route *r);

/* --- requests --- */
/* Steps 1 to 4 of "Requests": true when they gave the answer, and the operation is not carried
 * out. `o` is the order, known or forgotten, or NULL. */
bool machine_answer_early(const struct machine *m, const struct order *o,
                          const struct operation *op, struct result *result);
/* What is recorded of the request among the recent, or NULL. */
const struct recent_request *machine_find_recent(const struct machine *m,
                                                 const struct operation *op);
/* The id under which a request is recorded: a keyed one's time is that of its recording. */
void machine_keep_request(const struct machine *m, const uint8_t *request_id,
                          uint8_t kept[ORDERSCHED_REQUEST_ID_SIZE]);
/* Is there room among the recent for one answer more? `spare`: also in the part that is kept for
 * what operators change. Without it the operation must not be carried out: BUSY. */
bool machine_recent_has_room(struct machine *m, bool spare);
/* There must be room. A keyed schedule's refusal goes there as that copy's alone. The result tells that its answer is there, and whether it `changed` anything. */
void machine_record_recent(struct machine *m, const struct operation *op, bool changed,
                           struct result *result);
/* With the order, which must have room. */
void machine_record(struct machine *m, struct order *o, const uint8_t *request_id,
                    const struct result *result);
/* The order is to leave before its requests are stale: they go to the recent. False: no room. */
bool machine_move_requests(struct machine *m, const struct order *o);
/* The latest time among the request ids of an order, as far as staleness goes. */
uint64_t machine_latest_request_ms(const struct machine *m, const struct order *o);
/* The floor of unseen ids is never above this: now less their lifetime, or what it is. */
uint64_t machine_fair_floor_ms(const struct machine *m);
/* When that will be at least this. */
uint64_t machine_fair_floor_reaches_ms(const struct machine *m, uint64_t ms);
void machine_raise_floor(struct machine *m, uint64_t time_ms);
/* An entry with operations begins: the floor follows now, and the recent follow the floor. */
void machine_follow_now(struct machine *m, uint32_t n_operations);
/* The log is of a leader that knew only the rules from before the cluster had a secret: they hold
 * until the first that brings one, so that all replicas go over to the others at the same entry. */
bool machine_keeps_old_rules(const struct machine *m);

/* --- the canary --- */
void machine_canary_put_back(struct machine *m); /* its leader leads no more */
void machine_canary_forget(struct machine *m);   /* the wheel begins anew */
void machine_canary_close(struct machine *m);

/* --- operations: op has been decoded; result is filled --- */
void machine_apply_canary(struct machine *m, const struct operation *op, struct result *result);
/* `place` is that of the operation's id; it is admitted, but may not see every order. */
void machine_apply_order(struct machine *m, const struct actor *actor, const struct operation *op,
                         struct store_place place, struct result *result);
void machine_apply_grant(struct machine *m, const struct operation *op, struct result *result);
/* Charge an operation that is to be carried out now; and once it was, take back what does not count, and
 * count the order that it made. `place` is that of its id. */
void machine_charge(struct machine *m, const struct claim *claim);
void machine_end_charge(struct machine *m, const struct claim *claim, const struct operation *op,
                        struct store_place place, const struct result *result);
/* The order is decided: it counts no more. */
void machine_uncharge(struct machine *m, struct order *o);
void machine_apply_hurry(struct machine *m, const struct operation *op, struct result *result);
void machine_apply_outcome(struct machine *m, const struct operation *op, struct result *result);
void machine_apply_route(struct machine *m, const struct operation *op, struct result *result);
void machine_apply_clock(struct machine *m, const struct operation *op, struct result *result);
/* Would it, as things are, change nothing, and its answer take a place among the recent requests? */
bool machine_order_is_in_vain(const struct machine *m, const struct operation *op);
bool machine_route_is_in_vain(const struct machine *m, const struct operation *op);
bool machine_clock_is_in_vain(const struct machine *m, const struct operation *op);
bool machine_grant_is_in_vain(const struct machine *m, const struct operation *op);
/* `first`: it is the first operation of its entry. */
void machine_apply_epoch(struct machine *m, uint64_t epoch, bool first, const struct operation *op,
                         struct result *result);

/* `alone`: it is its entry's only operation, and its entry is of the present era. */
void machine_apply_set_back(struct machine *m, const struct operation *op, bool alone,
                            struct result *result);

/* The machine's secret is there: its tables get their keys. Once in the life of its contents. */
void machine_use_secret(struct machine *m);

/* --- the snapshot that is being built, the digest that is being made --- */
/* Before an order's replicated fields change, or it leaves the store. Detaching, settling, reviving,
 * recording a request and purging do it themselves. */
void machine_touch(struct machine *m, struct order *o);
/* Count an order in that the running digest has not seen. */
void machine_digest_add(struct machine *m, struct order *o);

/* --- derived indexes --- */
/* They hold nothing; m->now_ms is the time that they begin at. No order may be in one. */
void machine_index_reset(struct machine *m);
/* The same, and all orders leave them; none may be in flight. */
void machine_index_empty(struct machine *m);
struct order *machine_order_of_closing(const struct link *link); /* order_extra.closing */
/* Bring a new PENDING order, not due, into the store and the indexes; `place` is its id's. */
void machine_index_add(struct machine *m, struct order *o, struct store_place place);
/* Its time has come: into the ready list of its route. */
void machine_index_ready(struct machine *m, struct order *o);
/* Let a PENDING order that is not in the closing list wait for its time, in the wheel and the forecast. */
void machine_index_await(struct machine *m, struct order *o);
/* Take an order that is PENDING out of what it waits in, or the ready list. Its time must not
 * have changed since it went in. */
void machine_index_detach(struct machine *m, struct order *o);
/* Remember with a due order which entry made it due, as far as that is still known. */
void machine_index_stamp(struct machine *m, struct order *o);
/* Bring an order whose deadline is due into the closing list, if the wheel still holds it. */
void machine_index_make_due(struct machine *m, struct order *o);
/* Decide or bury a detached order: state, counts and lists follow. */
void machine_index_settle(struct machine *m, struct order *o, enum ordersched_state state);
/* Forget a forgotten order for good, as another is to have its id. False: its requests have to be
 * remembered, and there is no room. */
bool machine_purge_for_another(struct machine *m, struct order *o);
/* The purging that ends each entry. */
void machine_purge_forgotten(struct machine *m);
/* The number that counts orders of this stored state; closing tells CLOSING from PENDING. */
uint64_t *machine_count_of(struct machine *m, const struct order *o);
/* Bring a DEAD order back to PENDING: due since now, with no failures, to be delivered at once. */
void machine_index_revive(struct machine *m, struct order *o);
/* The extra part, made if needed, its memory counted. */
struct order_extra *machine_extra(struct machine *m, struct order *o);
/* Add an event of this entry to the order's history: its time and index are filled in. */
void machine_note(struct machine *m, struct order *o, const struct history_event *event);
/* Why the order's last delivery failed; empty: no more. */
void machine_set_reason(struct machine *m, struct order *o, struct slice reason);

/* --- rebuilding the derived indexes of a machine filled by a restore --- */
struct machine_rebuild {
    struct order **due; /* in order of deadline */
    size_t n_due;
    struct order **terminal; /* in order of decision */
    size_t n_terminal;
};
/* Allocate all that the rebuild needs, and count. Nothing is linked yet, so that the contents
 * of `fresh` can still move into another machine. False on lack of memory. */
bool machine_rebuild_prepare(struct machine *fresh, struct machine_rebuild *rebuild);
/* Link everything; cannot fail. The contents of `m` must be those that were prepared. */
void machine_rebuild_commit(struct machine *m, struct machine_rebuild *rebuild);
void machine_rebuild_free(struct machine_rebuild *rebuild);
/* Replace the contents of `m` by those of `fresh`, which is left empty, to be closed. */
void machine_adopt(struct machine *m, struct machine *fresh, struct machine_rebuild *rebuild);

#endif
