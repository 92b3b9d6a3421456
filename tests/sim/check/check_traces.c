/* check_traces.c - traceparents (TRACE): an order has the one that the schedule that made it states, if its route
 * carries them as of the log, and none else; whoever tells of it: the state of each node, a read, each attempt
 * to deliver it.
 *
 * Copies of one request may state different ones. Which of them came first is not told apart: it is one that
 * was sent before. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/traceparent.h"
#include "check_internal.h"

struct check_trace check_trace_of(struct slice traceparent)
{
    struct check_trace trace = {.is = traceparent.len == sizeof trace.bytes};

    if (trace.is) {
        memcpy(trace.bytes, traceparent.data, sizeof trace.bytes);
    }
    return trace;
}

static struct check_trace trace_of_order(const struct order *o)
{
    size_t len = o->traced ? PROTOCOL_TRACEPARENT_SIZE : 0;

    return check_trace_of((struct slice){order_traceparent(o), len});
}

static bool is_same(const struct check_trace *a, const struct check_trace *b)
{
    return a->is == b->is && memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static const char *in_words(const struct check_trace *trace, char out[TRACEPARENT_TEXT_SIZE])
{
    if (!trace->is) {
        return "none";
    }
    traceparent_format(trace->bytes, out);
    return out;
}

/* --- what is asked for --- */

static bool is_stated(const struct request_record *r, const struct check_trace *trace)
{
    for (unsigned i = 0; i < r->n_traces; i++) {
        if (is_same(&r->traces[i], trace)) {
            return true;
        }
    }
    return r->n_traces == 0 && !trace->is;
}

void check_trace_asked(struct check *c, struct request_record *r)
{
    if (c->n_terms > 0) {
        r->term = c->terms[c->n_terms - 1].term;
        r->applied = check_reached(c, c->terms[c->n_terms - 1].node);
    }
}

void check_trace_stated(struct check *c, struct request_record *r, const struct check_call *call)
{
    if (c->options->trace_per_mille == 0 || (r->n_traces > 0 && is_stated(r, &call->trace))) {
        return;
    }
    c->coverage->trace_copies += r->n_traces > 0;
    r->traces = realloc(r->traces, (r->n_traces + 1) * sizeof *r->traces);
    if (r->traces == NULL) {
        abort();
    }
    r->traces[r->n_traces++] = call->trace;
}

void check_traces_free(struct check *c)
{
    for (size_t i = 0; i < c->cap_requests; i++) {
        free(c->requests[i].traces);
    }
    free(c->carrying);
}

/* --- which routes carry them --- */

static bool carries_now(const struct check *c, unsigned route)
{
    for (size_t i = c->n_carrying; i > 0; i--) {
        if (c->carrying[i - 1].route == route) {
            return c->carrying[i - 1].carries;
        }
    }
    return false;
}

void check_traces_applied(struct check *c, uint64_t index, const struct machine *m)
{
    for (unsigned route = 0; route < c->options->routes; route++) {
        char name[16];
        size_t len = (size_t)snprintf(name, sizeof name, "r%u", route);
        const struct route *r = machine_find_route(m, (struct slice){(const uint8_t *)name, len});
        bool carries = r != NULL && r->settings.traceparent;
        if (carries != carries_now(c, route)) {
            c->carrying = check_grow(c->carrying, c->n_carrying, &c->cap_carrying,
                                     sizeof *c->carrying);
            c->carrying[c->n_carrying++] = (struct carrying){index, route, carries};
        }
    }
}

/* At some log index it carried them, at some it did not. */
struct carried {
    bool on, off;
};

static void carried_note(struct carried *carried, bool carries)
{
    carried->on = carried->on || carries;
    carried->off = carried->off || !carries;
}

/* From one log index to another, both included. */
static struct carried carried_between(const struct check *c, unsigned route, uint64_t from,
                                      uint64_t to)
{
    struct carried carried = {0};
    bool carries = false;

    for (size_t i = 0; i < c->n_carrying && c->carrying[i].index <= to; i++) {
        if (c->carrying[i].route != route) {
            continue;
        }
        if (c->carrying[i].index > from) {
            carried_note(&carried, carries);
        }
        carries = c->carrying[i].carries;
    }
    carried_note(&carried, carries);
    return carried;
}

