/* grants.c - principals whose grants change while they ask: the first worker changes them
 * (principals.h), some ask as whoever is changed at that very moment, and the others schedule, pay,
 * cancel, move and read orders as one of two of them each, now and then with a token that is over, or
 * with one that they made up.
 *
 * All orders are of two routes, and their ids begin with one of two words, so that each kind of grant
 * is for some of them. */
#include <stdlib.h>
#include <string.h>

#include "../bed/command.h"
#include "principals.h"

#define PLACES_EACH 2 /* of a worker that is no racer */
#define RACERS 3      /* the workers behind the first */
#define RACE_MS_MAX 3
#define RECENT 64 /* orders that are asked for */
#define CHANGE_TOKEN_PERCENT 60
#define MADE_UP_PERCENT 2
#define REPEAT_PERCENT 15
#define REPEAT_UNKNOWN_PERCENT 60
#define REPEAT_AFTER_MS_MAX 150

struct recent {
    char id[CALL_ID_MAX];
};

/* A worker's connection as one of its principals. */
struct seat {
    bool open;
    struct caller caller;
};

struct grants {
    struct principals *principals;
    pthread_mutex_t mutex; /* of recent, n */
    struct recent recent[RECENT];
    uint64_t n;                       /* ever */
    struct seat (*seats)[PRINCIPALS]; /* of each worker */
    uint64_t seen[RACERS + 1];        /* by the racer of that number */
    unsigned n_workers;
};

static const char *const receivers[] = {"shop", "slow", NULL};

static void *grants_open(struct run *r)
{
    struct grants *g = calloc(1, sizeof *g);

    if (g == NULL || (g->seats = calloc(r->options.clients, sizeof *g->seats)) == NULL) {
        bed_fail("out of memory");
    }
    g->n_workers = r->options.clients;
    g->principals = principals_open(r);
    pthread_mutex_init(&g->mutex, NULL);
    return g;
}

static void grants_close(void *shared)
{
    struct grants *g = shared;

    for (unsigned i = 0; i < g->n_workers; i++) {
        for (unsigned k = 0; k < PRINCIPALS; k++) {
            if (g->seats[i][k].open && !caller_retire(&g->seats[i][k].caller)) {
                caller_close(&g->seats[i][k].caller);
            }
        }
    }
    caller_await_retired();
    principals_close(g->principals);
    pthread_mutex_destroy(&g->mutex);
    free(g->seats);
    free(g);
}

/* --- who asks --- */

static void sit_down(struct worker *w, struct seat *seat, const struct identity *identity)
{
    if (seat->open && !caller_retire(&seat->caller)) {
        return;
    }
    caller_open_as(&seat->caller, w->run, w->endpoints, RUN_CALL_TIMEOUT_MS, identity);
    seat->open = true;
}

/* Nobody has this token. */
static struct identity make_up(struct worker *w)
{
    struct identity identity = {.token = 1000000};

    snprintf(identity.principal, sizeof identity.principal, "nobody-%u", w->number);
    ask_make_token(identity.text);
    return identity;
}

/* The worker's connection as one of the principals; the token is the newest, or one from before. NULL:
 * it has not been given one yet. */
static struct seat *take_seat(struct worker *w, unsigned place)
{
    struct grants *g = w->shared;
    struct seat *seat = &g->seats[w->number][place];
    struct identity newest;

    if (worker_random_bool(w, MADE_UP_PERCENT)) {
        newest = make_up(w);
        sit_down(w, seat, &newest);
        return seat;
    }
    if (!principals_identity(g->principals, place, &newest)) {
        return NULL;
    }
    const struct identity *now = &seat->caller.identity;
    bool same = seat->open && now->token == newest.token &&
                strcmp(now->principal, newest.principal) == 0;
    if (!same && (!seat->open || worker_random_bool(w, CHANGE_TOKEN_PERCENT))) {
        sit_down(w, seat, &newest);
    }
    return seat;
}

/* --- what is asked --- */

static void remember(struct grants *g, const char *id)
{
    pthread_mutex_lock(&g->mutex);
    snprintf(g->recent[g->n++ % RECENT].id, CALL_ID_MAX, "%s", id);
    pthread_mutex_unlock(&g->mutex);
}

