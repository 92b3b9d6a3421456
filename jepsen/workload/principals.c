/* principals.c - see principals.h. */
#include "principals.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"

#define CERTIFICATE "desk"
#define TIMEOUT_MS 2000
#define AGAIN_MS 20
#define INDEX_TRIES 3
#define AWAIT_MS 100
#define LONG_OVERLAP_MS (24u * 3600 * 1000) /* longer than any run, and any clock fault */

struct place {
    struct identity identity; /* what its clients hold */
    bool given;
    bool exists;          /* in the cluster */
    bool over;            /* the outcome of its last change is not known, and will not be */
    unsigned incarnation; /* a name that was revoked is not used again */
};

struct principals {
    struct run *run;
    pthread_mutex_t mutex; /* of what the clients read: identity, given, announced, n_announced */
    pthread_cond_t woken;
    unsigned announced; /* the place whose change comes */
    uint64_t n_announced;
    struct place places[PRINCIPALS];
    uint64_t changes;
    unsigned tokens;
};

static bool is_certificate(unsigned place)
{
    return place == PRINCIPALS - 1;
}

struct principals *principals_open(struct run *r)
{
    struct principals *p = calloc(1, sizeof *p);

    if (p == NULL) {
        bed_fail("out of memory");
    }
    p->run = r;
    pthread_mutex_init(&p->mutex, NULL);
    pthread_cond_init(&p->woken, NULL);
    certificates_add_client(&r->certificates, CERTIFICATE);
    struct place *desk = &p->places[PRINCIPALS - 1];
    desk->identity = (struct identity){.principal = CERTIFICATE, .certificate = CERTIFICATE};
    desk->given = true;
    return p;
}

