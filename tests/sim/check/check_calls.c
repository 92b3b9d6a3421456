/* check_calls.c - what clients were told, against the chronicle: writes have their place in the log
 * after everything acknowledged before they began, reads see a state no older than that (I2),
 * acknowledged is done (ACKED), failed is not (I4), one request has one answer (I10). */
#include <inttypes.h>
#include <string.h>

#include "../../../client/wire/cursor.h"
#include "check_internal.h"

void check_invoked(struct check *c, const struct check_call *call)
{
    uint8_t key[ORDERSCHED_REQUEST_ID_SIZE];
    check_key(call->principal, call->request, key);
    struct request_record *r = check_request(c, key);

    if (call->id < c->n_ids) {
        c->histories[call->id].asked = true;
    }
    if (r != NULL) {
        r->failed = false;
        check_trace_stated(c, r, call);
        return;
    }
    r = check_request_add(c, key);
    r->principal = call->principal;
    r->code = call->code;
    r->order = call->id;
    r->floor = call->floor;
    r->asked_ms = cluster_true_ms(c->cluster);
    r->delay_ms = call->delay_ms;
    check_trace_asked(c, r);
    check_trace_stated(c, r, call);
    check_audit_invoked(c, call);
}

/* --- the states that an answer may show --- */

struct wanted {
    bool absent;
    int state; /* as seen: may be CLOSING */
    uint64_t deadline_ms;
    uint64_t decision;
    bool any_decision;
    uint32_t version;   /* 0: any */
    uint64_t scheduled; /* 0: any */
};

static uint64_t now_at(const struct check *c, uint64_t index)
{
    while (index > 0 && (index >= c->n_entries || !c->entries[index].known)) {
        index--;
    }
    return index > 0 ? c->entries[index].now_ms : 0;
}

/* The earliest time from there on. */
static uint64_t now_from(const struct check *c, uint64_t index)
{
    uint64_t now_ms = now_at(c, index);

    return c->set_back_index > index && c->set_back_min_ms < now_ms ? c->set_back_min_ms : now_ms;
}

static bool stand_shows(const struct check *c, const struct stand *s, uint64_t from,
                        const struct wanted *w)
{
    if (w->absent || s->state == ORDERSCHED_STATE_NONE) {
        return w->absent && s->state == ORDERSCHED_STATE_NONE;
    }
    if (s->deadline_ms != w->deadline_ms || (!w->any_decision && s->decision != w->decision) ||
        (w->version != 0 && s->version != w->version) ||
        (w->scheduled != 0 && s->scheduled != w->scheduled)) {
        return false;
    }
    if (s->state != ORDERSCHED_PENDING) {
        return s->state == w->state;
    }
    if (w->state == ORDERSCHED_CLOSING) {
        return s->deadline_ms <= c->now_max_ms;
    }
    return w->state == ORDERSCHED_PENDING &&
           s->deadline_ms > now_from(c, from > s->index ? from : s->index);
}

/* Did the order show this at any log index from `from` on? Returns the first such, or 0. */
static uint64_t history_shows(const struct check *c, unsigned id, uint64_t from,
                              const struct wanted *w)
{
    const struct chronicle *h = &c->histories[id];
    const uint64_t at_least = from > 0 ? from : 1;

    if (w->absent && (h->n == 0 || h->stands[0].index > from)) {
        return at_least;
    }
    for (size_t i = 0; i < h->n; i++) {
        const struct stand *s = &h->stands[i];
        bool over = i + 1 < h->n && h->stands[i + 1].index <= from;
        /* One entry may forget an order and make another of the same id. */
        bool replaced = i > 0 && s->index >= from && w->absent &&
                        h->stands[i - 1].scheduled != s->scheduled;
        if (!over && (replaced || stand_shows(c, s, from, w))) {
            return s->index > at_least ? s->index : at_least;
        }
    }
    return 0;
}

const struct life *check_life_shown(const struct check *c, unsigned id, uint64_t from, int state,
                                    uint64_t deadline_ms)
{
    struct wanted w = {.state = state, .deadline_ms = deadline_ms, .any_decision = true};
    uint64_t at = history_shows(c, id, from, &w);

    return at != 0 ? check_life_at(c, id, at) : NULL;
}