/* --- what becomes of it --- */

/* The leader goes by the route as it stands where it takes the request in: in front of the entry that carries it out,
 * and behind all that was acknowledged before the request was made, but for what one that was just elected has not
 * applied yet. */
static uint64_t taken_in_from(const struct check *c, const struct request_record *r, uint64_t term)
{
    uint64_t applied = r->floor;

    if (term == r->term) {
        applied = r->applied;
    }
    for (size_t i = 0; i < c->n_terms && term > r->term; i++) {
        if (c->terms[i].term == term) {
            applied = c->terms[i].applied;
        }
    }
    return applied < r->floor ? applied : r->floor;
}

void check_trace_begin(struct check *c, struct life *life, const struct request_record *r,
                       uint64_t index, uint64_t term, const struct order *o)
{
    static const struct check_trace none;
    char text[TRACEPARENT_TEXT_SIZE];

    life->trace = trace_of_order(o);
    if (r == NULL) {
        return; /* a phantom */
    }
    uint64_t from = taken_in_from(c, r, term);
    struct carried carried = carried_between(c, (unsigned)life->route, from, index - 1);
    bool stated = is_stated(r, &life->trace);
    bool dropped = !life->trace.is && !is_stated(r, &none);
    if (life->trace.is ? !stated || !carried.on : dropped && !carried.off) {
        check_fail(c, "TRACE", (int)life->id,
                   "it is scheduled at log index %" PRIu64 ":\n"
                   "  its traceparent: %s\n  copies of its schedule state %u, %s\n"
                   "  from log index %" PRIu64 " on its route, r%d, carries %s",
                   index, in_words(&life->trace, text), r->n_traces,
                   stated ? "this among them" : "not this", from, life->route,
                   !carried.on   ? "none"
                   : carried.off ? "them at times"
                                 : "them");
    }
    c->coverage->traced += life->trace.is;
    c->coverage->traces_not_carried += dropped;
}

static void differs(struct check *c, const struct life *life, const struct check_trace *is,
                    const char *where)
{
    char text[TRACEPARENT_TEXT_SIZE], first[TRACEPARENT_TEXT_SIZE];

    check_fail(c, "TRACE", (int)life->id,
               "another traceparent than it was scheduled with, at log index %" PRIu64 ":\n"
               "  then: %s\n  %s: %s",
               life->scheduled, in_words(&life->trace, first), where, in_words(is, text));
}

void check_trace_kept(struct check *c, unsigned node, uint64_t index, const struct life *life,
                      const struct order *o)
{
    struct check_trace trace = trace_of_order(o);
    char where[64];

    if (!is_same(&trace, &life->trace)) {
        snprintf(where, sizeof where, "on node %u, at log index %" PRIu64, node + 1, index);
        differs(c, life, &trace, where);
    }
}

void check_trace_read(struct check *c, const struct life *life, struct slice traceparent)
{
    struct check_trace trace = check_trace_of(traceparent);

    if (life != NULL && !is_same(&trace, &life->trace)) {
        differs(c, life, &trace, "a read shows");
    }
    c->coverage->traces_read += trace.is;
}

void check_trace_sent(struct check *c, unsigned node, const struct life *life,
                      const struct delivery *d)
{
    size_t len = d->traced ? sizeof d->traceparent : 0;
    struct check_trace trace = check_trace_of((struct slice){d->traceparent, len});
    char where[64];

    if (!is_same(&trace, &life->trace)) {
        snprintf(where, sizeof where, "node %u delivers it, attempt %" PRIu32 ", with", node + 1,
                 d->attempt);
        differs(c, life, &trace, where);
    }
    c->coverage->traces_sent += trace.is;
    c->coverage->traces_sent_again += trace.is && d->attempt > 1;
}
