/* check.c - the judge's life, its reports, and what all nodes must agree on: leaders, the log, the
 * clock. See check.h. */
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "../../../node/scheduler/internal.h"
#include "check_internal.h"

#define CHECK_MACHINE_EVERY 16 /* log indexes; it looks at everything and aborts */
#define CHECK_STATE_EVERY 4    /* log indexes; what differs once stays so */
#define CHECK_BULK_EVERY 16
#define CLOCK_SLACK_MS 2      /* rounding of milliseconds, once at each end */
#define PACE_AFTER_US 8000000 /* after healing, and */
#define PACE_SLACK_MS 3000    /* give or take what an election takes: */
#define PACE_PER_CENT 85      /* clocks drift, and a leader's follows its wall clock */

void *check_grow(void *array, size_t n, size_t *cap, size_t size)
{
    if (n < *cap) {
        return array;
    }
    size_t old = *cap;
    *cap = old == 0 ? 64 : 2 * old;
    array = realloc(array, *cap * size);
    if (array == NULL) {
        abort();
    }
    memset((char *)array + old * size, 0, (*cap - old) * size);
    return array;
}

struct check *check_new(struct sim_loop *loop, const struct sim_options *options,
                        struct coverage *coverage, const char *only)
{
    struct check *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort();
    }
    c->loop = loop;
    c->options = options;
    c->coverage = coverage;
    c->only = only;
    c->n_ids = options->orders * CHECK_GENERATIONS + options->clients * CHECK_PROBES;
    c->histories = calloc(c->n_ids, sizeof *c->histories);
    if (c->histories == NULL) {
        abort();
    }
    check_access_begin(c);
    return c;
}

static void life_free(struct life *life)
{
    while (life->sent != NULL) {
        struct sent *sent = life->sent;
        life->sent = sent->next;
        free(sent);
    }
    free(life->events);
    free(life);
}

void check_free(struct check *c)
{
    for (unsigned i = 0; i < c->n_ids; i++) {
        struct chronicle *h = &c->histories[i];
        while (h->life != NULL) {
            struct life *life = h->life;
            h->life = life->older;
            life_free(life);
        }
        free(h->stands);
    }
    check_access_free(c);
    check_traces_free(c);
    free(c->histories);
    free(c->entries);
    free(c->requests);
    free(c->terms);
    free(c->epochs);
    free(c);
}

void check_set_cluster(struct check *c, struct sim_cluster *cluster)
{
    c->cluster = cluster;
}

const char *check_violation(const struct check *c)
{
    return c->violation;
}

const char *check_report(const struct check *c)
{
    return c->report;
}

bool check_is_alive(const struct check *c)
{
    return c->violation == NULL;
}

unsigned check_orders(const struct check *c)
{
    return c->n_ids;
}

size_t check_order_name(const struct check *c, unsigned id, char out[16])
{
    unsigned n_load = c->options->orders * CHECK_GENERATIONS;

    return (size_t)(id < n_load ? snprintf(out, 16, "o%03u", id)
                                : snprintf(out, 16, "p%03u", id - n_load));
}

void check_fail(struct check *c, const char *invariant, int id, const char *format, ...)
{
    char name[16] = "";
    va_list args;

    if (c->violation != NULL || (c->only != NULL && strcmp(c->only, invariant) != 0)) {
        return;
    }
    c->violation = invariant;
    if (id >= 0) {
        check_order_name(c, (unsigned)id, name);
    }
    int n = snprintf(c->report, sizeof c->report,
                     "VIOLATION of %s at %" PRIu64 ".%06" PRIu64 " s, event %" PRIu64 "%s%s: ",
                     invariant, c->loop->now_us / 1000000, c->loop->now_us % 1000000,
                     c->loop->events, id >= 0 ? ", order " : "", name);
    va_start(args, format);
    vsnprintf(c->report + n, sizeof c->report - (size_t)n, format, args);
    va_end(args);
    loop_trace(c->loop, "%s", c->report);
}

bool check_is_terminal(int state)
{
    return state == ORDERSCHED_PAID || state == ORDERSCHED_CANCELLED || state == ORDERSCHED_EXPIRED;
}

bool check_changes_order(enum operation_code code)
{
    return code < OPERATION_GET || code == OPERATION_DEAD_REDRIVE || code == OPERATION_DEAD_DROP;
}

