/* fired.c - see fired.h. */
#include "fired.h"

#include <string.h>
#include <unistd.h>

#include "flags.h"
#include "../../wire/cursor.h"
#include "../../base/clocks.h"

#define FIRED_ROUTE "orderbench-fired"
#define LEASE_MS 30000
#define POLL_US 100000
#define CAUGHT_UP_MS 900000
#define DIGEST_MS 120000 /* it reads every order */
#define DIGEST_TRIES 20

static uint64_t planned_ms(const void *arg, uint64_t number)
{
    return soak_deadline_ms(arg, number);
}

static uint64_t same_number(const void *arg, uint64_t i)
{
    (void)arg;
    return i;
}

/* ---- open and close ---- */

static void fired_take(void *arg, const struct ordersched_job *job, uint64_t arrived_us)
{
    book_delivery(arg, job->id, job->id_len, job->key, job->fence, job->deadline_ms, arrived_us);
}

int fired_open(struct fired *f, struct measure *m, uint32_t run, uint64_t orders,
               uint64_t pay_share)
{
    struct route_settings settings = {.kind = ROUTE_WORKER, .timeout_ms = LEASE_MS};

    memset(f, 0, sizeof *f);
    f->m = m;
    f->run = run;
    f->plan = (struct soak_plan){.orders = orders, .pay_share = pay_share};
    f->orders = (struct engine_orders){&f->plan, same_number, planned_ms};
    f->setup = (struct bench_setup){.client = m->client,
                                    .endpoints = m->cluster.endpoints,
                                    .cluster = m->cluster_config.name,
                                    .timeout_ms = m->timeout_ms,
                                    .window = FIRED_UNDER_WAY_MAX};
    f->workers.take = fired_take;
    f->workers.take_arg = &f->book;
    if (book_open(&f->book, &f->plan, run) != 0) {
        return bench_out_of_memory();
    }
    return bench_put_route(&f->setup, FIRED_ROUTE, settings);
}

void fired_close(struct fired *f)
{
    if (f->m != NULL) {
        (void)fired_rest(f);
        bench_workers_free(&f->workers);
        book_close(&f->book);
        f->m = NULL;
    }
}

/* ---- the orders ---- */

bool fired_in_time(const struct fired *f)
{
    return clocks_wall_ms() < f->plan.first_ms;
}

int fired_load(struct fired *f, struct engine_result *result)
{
    struct engine_config config = measure_engine(f->m, ORDERSCHED_SCHEDULE, 0, f->plan.orders);

    config.run = f->run;
    config.route = FIRED_ROUTE;
    config.orders = &f->orders;
    config.rate = 0;
    return measure_run(f->m, &config, "loading", result);
}

int fired_work(struct fired *f)
{
    return bench_workers_start(&f->workers, &f->setup, FIRED_ROUTE, FIRED_WORKERS, FIRED_BATCH);
}

int fired_rest(struct fired *f)
{
    int rv = bench_workers_stop(&f->workers);

    f->workers.n = 0;
    return rv;
}

int fired_wait(struct fired *f, uint64_t expired, uint64_t give_up_ms)
{
    struct node_status status;

    while (clocks_wall_ms() < give_up_ms) {
        if (measure_leader(f->m, 10000, &status) < 0) {
            return 3;
        }
        if (status.expired >= expired) {
            return 0;
        }
        usleep(POLL_US);
    }
    return 0;
}

/* ---- what the cluster says ---- */

static void fired_ended(void *arg, uint64_t number, uint64_t began_us, int error, int state)
{
    (void)began_us;
    book_end(arg, number, error, state);
}

static int fired_read_ends(struct fired *f)
{
    struct engine_config config = measure_engine(f->m, ORDERSCHED_GET, 0, f->plan.orders);
    struct engine_result result;

    config.run = f->run;
    config.rate = 0;
    config.go_on = true;
    config.ended = fired_ended;
    config.ended_arg = &f->book;
    return measure_run(f->m, &config, "reading how they ended", &result);
}