static bool was_dead_within(const struct check *c, unsigned id, uint64_t from, uint64_t deadline_ms)
{
    for (const struct life *life = c->histories[id].life; life != NULL; life = life->older) {
        if (life->dead_within > from && life->deadline_ms == deadline_ms) {
            return true;
        }
    }
    return false;
}

/* An operation of an entry sees what those before it in the same entry did: a new order, a new
 * deadline, or a death, before the entry's end shows yet another state. */
static bool entry_may_show(const struct check *c, unsigned id, uint64_t from,
                           const struct wanted *w)
{
    const struct chronicle *h = &c->histories[id];

    if (w->state == ORDERSCHED_DEAD && w->decision == 0 && !w->absent) {
        return was_dead_within(c, id, from, w->deadline_ms);
    }
    if (w->state != ORDERSCHED_PENDING || w->decision != 0) {
        return false;
    }
    for (size_t i = 0; i < h->n; i++) {
        const struct stand *s = &h->stands[i];
        const struct life *life = check_life_at(c, id, s->index);
        if (s->index <= from || life == NULL) {
            continue;
        }
        bool older = i > 0 && h->stands[i - 1].scheduled == s->scheduled;
        uint64_t low_ms = older ? h->stands[i - 1].deadline_ms : life->first_deadline_ms;
        if (w->deadline_ms >= low_ms && w->deadline_ms <= s->deadline_ms) {
            return true;
        }
    }
    return false;
}

static void acknowledge(struct check *c, uint64_t index)
{
    if (index <= c->max_index && index > c->acked_index) {
        c->acked_index = index;
    }
}

/* An answer shows an ending: there must be one, and no other. */
static void check_ending(struct check *c, const struct check_call *call,
                         const struct ordersched_answer *a)
{
    struct life *life = c->histories[call->id].life;

    if (!check_is_terminal(a->state) || a->index == 0) {
        return;
    }
    while (life != NULL && life->decision != a->index) {
        life = life->older;
    }
    if (life == NULL) {
        check_fail(c, "ACKED", (int)call->id,
                   "a client of %s was told %s, decided at log index "
                   "%" PRIu64 "\n  no applied log entry there decides the order",
                   check_code_name(call->code), ordersched_state_name(a->state), a->index);
    } else if (life->state != a->state) {
        check_fail(c, "I1", (int)call->id,
                   "two endings at log index %" PRIu64 ":\n"
                   "  a client of %s was told %s\n  the log decides %s",
                   a->index, check_code_name(call->code), ordersched_state_name(a->state),
                   ordersched_state_name(life->state));
    } else {
        life->acked_ending = true;
    }
}

/* --- writes --- */

static void remember_answer(struct request_record *r, const struct ordersched_answer *a)
{
    r->answered = true;
    r->error = a->error;
    r->state = a->state;
    r->deadline_ms = a->deadline_ms;
    r->index = a->index;
}

/* A copy got another answer than the original: only once its order is forgotten. */
static void check_same_answer(struct check *c, const struct check_call *call,
                              const struct request_record *r, const struct ordersched_answer *a)
{
    bool forgotten = r->life != NULL && r->life->gone != 0;

    if (r->error == a->error && r->state == a->state && r->deadline_ms == a->deadline_ms &&
        r->index == a->index) {
        c->coverage->resent_same_answer++;
    } else if (!(forgotten && a->error == ORDERSCHED_NOT_FOUND) && !check_is_revived(c, r)) {
        check_fail(c, "I10", (int)call->id,
                   "one %s, two answers:\n"
                   "  %s, %s, deadline %" PRIu64 ", log index %" PRIu64 "\n"
                   "  %s, %s, deadline %" PRIu64 ", log index %" PRIu64,
                   check_code_name(call->code), ordersched_error_name(r->error),
                   ordersched_state_name(r->state), r->deadline_ms, r->index,
                   ordersched_error_name(a->error), ordersched_state_name(a->state), a->deadline_ms,
                   a->index);
    }
}