void principals_close(struct principals *p)
{
    pthread_cond_destroy(&p->woken);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

bool principals_identity(struct principals *p, unsigned place, struct identity *out)
{
    pthread_mutex_lock(&p->mutex);
    bool given = p->places[place].given;
    *out = p->places[place].identity;
    pthread_mutex_unlock(&p->mutex);
    return given;
}

static void announce(struct principals *p, unsigned place)
{
    pthread_mutex_lock(&p->mutex);
    p->announced = place;
    p->n_announced++;
    pthread_cond_broadcast(&p->woken);
    pthread_mutex_unlock(&p->mutex);
}

unsigned principals_await(struct principals *p, uint64_t *seen)
{
    struct timespec until = clocks_in_ms(CLOCK_REALTIME, AWAIT_MS);

    pthread_mutex_lock(&p->mutex);
    while (p->n_announced == *seen &&
           pthread_cond_timedwait(&p->woken, &p->mutex, &until) != ETIMEDOUT) {
    }
    unsigned place = p->n_announced != *seen ? p->announced : PRINCIPALS;
    *seen = p->n_announced;
    pthread_mutex_unlock(&p->mutex);
    return place;
}

/* --- what to change --- */

static void draw_grants(struct worker *w, struct ask_change *change)
{
    static const char *const routes[] = {"shop", "slow", "sh*", "s*", "*"};
    static const char *const prefixes[] = {"", "", "eu/", "us/"};

    change->n_grants = (unsigned)worker_between(w, 1, 2);
    for (unsigned i = 0; i < change->n_grants; i++) {
        uint64_t lot = worker_between(w, 0, 99);
        struct ask_grant *g = &change->grants[i];
        g->role = lot < 60   ? ASK_PRODUCER
                  : lot < 80 ? ASK_OBSERVER
                  : lot < 90 ? ASK_OPERATOR
                             : ASK_WORKER;
        g->routes = routes[worker_between(w, 0, 4)];
        g->prefix = g->role == ASK_WORKER ? "" : prefixes[worker_between(w, 0, 3)];
    }
}

static void draw_token(struct principals *p, struct ask_change *change)
{
    ask_make_token(change->token);
    p->tokens++;
}

/* Mostly other grants, since these can be told by their log index. */
static struct ask_change draw_change(struct principals *p, struct worker *w, unsigned at)
{
    struct place *place = &p->places[at];
    struct ask_change change = {.kind = ASK_PUT, .certificate = is_certificate(at)};
    uint64_t lot = worker_between(w, 0, 99);

    if (!place->exists && !is_certificate(at)) {
        change.kind = ASK_CREATE;
        snprintf(change.name, sizeof change.name, "shop%u-%u", at, ++place->incarnation);
    } else {
        snprintf(change.name, sizeof change.name, "%.31s", place->identity.principal);
        if (place->exists && lot < 10) {
            change.kind = ASK_REVOKE;
        } else if (place->exists && lot < 24 && !is_certificate(at)) {
            change.kind = ASK_ROTATE;
            change.overlap_ms = lot < 16 ? LONG_OVERLAP_MS : 0;
        }
    }
    if (change.kind == ASK_PUT || change.kind == ASK_CREATE) {
        draw_grants(w, &change);
    }
    if (change.kind == ASK_CREATE || change.kind == ASK_ROTATE) {
        draw_token(p, &change);
    }
    return change;
}

/* --- the record --- */

static void record_begin(const struct principals *p, const struct ask_change *change)
{
    char more[512] = "";
    size_t at = 0;

    if (change->kind == ASK_CREATE || change->kind == ASK_ROTATE) {
        at += (size_t)snprintf(more, sizeof more, ", :token %u, :overlap-ms %" PRIu64, p->tokens,
                               change->overlap_ms);
    }
    for (unsigned i = 0; i < change->n_grants; i++) {
        const struct ask_grant *g = &change->grants[i];
        at += (size_t)snprintf(more + at, sizeof more - at, "%s[\"%s\" \"%s\" \"%s\"]%s",
                               i == 0 ? ", :grants [" : " ", ask_role_name(g->role), g->routes,
                               g->prefix, i + 1 == change->n_grants ? "]" : "");
    }
    record_line(p->run->record, RECORD_RUNNER, RECORD_INFO, "grant",
                "{:change %" PRIu64 ", :phase :begin, :kind :%s, :principal \"%s\"%s}", p->changes,
                ask_change_name(change->kind), change->name, more);
}

/* Where in the log it stands, which the list of principals tells. */
static void record_index(const struct principals *p, const struct ask_change *change)
{
    uint64_t index = 0;

    for (unsigned tries = 0; tries < INDEX_TRIES && change->kind != ASK_REVOKE; tries++) {
        if (ask_change_index(p->run->admin, change->name, TIMEOUT_MS, &index) == ORDERSCHED_OK) {
            record_line(p->run->record, RECORD_RUNNER, RECORD_INFO, "grant",
                        "{:change %" PRIu64 ", :phase :index, :index %" PRIu64 "}", p->changes,
                        index);
            return;
        }
    }
}

/* --- making it --- */

/* Nobody takes that right away: whatever denies it is wrong. */
static void record_denied(const struct principals *p)
{
    record_line(p->run->record, RECORD_RUNNER, RECORD_INFO, "log",
                "{:node 0, :kind :assertion, :line \"the administrator's change %" PRIu64
                " was DENIED\"}",
                p->changes);
}

/* False: the load is over. */
static bool make_request(struct principals *p, struct ask_change *change)
{
    while (ordersched_request_id(p->run->admin, TIMEOUT_MS, change->request) != ORDERSCHED_OK) {
        if (!atomic_load(&p->run->loading)) {
            return false;
        }
    }
    return true;
}

/* Ask for it again and again, by the same request, until the cluster has decided. False: that will not
 * be known. A clock that a nemesis moves on makes a request stale, and that tells nothing of a copy
 * sent before. */
static bool ask_until_decided(struct principals *p, struct ask_change *change, int *error)
{
    bool maybe_done = false;

    while (atomic_load(&p->run->loading)) {
        *error = ask_change(p->run->admin, change, TIMEOUT_MS);
        maybe_done = maybe_done || ordersched_error_class(*error) == ORDERSCHED_UNKNOWN;
        if (*error == ORDERSCHED_DENIED) {
            record_denied(p);
            return false;
        }
        if (*error == ORDERSCHED_STALE_REQUEST) {
            if (maybe_done || !make_request(p, change)) {
                return false;
            }
        } else if (*error < ORDERSCHED_INVALID) {
            return true;
        }
        sleep_ms(AGAIN_MS);
    }
    return false;
}

static bool decide(struct principals *p, unsigned at, struct ask_change *change, int *error)
{
    if (!make_request(p, change)) {
        return false;
    }
    record_begin(p, change);
    announce(p, at);
    if (!ask_until_decided(p, change, error)) {
        return false;
    }
    record_line(p->run->record, RECORD_RUNNER, RECORD_INFO, "grant",
                "{:change %" PRIu64 ", :phase :end, :error :%s}", p->changes,
                ordersched_error_name(*error));
    return true;
}

static void hand_out(struct principals *p, unsigned at, const struct ask_change *change)
{
    struct place *place = &p->places[at];

    place->exists = change->kind != ASK_REVOKE;
    if (change->token[0] == '\0') {
        return;
    }
    pthread_mutex_lock(&p->mutex);
    place->given = true;
    place->identity.token = p->tokens;
    snprintf(place->identity.text, sizeof place->identity.text, "%s", change->token);
    snprintf(place->identity.principal, sizeof place->identity.principal, "%s", change->name);
    pthread_mutex_unlock(&p->mutex);
}

void principals_change(struct principals *p, struct worker *w)
{
    unsigned at = (unsigned)worker_between(w, 0, PRINCIPALS - 1);
    if (p->places[at].over) {
        return;
    }
    struct ask_change change = draw_change(p, w, at);
    int error;

    p->changes++;
    p->places[at].over = !decide(p, at, &change, &error);
    if (!p->places[at].over && error == ORDERSCHED_OK) {
        hand_out(p, at, &change);
        record_index(p, &change);
    }
}