const char *check_code_name(enum operation_code code)
{
    switch (code) {
        case OPERATION_SCHEDULE: return "schedule";
        case OPERATION_PAY: return "pay";
        case OPERATION_CANCEL: return "cancel";
        case OPERATION_EXTEND: return "extend";
        case OPERATION_GET: return "get";
        case OPERATION_HISTORY: return "history";
        case OPERATION_LIST: return "list";
        case OPERATION_ROUTE_PUT: return "route put";
        case OPERATION_ROUTE_DELETE: return "route delete";
        case OPERATION_ROUTE_PAUSE: return "route pause or resume";
        case OPERATION_ROUTE_ROTATE: return "route rotate";
        case OPERATION_ROUTE_SET: return "route set";
        case OPERATION_ROUTE_RETRY: return "route retry";
        case OPERATION_CLOCK_TRUST: return "clock trust";
        case OPERATION_HURRY: return "hurry";
        case OPERATION_CANARY: return "canary";
        case OPERATION_DEAD_REDRIVE: return "redrive";
        case OPERATION_DEAD_DROP: return "drop";
        default: return "operation";
    }
}

/* --- requests: an open table by their random part --- */

static size_t request_place(const struct check *c, const uint8_t *id)
{
    size_t at = XXH3_64bits(id, ORDERSCHED_REQUEST_ID_SIZE) & (c->cap_requests - 1);

    while (c->requests[at].used &&
           memcmp(c->requests[at].id, id, ORDERSCHED_REQUEST_ID_SIZE) != 0) {
        at = (at + 1) & (c->cap_requests - 1);
    }
    return at;
}

/* Of a keyed one whatever its time is: the first byte's topmost bit, and the last ten. Not by what the
 * product has for it. */
static void without_time(const uint8_t *id, uint8_t out[ORDERSCHED_REQUEST_ID_SIZE])
{
    memcpy(out, id, ORDERSCHED_REQUEST_ID_SIZE);
    if (id[0] >= 0x80) {
        memset(out, 0, 6);
        out[0] = 0x80;
    }
}

struct request_record *check_request(struct check *c, const uint8_t *id)
{
    uint8_t common[ORDERSCHED_REQUEST_ID_SIZE];

    if (c->cap_requests == 0) {
        return NULL;
    }
    without_time(id, common);
    struct request_record *r = &c->requests[request_place(c, common)];
    return r->used ? r : NULL;
}

static void requests_double(struct check *c)
{
    struct request_record *old = c->requests;
    size_t n = c->cap_requests;

    c->cap_requests = n == 0 ? 1024 : 2 * n;
    c->requests = calloc(c->cap_requests, sizeof *c->requests);
    if (c->requests == NULL) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        if (old[i].used) {
            c->requests[request_place(c, old[i].id)] = old[i];
        }
    }
    free(old);
}

struct request_record *check_request_add(struct check *c, const uint8_t *id)
{
    if (2 * (c->n_requests + 1) > c->cap_requests) {
        requests_double(c);
    }
    uint8_t common[ORDERSCHED_REQUEST_ID_SIZE];
    without_time(id, common);
    struct request_record *r = &c->requests[request_place(c, common)];
    assert(!r->used);
    r->used = true;
    memcpy(r->id, common, sizeof r->id);
    c->n_requests++;
    return r;
}

bool check_is_revived(const struct check *c, const struct request_record *r)
{
    uint64_t time_ms = request_id_time_ms(r->id);

    return c->set_back_index != 0 && time_ms >= c->set_back_min_ms &&
           time_ms <= c->set_back_floor_ms;
}

struct life *check_life_at(const struct check *c, unsigned id, uint64_t index)
{
    struct life *life = c->histories[id].life;

    while (life != NULL && life->scheduled > index) {
        life = life->older;
    }
    return life != NULL && (life->gone == 0 || life->gone > index) ? life : NULL;
}

struct life *check_life_scheduled(const struct check *c, unsigned id, uint64_t scheduled)
{
    struct life *life = c->histories[id].life;

    while (life != NULL && life->scheduled != scheduled) {
        life = life->older;
    }
    return life;
}

/* --- leaders --- */

#define CHECK_TERM_MAX 1000000 /* elections of a run, and more than enough */

uint64_t check_reached(const struct check *c, unsigned node)
{
    const struct scheduler *s = cluster_scheduler(c->cluster, node);

    return s != NULL ? scheduler_machine(s)->applied : 0;
}

void check_leads(struct check *c, unsigned node, uint64_t term)
{
    for (size_t i = 0; i < c->n_terms; i++) {
        if (c->terms[i].term == term) {
            if (c->terms[i].node != node) {
                check_fail(c, "LEADER", -1,
                           "term %" PRIu64 " has two leaders:\n  node %u\n"
                           "  node %u",
                           term, c->terms[i].node + 1, node + 1);
            }
            return;
        }
    }
    if (term > CHECK_TERM_MAX) {
        check_fail(c, "TERM", -1,
                   "node %u leads term %" PRIu64 ": that many elections have not been", node + 1,
                   term);
    }
    c->terms = check_grow(c->terms, c->n_terms, &c->cap_terms, sizeof *c->terms);
    c->terms[c->n_terms].term = term;
    c->terms[c->n_terms].index = c->max_index;
    c->terms[c->n_terms].applied = check_reached(c, node);
    c->terms[c->n_terms++].node = node;
}

