/* look.c - see look.h. */
#include "look.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "../json/json_rows.h"

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* ---- one look ---- */

static void copy_name(char *out, size_t cap, const void *data, size_t len)
{
    len = len < cap ? len : cap - 1;
    memcpy(out, data, len);
    out[len] = '\0';
}

static struct look_route *route_add(struct look *look, const void *name, size_t len)
{
    struct look_route *r = &look->routes[look->n_routes];

    if (look->n_routes == LOOK_ROUTES_MAX) {
        return NULL;
    }
    look->n_routes++;
    copy_name(r->name, sizeof r->name, name, len);
    return r;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct look_route *)a)->name, ((const struct look_route *)b)->name);
}

/* Each route that we may see, as it is set. Sorted, so that its row finds it. */
static void take_settings(struct look *look, const struct ask_reply *reply)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = reply->error == ORDERSCHED_OK && reply->body != NULL ? cursor_array(&c) : 0;
    for (uint32_t i = 0; i < n; i++) {
        json_t *route = json_route_read(&c);
        const char *name = json_string_value(json_object_get(route, "name"));
        const char *kind = json_string_value(json_object_get(route, "kind"));
        struct look_route *r = name != NULL ? route_add(look, name, strlen(name)) : NULL;
        if (r != NULL) {
            r->set = true;
            copy_name(r->kind, sizeof r->kind, kind != NULL ? kind : "",
                      kind != NULL ? strlen(kind) : 0);
            r->paused = json_is_true(json_object_get(route, "paused"));
            r->rate_per_s = (uint64_t)json_integer_value(json_object_get(route, "rate_per_s"));
            r->orders = (uint64_t)json_integer_value(json_object_get(route, "orders"));
            r->window = (uint64_t)json_integer_value(json_object_get(route, "window"));
        }
        json_decref(route);
        if (route == NULL) {
            break;
        }
    }
    qsort(look->routes, look->n_routes, sizeof *look->routes, by_name);
}

static void take_lateness(struct look *look, const struct ask_reply *status)
{
    struct cursor c;
    struct lateness_row row;
    unsigned known = look->n_routes;
    uint32_t n = lateness_rows_begin(&c, status);

    for (uint32_t i = 0; i < n && lateness_row_read(&c, &row); i++) {
        if (i == 0) {
            look->all = row;
            look->all.route = (struct slice){0};
            look->late_known = true;
            continue;
        }
        struct look_route key = {.kind = ""};
        copy_name(key.name, sizeof key.name, row.route.data, row.route.len);
        struct look_route *r = bsearch(&key, look->routes, known, sizeof *look->routes, by_name);
        r = r != NULL ? r : route_add(look, row.route.data, row.route.len);
        if (r != NULL) {
            row.route = (struct slice){0}; /* it points into the answer */
            r->row = row;
            r->live = true;
        }
    }
    qsort(look->routes, look->n_routes, sizeof *look->routes, by_name);
}

struct look *look_now(ordersched_client *client, const char *endpoints, unsigned timeout_ms)
{
    struct operation ops[] = {{.code = OPERATION_STATUS}, {.code = OPERATION_ROUTE_LIST}};
    struct ask_reply replies[2] = {{.error = 0}, {.error = 0}};
    struct look *look = calloc(1, sizeof *look + LOOK_ROUTES_MAX * sizeof *look->routes);

    if (look == NULL) {
        return NULL;
    }
    look->at_ms = clocks_running_ms();
    survey_find_nodes(&look->survey, client, endpoints, least(SURVEY_MEMBERS_MS, timeout_ms));
    survey_add_endpoints(&look->survey, endpoints);
    survey_ask_status(&look->survey, client, least(SURVEY_STATUS_MS, timeout_ms));
    for (unsigned i = 0; i < look->survey.n; i++) {
        look->answered |= look->survey.nodes[i].up;
    }
    look->refusal = survey_refusal(&look->survey);
    look->leader = survey_leader(&look->survey);
    if (!survey_is_split(&look->survey, look->split, sizeof look->split)) {
        look->split[0] = '\0';
    }
    look->whole = look->answered;
    if (look->leader != NULL) { /* it alone knows the routes, and how late they are */
        ask_leader_each(client, ops, least(SURVEY_STATUS_MS, timeout_ms), replies, 2);
        take_settings(look, &replies[1]);
        take_lateness(look, &replies[0]);
        look->whole = replies[0].error == ORDERSCHED_OK &&
                      (replies[1].error == ORDERSCHED_OK || replies[1].error == ORDERSCHED_DENIED);
        ask_reply_free(&replies[0]);
        ask_reply_free(&replies[1]);
    }
    return look;
}