static void note_acknowledged(struct check *c, const struct check_call *call,
                              const struct request_record *r, const struct ordersched_answer *a)
{
    struct life *life = r->life;

    acknowledge(c, r->done);
    if (a->error != ORDERSCHED_OK) {
        return;
    }
    if (call->code == OPERATION_SCHEDULE) {
        life->acked = true;
    } else if (call->code == OPERATION_EXTEND && life->deadline_ms == a->deadline_ms) {
        life->acked_version = life->version;
        life->acked_version_at = c->max_index;
    }
}

/* The request is recorded with its order: its answer is known to the letter. */
static void check_recorded(struct check *c, const struct check_call *call,
                           const struct request_record *r, const struct ordersched_answer *a)
{
    if (r->done <= r->floor) {
        check_fail(c, "I2", (int)call->id,
                   "a %s takes effect before it was made:\n"
                   "  at log index %" PRIu64 "\n  its client knew log index %" PRIu64 " before",
                   check_code_name(call->code), r->done, r->floor);
    } else if (a->error != r->answer.error || a->state != r->answer.state ||
               a->deadline_ms != r->answer.deadline_ms || a->index != r->answer.index) {
        if ((a->error == ORDERSCHED_NOT_FOUND && r->life->gone != 0) || check_is_revived(c, r)) {
            return;
        }
        check_fail(c, "I10", (int)call->id,
                   "the answer to a %s:\n"
                   "  its client got %s, %s, deadline %" PRIu64 ", log index %" PRIu64 "\n"
                   "  log index %" PRIu64 " has %s, %s, deadline %" PRIu64 ", log index %" PRIu64,
                   check_code_name(call->code), ordersched_error_name(a->error),
                   ordersched_state_name(a->state), a->deadline_ms, a->index, r->done,
                   ordersched_error_name(r->answer.error), ordersched_state_name(r->answer.state),
                   r->answer.deadline_ms, r->answer.index);
    } else {
        note_acknowledged(c, call, r, a);
    }
}

/* The request is not recorded with an order: it changed nothing, and the answer must be what
 * some state since the call began gives. */
static void check_unrecorded(struct check *c, const struct check_call *call,
                             const struct request_record *r, const struct ordersched_answer *a)
{
    struct wanted w = {
        .absent = a->state == ORDERSCHED_STATE_NONE,
        .state = a->state,
        .deadline_ms = a->deadline_ms,
        .decision = a->index,
    };
    bool changes = a->error == ORDERSCHED_OK &&
                   (call->code != OPERATION_PAY && call->code != OPERATION_CANCEL);

    if (changes || (a->error == ORDERSCHED_OK && a->index == 0)) {
        check_fail(c, "ACKED", (int)call->id,
                   "a client of %s was told OK, deadline %" PRIu64 "\n"
                   "  no applied log entry, up to %" PRIu64 ", carries it out",
                   check_code_name(call->code), a->deadline_ms, c->max_index);
        return;
    }
    if (check_access_hides(c, call, r->floor, a)) {
        return;
    }
    if (history_shows(c, call->id, r->floor, &w) == 0 &&
        !entry_may_show(c, call->id, r->floor, &w)) {
        check_fail(c, a->error == ORDERSCHED_OK ? "ACKED" : "I2", (int)call->id,
                   "the answer to a %s:\n"
                   "  its client got %s, %s, deadline %" PRIu64 ", log index %" PRIu64 "\n"
                   "  at no log index from %" PRIu64 " to %" PRIu64 " did the order stand so",
                   check_code_name(call->code), ordersched_error_name(a->error),
                   ordersched_state_name(a->state), a->deadline_ms, a->index, r->floor,
                   c->max_index);
    }
}

/* Of a keyed request one client at most is told that it made the first copy. Of others nobody is told
 * anything. */
static void check_told_copy(struct check *c, const struct check_call *call,
                            struct request_record *r, const struct ordersched_answer *a)
{
    bool keyed = call->request[0] >= 0x80;
    bool first = keyed && a->error == ORDERSCHED_OK && a->body_len == 0;

    if ((!keyed && a->body_len > 0) || (first && r->told_first)) {
        check_fail(c, "I10", (int)call->id,
                   keyed ? "two clients were told that theirs is the first %s"
                         : "a %s without a key is said to be a copy",
                   check_code_name(call->code));
    }
    r->told_first = r->told_first || first;
    c->coverage->keyed_tried_again += first && r->refused_alone;
    c->coverage->keyed_copies += a->body_len > 0;
}