static void compare_counts(struct fired *f, unsigned i, const struct node_status *s,
                           const struct fired_counts *c)
{
    uint64_t open = s->pending + s->closing;

    if (open < c->pending_min || open > c->pending_max) {
        book_fault(&f->book, BOOK_NODE,
                   "node %u counts %llu orders that are not decided, but there"
                   " must be at least %llu and at most %llu",
                   i + 1, (unsigned long long)open, (unsigned long long)c->pending_min,
                   (unsigned long long)c->pending_max);
    }
    if (s->paid != c->paid || s->expired != c->expired || s->cancelled != 0 || s->dead != 0) {
        book_fault(&f->book, BOOK_NODE,
                   "node %u counts %llu paid, %llu expired, %llu cancelled and %llu dead orders,"
                   " but it should be %llu paid and %llu expired",
                   i + 1, (unsigned long long)s->paid, (unsigned long long)s->expired,
                   (unsigned long long)s->cancelled, (unsigned long long)s->dead,
                   (unsigned long long)c->paid, (unsigned long long)c->expired);
    }
}

static void fired_compare_counts(struct fired *f, const struct fired_counts *counts)
{
    struct node_status status[CLUSTER_NODES_MAX];
    bool up[CLUSTER_NODES_MAX];

    measure_look(f->m, status, up);
    for (unsigned i = 0; i < f->m->cluster.n; i++) {
        if (up[i]) {
            compare_counts(f, i, &status[i], counts);
        } else {
            book_fault(&f->book, BOOK_NODE, "node %u does not answer at the end", i + 1);
        }
    }
}

/* One node's answer: false when it is none. */
static bool digest_decode(const struct ask_reply *reply, uint64_t *applied, uint64_t *digest)
{
    struct cursor c;

    if (reply->error != ORDERSCHED_OK) {
        return false;
    }
    cursor_init(&c, reply->body, reply->body_len);
    (void)cursor_array(&c);
    *applied = cursor_uint(&c);
    *digest = cursor_uint(&c);
    return cursor_ok(&c);
}

/* True: all answered, at the same index. */
static bool fired_ask_digests(struct fired *f, uint64_t digests[CLUSTER_NODES_MAX])
{
    struct operation op = {.code = OPERATION_DIGEST};
    struct ask asks[CLUSTER_NODES_MAX];
    uint64_t first = 0;
    bool comparable = true;

    for (unsigned i = 0; i < f->m->cluster.n; i++) {
        asks[i].target = f->m->cluster.nodes[i].api;
    }
    ask_nodes(f->m->client, &op, DIGEST_MS, asks, f->m->cluster.n);
    for (unsigned i = 0; i < f->m->cluster.n; i++) {
        uint64_t applied = 0;
        comparable = digest_decode(&asks[i].reply, &applied, &digests[i]) && comparable;
        first = i == 0 ? applied : first;
        comparable = comparable && applied == first;
        ask_reply_free(&asks[i].reply);
    }
    return comparable;
}

static void fired_compare_digests(struct fired *f)
{
    uint64_t digests[CLUSTER_NODES_MAX];
    unsigned tries = 0;

    while (!fired_ask_digests(f, digests)) {
        if (++tries == DIGEST_TRIES) {
            book_fault(&f->book, BOOK_NODE, "the nodes' digests could not be read at one index");
            return;
        }
        usleep(POLL_US);
    }
    for (unsigned i = 1; i < f->m->cluster.n; i++) {
        if (digests[i] != digests[0]) {
            book_fault(&f->book, BOOK_NODE, "node %u has the digest %016llx, node 1 %016llx", i + 1,
                       (unsigned long long)digests[i], (unsigned long long)digests[0]);
        }
    }
}

int fired_judge(struct fired *f, const struct fired_counts *counts)
{
    int rv = measure_wait_caught_up(f->m, CAUGHT_UP_MS);

    rv = rv == 0 ? fired_read_ends(f) : rv;
    rv = rv == 0 ? measure_wait_caught_up(f->m, CAUGHT_UP_MS) : rv;
    if (rv != 0) {
        return rv;
    }
    fired_compare_counts(f, counts);
    fired_compare_digests(f); /* last: the nodes stand still meanwhile, and may elect after it */
    f->m->wrong = !book_judge(&f->book, FIRED_UNDER_WAY_MAX);
    book_print_faults(&f->book, stderr);
    return 0;
}

json_t *fired_lateness_json(const struct histogram *late)
{
    json_t *object = json_object();

    json_object_set_new(object, "p50", json_real((double)histogram_quantile(late, 0.5) / 1000));
    json_object_set_new(object, "p99", json_real((double)histogram_quantile(late, 0.99) / 1000));
    json_object_set_new(object, "max", json_real((double)late->max / 1000));
    json_object_set_new(object, "n", json_integer((json_int_t)late->n));
    return object;
}