void check_died(struct check *c, unsigned node, const char *sentence, bool expected)
{
    if (!expected) {
        check_fail(c, "I13", -1,
                   "node %u stops by itself:\n  it says: %s\n  no fault of its disk "
                   "was injected",
                   node + 1, sentence);
    }
}

/* --- the cluster --- */

void check_crossed(struct check *c, unsigned from, unsigned to)
{
    check_fail(c, "IDENTITY", -1,
               "a message passed between two clusters:\n  from node %u\n"
               "  to node %u, which is of another",
               from + 1, to + 1);
}

void check_misjudged(struct check *c, unsigned witness, unsigned node, bool heard)
{
    check_fail(c, "STARTS", -1, "node %u %s node %u:\n  %s", witness + 1,
               heard ? "hears" : "refuses", node + 1,
               heard ? "it has not the life that was seen of this id"
                     : "it has the life that was seen of it, and lost nothing");
}

static void identity_check(struct check *c, unsigned node, uint64_t index, const struct machine *m)
{
    if (!identity_is_known(c->identity)) {
        memcpy(c->identity, m->identity, sizeof c->identity);
    }
    if (identity_is_known(m->identity) &&
        memcmp(m->identity, c->identity, sizeof c->identity) != 0) {
        check_fail(c, "IDENTITY", -1,
                   "node %u has another identity than the first that was "
                   "applied, at log index %" PRIu64 ":\n  first: %02x%02x...\n  node: %02x%02x...",
                   node + 1, index, c->identity[0], c->identity[1], m->identity[0], m->identity[1]);
    }
}

/* --- the clock --- */

/* The one place where time goes back. */
static void note_set_back(struct check *c, unsigned node, uint64_t index, const struct machine *m)
{
    if (m->era != c->era + 1 || m->now_ms >= c->now_ms || m->set_back_ms != m->now_ms) {
        check_fail(c, "CLOCK", -1,
                   "the era changes without a set-back, at log index %" PRIu64 ":\n"
                   "  before: era %" PRIu32 ", now %" PRIu64 "\n"
                   "  node %u: era %" PRIu32 ", now %" PRIu64,
                   index, c->era, c->now_ms, node + 1, m->era, m->now_ms);
    }
    c->era = m->era;
    c->set_back_index = index;
    c->set_back_from_ms = c->now_ms;
    c->set_back_min_ms = c->set_back_min_ms == 0 || m->now_ms < c->set_back_min_ms
                             ? m->now_ms
                             : c->set_back_min_ms;
    if (c->set_back_floor_ms < c->floor_ms) {
        c->set_back_floor_ms = c->floor_ms;
    }
    c->now_ms = m->now_ms;
    c->pace_us = 0;
    c->coverage->set_back++;
    cluster_set_back(c->cluster, m->now_ms);
}

static void clock_check(struct check *c, unsigned node, uint64_t index, const struct machine *m)
{
    uint64_t now_ms = m->now_ms;

    if (index < c->max_index) {
        return;
    }
    if (m->era != c->era) {
        note_set_back(c, node, index, m);
    }
    c->floor_ms = m->request_floor_ms;
    uint64_t before_ms = c->now_ms;
    if (now_ms < before_ms) {
        check_fail(c, "CLOCK", -1,
                   "now decreases at log index %" PRIu64 ":\n"
                   "  before: %" PRIu64 "\n  node %u: %" PRIu64,
                   index, before_ms, node + 1, now_ms);
    }
    uint64_t bound_ms = cluster_leaders_clock_max_ms(c->cluster);
    if (now_ms > bound_ms + CLOCK_SLACK_MS) {
        check_fail(c, "CLOCK", -1,
                   "now runs ahead of every clock that ever led, at log index "
                   "%" PRIu64 ":\n  now on node %u: %" PRIu64 "\n  clocks: %" PRIu64,
                   index, node + 1, now_ms, bound_ms);
    }
    c->now_ms = now_ms > c->now_ms ? now_ms : c->now_ms;
    c->now_max_ms = c->now_ms > c->now_max_ms ? c->now_ms : c->now_max_ms;
}

void check_leaders_clock(struct check *c, unsigned node, uint64_t clock_ms, uint64_t low_ms)
{
    uint64_t high_ms = cluster_leaders_clock_max_ms(c->cluster);

    if (clock_ms + CLOCK_SLACK_MS < low_ms || clock_ms > high_ms + CLOCK_SLACK_MS) {
        check_fail(c, "CLOCK", -1,
                   "node %u leads with another time than most of the clocks show:\n"
                   "  its clock: %" PRIu64 "\n  theirs: %" PRIu64 " to %" PRIu64,
                   node + 1, clock_ms, low_ms, high_ms);
    }
}

