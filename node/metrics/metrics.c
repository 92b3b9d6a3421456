/* metrics.c - see metrics.h. */
#include "metrics.h"

#include <stdlib.h>
#include <string.h>

struct metrics *metrics_new(void)
{
    struct metrics *m = calloc(1, sizeof *m);

    if (m == NULL) {
        return NULL;
    }
    m->routes = calloc(METRICS_ROUTES_MAX, sizeof *m->routes); /* untouched pages cost nothing */
    if (m->routes == NULL) {
        free(m);
        return NULL;
    }
    return m;
}

void metrics_free(struct metrics *m)
{
    if (m != NULL) {
        free(m->routes);
        free(m);
    }
}

/* --- what the parts tell --- */

void metrics_note_leader(struct metrics *m, uint64_t id, uint64_t term)
{
    if (m == NULL || id == 0 || (id == m->leader && term == m->leader_term)) {
        return;
    }
    m->leader = id;
    m->leader_term = term;
    m->leader_changes++;
}

void metrics_note_operation(struct metrics *m, unsigned code, int error)
{
    if (m != NULL && code < METRICS_CODES_MAX) {
        m->operations[code][metrics_class_of(error)]++;
    }
}

void metrics_note_busy(struct metrics *m, enum metrics_busy cause)
{
    if (m != NULL) {
        m->busy[cause]++;
    }
}

void metrics_note_request(struct metrics *m, enum metrics_request kind, uint64_t us)
{
    if (m != NULL) {
        metrics_histogram_add(&m->requests[kind], &metrics_scale_fine, us);
    }
}

void metrics_note_snapshot_begun(struct metrics *m, uint64_t now_us)
{
    if (m != NULL) {
        m->snapshot_began_us = now_us;
    }
}

void metrics_note_snapshot_stored(struct metrics *m, uint64_t bytes, uint64_t now_us)
{
    if (m == NULL) {
        return;
    }
    if (m->snapshot_began_us != 0) {
        metrics_histogram_add(&m->snapshot, &metrics_scale_coarse, now_us - m->snapshot_began_us);
    }
    m->snapshot_began_us = 0;
    m->snapshot_ended_us = now_us;
    m->snapshot_bytes = bytes;
}

struct metrics_route *metrics_route(struct metrics *m, unsigned slot, const char *name)
{
    if (m == NULL || slot >= METRICS_ROUTES_MAX) {
        return NULL;
    }
    struct metrics_route *r = &m->routes[slot];
    if (strcmp(r->name, name) != 0) {
        memset(r, 0, sizeof *r);
        memcpy(r->name, name, strnlen(name, sizeof r->name - 1));
    }
    return r;
}

/* --- peers --- */

static struct metrics_peer *peer_find(struct metrics *m, uint64_t id)
{
    for (unsigned i = 0; i < METRICS_PEERS_MAX; i++) {
        if (m->peers[i].id == id) {
            return &m->peers[i];
        }
    }
    return NULL;
}

void metrics_note_round_trip(struct metrics *m, uint64_t id, uint64_t at_us, uint64_t us)
{
    if (m == NULL || id == 0) {
        return;
    }
    struct metrics_peer *p = peer_find(m, id);
    if (p == NULL && (p = peer_find(m, 0)) == NULL) {
        return; /* one that has left keeps its place until the next sweep */
    }
    p->id = id;
    p->present = true;
    if (at_us > p->heard_us) {
        p->heard_us = at_us;
        metrics_histogram_add(&p->round_trip, &metrics_scale_fine, us);
    }
}

const struct metrics_peer *metrics_peer(const struct metrics *m, uint64_t id)
{
    return m != NULL && id != 0 ? peer_find((struct metrics *)m, id) : NULL;
}

void metrics_sweep_peers(struct metrics *m)
{
    for (unsigned i = 0; m != NULL && i < METRICS_PEERS_MAX; i++) {
        if (!m->peers[i].present) {
            memset(&m->peers[i], 0, sizeof m->peers[i]);
        }
        m->peers[i].present = false;
    }
}