/* A keyed schedule that is refused is refused for that copy alone: another one may be carried out. What it was
 * told stood so before that. */
static bool is_refused_alone(const struct check_call *call, const struct ordersched_answer *a)
{
    return call->request[0] >= 0x80 && call->code == OPERATION_SCHEDULE &&
           a->error != ORDERSCHED_OK;
}

static void check_refused_alone(struct check *c, const struct check_call *call,
                                struct request_record *r, const struct ordersched_answer *a)
{
    struct wanted w = {
        .absent = a->state == ORDERSCHED_STATE_NONE,
        .state = a->state,
        .deadline_ms = a->deadline_ms,
        .decision = a->index,
    };

    r->refused_alone = true;
    c->coverage->keyed_refused++;
    if (check_access_hides(c, call, call->floor, a)) {
        return;
    }
    uint64_t at = history_shows(c, call->id, call->floor, &w);
    bool shown = at != 0 || entry_may_show(c, call->id, call->floor, &w);
    if (!shown || (r->done != 0 && at >= r->done && !check_is_revived(c, r))) {
        check_fail(c, "I10", (int)call->id,
                   "a copy of a keyed schedule is refused:\n"
                   "  its client got %s, %s, deadline %" PRIu64 ", log index %" PRIu64 "\n"
                   "  the order did not stand so from log index %" PRIu64
                   " on, or not before %" PRIu64 ", which carries out another copy",
                   ordersched_error_name(a->error), ordersched_state_name(a->state), a->deadline_ms,
                   a->index, call->floor, r->done);
    }
}

static void check_write(struct check *c, const struct check_call *call, struct request_record *r,
                        const struct ordersched_answer *a)
{
    check_told_copy(c, call, r, a);
    if (is_refused_alone(call, a)) {
        check_refused_alone(c, call, r, a);
        return;
    }
    bool of_order = check_changes_order(call->code);

    if (r->answered) {
        check_same_answer(c, call, r, a);
        return;
    }
    remember_answer(r, a);
    check_audit_answered(c, call, a->error);
    if (!of_order) {
        return;
    }
    if (r->done != 0) {
        check_recorded(c, call, r, a);
    } else {
        check_unrecorded(c, call, r, a);
    }
    if (call->code != OPERATION_GET && a->error == ORDERSCHED_TOO_LATE) {
        c->coverage->extended_late += call->code == OPERATION_EXTEND;
        c->coverage->races_won_by_deadline += c->now_ms - a->deadline_ms <= 20;
        c->coverage->paid_while_closing += call->code == OPERATION_PAY &&
                                           a->state == ORDERSCHED_CLOSING;
    }
}

/* --- reads --- */

static bool read_body(const struct ordersched_answer *a, struct wanted *w,
                      struct slice *traceparent)
{
    struct cursor body;

    cursor_init(&body, a->body, a->body_len);
    uint32_t n = cursor_array(&body);
    if (n < 7) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        (void)cursor_skip(&body); /* route, attempts, next attempt, payload */
    }
    w->version = (uint32_t)cursor_uint(&body);
    w->scheduled = cursor_uint(&body);
    (void)cursor_uint(&body); /* when it was decided */
    *traceparent = n > 7 ? cursor_bytes(&body) : (struct slice){0};
    return cursor_ok(&body);
}