/* ---- again and again ---- */

struct looker {
    ordersched_client *client;
    const char *endpoints;
    unsigned timeout_ms;
    uint64_t interval_ms;
    int looks; /* an eventfd: how many there are */
    pthread_t thread;
    pthread_mutex_t mutex; /* all below it */
    pthread_cond_t changed;
    struct look *newest;
    bool at_once, paused, stops, ended;
};

/* Until the next look is due; false: it is not to look any more. */
static bool wait_for_next(struct looker *l)
{
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, l->interval_ms);
    int rv = 0;

    while (!l->stops && !l->at_once && (l->paused || rv != ETIMEDOUT)) {
        rv = l->paused ? pthread_cond_wait(&l->changed, &l->mutex)
                       : pthread_cond_timedwait(&l->changed, &l->mutex, &until);
    }
    l->at_once = false;
    return !l->stops;
}

static void *looker_run(void *arg)
{
    struct looker *l = arg;
    uint64_t one = 1;

    pthread_mutex_lock(&l->mutex);
    do {
        pthread_mutex_unlock(&l->mutex);
        struct look *look = look_now(l->client, l->endpoints, l->timeout_ms);
        pthread_mutex_lock(&l->mutex);
        if (look != NULL) {
            free(l->newest);
            l->newest = look;
            ssize_t n = write(l->looks, &one, sizeof one);
            (void)n;
        }
    } while (wait_for_next(l));
    l->ended = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

struct looker *looker_start(ordersched_client *client, const char *endpoints, unsigned timeout_ms,
                            uint64_t interval_ms)
{
    struct looker *l = calloc(1, sizeof *l);

    if (l == NULL) {
        return NULL;
    }
    l->client = client;
    l->endpoints = endpoints;
    l->timeout_ms = timeout_ms;
    l->interval_ms = interval_ms;
    l->looks = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&l->mutex, NULL);
    (void)clocks_cond_init(&l->changed);
    if (l->looks < 0 || pthread_create(&l->thread, NULL, looker_run, l) != 0) {
        free(l);
        return NULL;
    }
    return l;
}

int looker_fd(const struct looker *l)
{
    return l->looks;
}

struct look *looker_take(struct looker *l)
{
    uint64_t count;
    ssize_t n = read(l->looks, &count, sizeof count);

    (void)n;
    pthread_mutex_lock(&l->mutex);
    struct look *look = l->newest;
    l->newest = NULL;
    pthread_mutex_unlock(&l->mutex);
    return look;
}

void looker_look_at_once(struct looker *l)
{
    pthread_mutex_lock(&l->mutex);
    l->at_once = true;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

void looker_pause(struct looker *l, bool paused)
{
    pthread_mutex_lock(&l->mutex);
    l->paused = paused;
    l->at_once = !paused;
    pthread_cond_broadcast(&l->changed);
    pthread_mutex_unlock(&l->mutex);
}

bool looker_stop(struct looker *l, unsigned wait_ms)
{
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, wait_ms);
    int rv = 0;

    pthread_mutex_lock(&l->mutex);
    l->stops = true;
    pthread_cond_broadcast(&l->changed);
    while (!l->ended && rv != ETIMEDOUT) {
        rv = pthread_cond_timedwait(&l->changed, &l->mutex, &until);
    }
    bool ended = l->ended;
    pthread_mutex_unlock(&l->mutex);
    if (ended) {
        pthread_join(l->thread, NULL);
        close(l->looks);
        free(l->newest);
        free(l);
    }
    return ended;
}