/* Where most of the clocks are right the replicated time is right, too, whosever clock leads. */
static void time_check(struct check *c, uint64_t index)
{
    if (!c->options->wrong_clocks || !cluster_time_is_promised(c->cluster) || !c->healed ||
        c->loop->now_us < c->healed_us + PACE_AFTER_US || index < c->max_index) {
        return;
    }
    if (c->now_ms + cluster_time_error_ms(c->cluster) + PACE_SLACK_MS <
        cluster_true_ms(c->cluster)) {
        check_fail(c, "CLOCK", -1,
                   "the replicated time is behind what most of the clocks show, at log index "
                   "%" PRIu64 ":\n  now: %" PRIu64 "\n  true time: %" PRIu64,
                   index, c->now_ms, cluster_true_ms(c->cluster));
    }
}

/* Without faults the replicated time goes on as true time does. */
static void pace_check(struct check *c, uint64_t index)
{
    uint64_t passed_ms;

    if (!c->healed || c->loop->now_us < c->healed_us + PACE_AFTER_US || index < c->max_index ||
        !cluster_time_is_promised(c->cluster)) {
        return;
    }
    if (c->pace_us == 0) {
        c->pace_us = c->loop->now_us;
        c->pace_ms = c->now_ms;
    }
    passed_ms = (c->loop->now_us - c->pace_us) / 1000;
    if (c->now_ms - c->pace_ms + PACE_SLACK_MS < passed_ms * PACE_PER_CENT / 100) {
        check_fail(c, "CLOCK", -1,
                   "the replicated time does not keep pace, at log index %" PRIu64 ":\n  %" PRIu64
                   " ms have passed\n  it went on by %" PRIu64 " ms",
                   index, passed_ms, c->now_ms - c->pace_ms);
    }
}

/* --- the log --- */

static struct entry_record *entry_at(struct check *c, uint64_t index)
{
    while (index >= c->n_entries) {
        c->entries = check_grow(c->entries, c->n_entries, &c->n_entries, sizeof *c->entries);
    }
    return &c->entries[index];
}

static void compare_entry(struct check *c, unsigned node, uint64_t index,
                          const struct entry_record *known, uint64_t digest, uint64_t state,
                          uint64_t now_ms)
{
    bool same = known->state == state || known->state == 0 || state == 0;

    if (known->digest == digest && known->now_ms == now_ms && same) {
        return;
    }
    check_fail(c, c->healed ? "I11" : "PREFIX", -1,
               "two nodes that applied log index %" PRIu64 " differ:\n"
               "  node %u: digest %016" PRIx64 ", now %" PRIu64 "\n"
               "  node %u: digest %016" PRIx64 ", now %" PRIu64 "%s",
               index, known->node + 1, known->digest, known->now_ms, node + 1, digest, now_ms,
               same ? "" : "\n  field by field they differ, whatever the digests say");
}

void check_applied(struct check *c, unsigned node, uint64_t index, const struct machine *m)
{
    if (!check_is_alive(c)) {
        return;
    }
    unsigned every = c->options->bulk > 0 ? CHECK_BULK_EVERY : 1; /* of many orders it takes long */
    uint64_t digest = index % every == 0 ? machine_digest(m) : 0;
    struct entry_record *known = entry_at(c, index);

    loop_trace(c->loop, "node %u applied %" PRIu64 " now %" PRIu64 " digest %016" PRIx64, node + 1,
               index, m->now_ms, digest);
    if (c->only == NULL && index % (CHECK_MACHINE_EVERY * every) == 0) {
        machine_check(m);
    }
    identity_check(c, node, index, m);
    uint64_t state = index % (CHECK_STATE_EVERY * every) == 0 ? check_state_hash(m) : 0;
    clock_check(c, node, index, m);
    pace_check(c, index);
    time_check(c, index);
    if (index % every == 0) { /* what was lost once stays so */
        chronicle_verify(c, node, index, m);
    }
    if (known->known) {
        compare_entry(c, node, index, known, digest, state, m->now_ms);
    } else {
        *known = (struct entry_record){true, digest, state, m->now_ms, node};
    }
    if (index > c->max_index) {
        check_access_applied(c, index, m);
        chronicle_write(c, node, index, m);
        check_quota_applied(c, index, m);
        check_traces_applied(c, index, m);
        c->max_index = index;
        if (c->epoch != m->epoch) {
            c->epoch = m->epoch;
            c->epoch_index = index;
        }
    }
}

uint64_t check_floor(const struct check *c)
{
    return c->acked_index;
}