/* --- names --- */

enum metrics_class metrics_class_of(int error)
{
    if (error == ORDERSCHED_OK) {
        return METRICS_DONE;
    }
    if (error > 0 && error < 32) {
        return METRICS_DECIDED;
    }
    return error > 0 && error < 64 ? METRICS_REFUSED : METRICS_UNKNOWN;
}

static const char *const operation_names[METRICS_CODES_MAX] = {
    [0] = "message",
    [OPERATION_SCHEDULE] = "schedule",
    [OPERATION_PAY] = "pay",
    [OPERATION_CANCEL] = "cancel",
    [OPERATION_EXTEND] = "extend",
    [OPERATION_GET] = "get",
    [OPERATION_LIST] = "list",
    [OPERATION_STATUS] = "status",
    [OPERATION_ROUTE_LIST] = "route_list",
    [OPERATION_DIGEST] = "digest",
    [OPERATION_HISTORY] = "history",
    [OPERATION_DEAD_LIST] = "dead_list",
    [OPERATION_GRANT_LIST] = "grant_list",
    [OPERATION_AUDIT_LIST] = "audit_list",
    [OPERATION_FILTERED_LIST] = "filtered_list",
    [OPERATION_ROUTE_PUT] = "route_put",
    [OPERATION_ROUTE_DELETE] = "route_delete",
    [OPERATION_ROUTE_PAUSE] = "route_pause",
    [OPERATION_ROUTE_ROTATE] = "route_rotate",
    [OPERATION_DEAD_REDRIVE] = "dead_redrive",
    [OPERATION_DEAD_DROP] = "dead_drop",
    [OPERATION_ROUTE_SET] = "route_set",
    [OPERATION_ROUTE_RETRY] = "route_retry",
    [OPERATION_CLOCK_TRUST] = "clock_trust",
    [OPERATION_GRANT_PUT] = "grant_put",
    [OPERATION_GRANT_REVOKE] = "grant_revoke",
    [OPERATION_TOKEN_CREATE] = "token_create",
    [OPERATION_TOKEN_ROTATE] = "token_rotate",
    [OPERATION_AUTHORIZE] = "authorize",
    [OPERATION_MEMBER_LIST] = "member_list",
    [OPERATION_MEMBER_ADD] = "member_add",
    [OPERATION_MEMBER_REMOVE] = "member_remove",
    [OPERATION_TRANSFER] = "transfer",
    [OPERATION_RESERVE] = "reserve",
    [OPERATION_LEASE] = "lease",
    [OPERATION_SETTLE] = "settle",
    [OPERATION_CLOCK_SET_BACK] = "clock_set_back",
};

const char *metrics_operation_name(unsigned code)
{
    return code < METRICS_CODES_MAX ? operation_names[code] : NULL;
}

const char *metrics_class_name(enum metrics_class c)
{
    static const char *const names[METRICS_CLASSES] = {"done", "decided", "refused", "unknown"};

    return names[c];
}

const char *metrics_busy_name(enum metrics_busy cause)
{
    static const char *const names[METRICS_BUSY_CAUSES] = {"queue", "share",  "requests",
                                                           "time",  "answer", "reserves"};

    return names[cause];
}

const char *metrics_request_name(enum metrics_request kind)
{
    static const char *const names[METRICS_REQUESTS] = {"write", "read", "work"};

    return names[kind];
}

const char *metrics_outcome_name(unsigned outcome)
{
    static const char *const names[METRICS_OUTCOMES] = {
        [OUTCOME_EXPIRED] = "expired",
        [OUTCOME_PAID] = "paid",
        [OUTCOME_LATER] = "later",
        [OUTCOME_FAILED] = "failed",
        [OUTCOME_BATCH_FAILED] = "batch_failed",
    };

    return names[outcome];
}

const char *metrics_part_name(unsigned part)
{
    static const char *const names[METRICS_LATENESS_PARTS] = {"timer", "commit", "queue",
                                                              "callback", "total"};

    return names[part];
}