static void check_read(struct check *c, const struct check_call *call,
                       const struct ordersched_answer *a)
{
    struct wanted w = {
        .absent = a->error == ORDERSCHED_NOT_FOUND,
        .state = a->state,
        .deadline_ms = a->deadline_ms,
        .decision = a->index,
    };

    struct slice traceparent = {0};
    bool shown = !w.absent && call->code == OPERATION_GET;

    if (shown && !read_body(a, &w, &traceparent)) {
        check_fail(c, "I2", (int)call->id, "a read is answered without its body");
        return;
    }
    if (check_access_hides(c, call, call->local ? 0 : call->floor, a)) {
        return;
    }
    uint64_t floor = call->local ? 0 : call->floor;
    uint64_t at = history_shows(c, call->id, floor, &w);
    if (at == 0) {
        check_fail(c, "I2", (int)call->id,
                   "a read shows %s, deadline %" PRIu64 ", version "
                   "%" PRIu32 ", decided at log index %" PRIu64 "\n"
                   "  at no log index from %" PRIu64 " to %" PRIu64 " did the order stand so",
                   ordersched_state_name(a->state), a->deadline_ms, w.version, a->index, floor,
                   c->max_index);
        return;
    }
    if (!w.absent && call->code == OPERATION_HISTORY) {
        check_history(c, call, a);
    } else if (shown) {
        check_trace_read(c, check_life_scheduled(c, call->id, w.scheduled), traceparent);
    }
    c->coverage->reads_local += call->local;
    if (call->local) {
        return; /* applied, and so committed; but the first index at which it was so says little */
    }
    acknowledge(c, at);
    c->coverage->reads_checked++;
}

/* --- the end of a call --- */

static void count_answer(struct coverage *v, const struct ordersched_answer *a)
{
    switch (ordersched_error_class(a->error)) {
        case ORDERSCHED_UNKNOWN: v->calls_unknown++; return;
        case ORDERSCHED_DONE:
        case ORDERSCHED_DEFINITE: break;
    }
    switch (a->error) {
        case ORDERSCHED_OK: v->calls_ok++; break;
        case ORDERSCHED_EXISTS: v->calls_exists++; break;
        case ORDERSCHED_NOT_FOUND: v->calls_not_found++; break;
        case ORDERSCHED_TOO_LATE: v->calls_too_late++; break;
        case ORDERSCHED_DECIDED: v->calls_decided++; break;
        case ORDERSCHED_STALE_REQUEST: v->calls_stale++; break;
        case ORDERSCHED_UNKNOWN_ROUTE: v->calls_unknown_route++; break;
        case ORDERSCHED_ROUTE_IN_USE: v->calls_route_in_use++; break;
        case ORDERSCHED_BAD_DEADLINE: v->calls_bad_deadline++; break;
        case ORDERSCHED_FULL: v->calls_full++; break;
        case ORDERSCHED_NO_SPACE: v->calls_no_space++; break;
        case ORDERSCHED_EXHAUSTED: v->calls_exhausted++; break;
        case ORDERSCHED_NOT_DEAD: v->calls_not_dead++; break;
        default: v->calls_definite++; break;
    }
}

static void check_failed(struct check *c, const struct check_call *call, struct request_record *r,
                         const struct ordersched_answer *a)
{
    if (r->done != 0) {
        check_fail(c, "I4", (int)call->id,
                   "a client of %s was told %s, for certain that it did "
                   "not happen\n  log index %" PRIu64 " carries it out",
                   check_code_name(call->code), ordersched_error_name(a->error), r->done);
    }
    r->failed = true;
}

void check_answered(struct check *c, const struct check_call *call, bool alone,
                    const struct ordersched_answer *a)
{
    if (!check_is_alive(c)) {
        return;
    }
    count_answer(c->coverage, a);
    check_access_answered(c, call, a);
    if (a->error == ORDERSCHED_STALE_REQUEST) {
        return; /* this copy did nothing; the first may have */
    }
    bool decided = a->error < ORDERSCHED_INVALID;
    if (call->code == OPERATION_GET || call->code == OPERATION_HISTORY) {
        if (decided) {
            check_read(c, call, a);
            check_ending(c, call, a);
        }
        return;
    }
    uint8_t key[ORDERSCHED_REQUEST_ID_SIZE];
    check_key(call->principal, call->request, key);
    struct request_record *r = call->has_request ? check_request(c, key) : NULL;
    if (r == NULL) {
        if (decided) {
            check_fail(c, "I4", -1, "a %s that was never sent is answered %s",
                       check_code_name(call->code), ordersched_error_name(a->error));
        }
        return;
    }
    if (decided) {
        check_write(c, call, r, a);
        if (check_changes_order(call->code)) {
            check_ending(c, call, a);
        }
    } else if (alone && ordersched_error_class(a->error) == ORDERSCHED_DEFINITE) {
        check_failed(c, call, r, a);
    }
}