static bool recall(struct worker *w, char id[CALL_ID_MAX])
{
    struct grants *g = w->shared;

    pthread_mutex_lock(&g->mutex);
    uint64_t n = g->n;
    if (n > 0) {
        uint64_t back = worker_between(w, 1, n < RECENT ? n : RECENT);
        memcpy(id, g->recent[(n - back) % RECENT].id, CALL_ID_MAX);
    }
    pthread_mutex_unlock(&g->mutex);
    return n > 0;
}

/* Call, and perhaps send the same request again, as the same principal. */
static int call_and_repeat(struct worker *w, struct caller *c, struct call *call)
{
    static const unsigned timeouts_ms[] = {300, 1000, RUN_CALL_TIMEOUT_MS};
    struct asked answer;

    c->timeout_ms = timeouts_ms[worker_between(w, 0, 2)];
    int error = caller_call(c, call, &answer);
    bool unknown = ordersched_error_class(error) == ORDERSCHED_UNKNOWN;
    if (call->has_request &&
        worker_random_bool(w, unknown ? REPEAT_UNKNOWN_PERCENT : REPEAT_PERCENT)) {
        sleep_ms(worker_between(w, 0, REPEAT_AFTER_MS_MAX));
        call->has_request = call_is_same_again(call);
        (void)caller_call(c, call, &answer);
    }
    return error;
}

/* By the principal; or by the harness's worker, so that there are others' orders. */
static void step_schedule(struct worker *w, struct caller *c)
{
    struct call call = {.kind = ORDERSCHED_SCHEDULE, .relative = true, .payload = "{}"};

    worker_new_id(w, worker_random_bool(w, 50) ? "eu/grants" : "us/grants", call.id);
    call.route = worker_random_bool(w, 50) ? "shop" : "slow";
    call.time_ms = worker_between(w, 1000, 4000);
    if (call_and_repeat(w, c, &call) == ORDERSCHED_OK) {
        remember(w->shared, call.id);
    }
}

static void step_ask(struct worker *w, struct caller *c)
{
    uint64_t lot = worker_between(w, 0, 99);
    struct call call = {.kind = lot < 50   ? ORDERSCHED_PAY
                                : lot < 65 ? ORDERSCHED_CANCEL
                                : lot < 75 ? ORDERSCHED_EXTEND
                                : lot < 95 ? ORDERSCHED_GET
                                           : ORDERSCHED_SCHEDULE};

    if (!recall(w, call.id)) {
        return;
    }
    call.relative = call.kind == ORDERSCHED_EXTEND || call.kind == ORDERSCHED_SCHEDULE;
    call.time_ms = call.relative ? worker_between(w, 1000, 3000) : 0;
    call.route = "shop"; /* of a schedule: the id is somebody's already */
    (void)call_and_repeat(w, c, &call);
}

/* As the principal that is being changed, in about the time that takes. */
static void race_step(struct worker *w)
{
    struct grants *g = w->shared;
    unsigned place = principals_await(g->principals, &g->seen[w->number]);
    struct seat *seat = place < PRINCIPALS ? take_seat(w, place) : NULL;

    if (seat != NULL) {
        sleep_ms(worker_between(w, 0, RACE_MS_MAX));
        step_ask(w, &seat->caller);
    }
}

static void grants_step(struct worker *w)
{
    struct grants *g = w->shared;

    if (w->number == 0) {
        principals_change(g->principals, w);
        return;
    }
    if (w->number <= RACERS) {
        race_step(w);
        return;
    }
    struct seat *seat = take_seat(w, (w->number + (unsigned)worker_between(w, 1, PLACES_EACH)) %
                                         PRINCIPALS);
    uint64_t lot = worker_between(w, 0, 99);
    if (lot < 25) {
        step_schedule(w, &w->caller);
    } else if (seat != NULL && lot < 40) {
        step_schedule(w, &seat->caller);
    } else if (seat != NULL) {
        step_ask(w, &seat->caller);
    }
}

const struct workload workload_grants = {.name = "grants",
                                         .rate = 300,
                                         .needs_access = true,
                                         .receivers = receivers,
                                         .open = grants_open,
                                         .step = grants_step,
                                         .close = grants_close};
