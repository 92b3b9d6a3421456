/* load.c - see load.h. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOAD_CALL_TIMEOUT_MS 30000

static void load_id(unsigned i, char *out)
{
    snprintf(out, 32, "load-%07u", i);
}

static void load_cb(void *arg, const struct ordersched_answer *answer)
{
    struct load_call *call = arg;

    call->error = answer->error;
    call->state = answer->state;
    call->deadline_ms = answer->deadline_ms;
    __atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
}

static bool call_done(const struct load_call *call)
{
    return __atomic_load_n(&call->done, __ATOMIC_ACQUIRE);
}

static void load_submit(struct load *l, unsigned i, enum ordersched_operation_kind kind,
                        uint64_t delay_ms, struct load_call *call)
{
    char id[32];
    struct ordersched_operation op = {
        .kind = kind,
        .id = id,
        .relative = true,
        .time_ms = delay_ms,
        .route = l->route,
        .payload = "{\"test\":true}",
        .payload_len = 13,
    };

    load_id(i, id);
    op.id_len = strlen(id);
    int error = ordersched_submit(l->client, &op, LOAD_CALL_TIMEOUT_MS, load_cb, call);
    call->sent = error == ORDERSCHED_OK;
    if (!call->sent) {
        call->error = error;
        call->done = true;
    }
}

static void load_make(struct load *l, struct random *rng)
{
    unsigned i = l->n;
    struct load_order *o = &l->orders[i];
    uint64_t delay_ms = l->delay_min_ms + random_below(rng, l->delay_max_ms - l->delay_min_ms + 1);

    if (random_below(rng, 100) < 60) {
        o->pay_at_ms = monotonic_ms() + random_below(rng, delay_ms * 11 / 10);
    }
    load_submit(l, i, ORDERSCHED_SCHEDULE, delay_ms, &o->schedule);
    l->n = i + 1;
}

/* A pay is sent once its time has come and its schedule is answered: a shop cannot be paid for
 * an order that it has not placed. */
static unsigned load_pay_due(struct load *l, unsigned from)
{
    uint64_t now = monotonic_ms();
    bool leading = true;

    for (unsigned i = from; i < l->n; i++) {
        struct load_order *o = &l->orders[i];
        bool over = o->pay_at_ms == 0 || o->pay.sent || call_done(&o->pay);
        if (!over && o->pay_at_ms <= now && call_done(&o->schedule)) {
            if (o->schedule.error == ORDERSCHED_OK) {
                load_submit(l, i, ORDERSCHED_PAY, 0, &o->pay);
            } else {
                o->pay_at_ms = 0;
            }
            over = true;
        }
        leading = leading && over;
        from += leading ? 1 : 0;
    }
    return from;
}

static void *load_thread(void *arg)
{
    struct load *l = arg;
    struct random rng = {l->seed};
    uint64_t start = monotonic_ms();
    unsigned paid_up_to = 0;

    while (!l->stop || paid_up_to < l->n) {
        uint64_t want = (monotonic_ms() - start) * l->rate / 1000;
        while (!l->stop && l->n < want && l->n < l->n_max) {
            load_make(l, &rng);
        }
        paid_up_to = load_pay_due(l, paid_up_to);
        sleep_ms(2);
    }
    return NULL;
}

void load_start(struct load *l, const struct cluster *c, const char *route, uint64_t seed,
                unsigned rate, unsigned n_max, unsigned delay_min_ms, unsigned delay_max_ms)
{
    memset(l, 0, sizeof *l);
    l->cluster = c;
    l->client = cluster_client(c);
    l->route = route;
    l->seed = seed;
    l->rate = rate;
    l->n_max = n_max;
    l->delay_min_ms = delay_min_ms;
    l->delay_max_ms = delay_max_ms;
    l->orders = calloc(n_max, sizeof *l->orders);
    if (l->orders == NULL || pthread_create(&l->thread, NULL, load_thread, l) != 0) {
        abort();
    }
}

static void load_wait_calls(struct load *l, uint64_t until)
{
    for (unsigned i = 0; i < l->n; i++) {
        struct load_order *o = &l->orders[i];
        while (!call_done(&o->schedule) || (o->pay.sent && !call_done(&o->pay))) {
            if (monotonic_ms() > until) {
                fprintf(stderr, "order %u was never answered\n", i);
                abort();
            }
            sleep_ms(1);
        }
    }
}

void load_finish(struct load *l, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;

    l->stop = true;
    pthread_join(l->thread, NULL);
    load_wait_calls(l, until);
    for (unsigned i = 0; i < l->n; i++) {
        struct load_order *o = &l->orders[i];
        struct ordersched_answer answer = {0};
        char id[32];
        load_id(i, id);
        do {
            o->final_error = ordersched_get(l->client, id, &answer);
            o->final_state = answer.state;
            if (o->final_error == ORDERSCHED_OK &&
                (answer.state == ORDERSCHED_PENDING || answer.state == ORDERSCHED_CLOSING)) {
                sleep_ms(20);
                o->final_error = -1;
            }
        } while ((o->final_error == -1 ||
                  ordersched_error_class(o->final_error) == ORDERSCHED_UNKNOWN) &&
                 monotonic_ms() < until);
    }
}

struct load_journal {
    struct load *load;
    unsigned *deliveries, *effects;
    struct load_report *report;
};

static void violation(struct load_report *r, unsigned i, const char *what)
{
    if (r->violations++ < 20) {
        fprintf(stderr, "VIOLATION order load-%07u: %s\n", i, what);
    }
}

static void load_journal_line(void *arg, const char *kind, const char *order_id,
                              const char *webhook_id, uint64_t t_ms, uint64_t deadline_ms,
                              const char *fence)
{
    struct load_journal *j = arg;
    unsigned i;

    (void)webhook_id;
    (void)fence;
    if (sscanf(order_id, "load-%u", &i) != 1 || i >= j->load->n) {
        return;
    }
    if (strcmp(kind, "effect") == 0) {
        j->effects[i]++;
        j->report->effects++;
    } else if (strcmp(kind, "delivery") == 0) {
        j->report->deliveries++;
        uint64_t late_ms = t_ms > deadline_ms ? t_ms - deadline_ms : 0;
        if (t_ms + j->load->early_ms < deadline_ms) {
            violation(j->report, i, "delivered before its deadline");
        }
        if (j->deliveries[i]++ == 0 && late_ms > j->report->lateness_max_ms) {
            j->report->lateness_max_ms = late_ms;
        }
    }
}

static void load_judge_order(const struct load_order *o, unsigned i, unsigned effects,
                             struct load_report *r)
{
    bool scheduled = o->schedule.error == ORDERSCHED_OK;
    bool unknown = ordersched_error_class(o->schedule.error) == ORDERSCHED_UNKNOWN;
    bool found = o->final_error == ORDERSCHED_OK;
    bool expired = found && o->final_state == ORDERSCHED_EXPIRED;

    r->orders++;
    r->scheduled += scheduled;
    r->unknown += unknown;
    r->refused += !scheduled && !unknown;
    r->expired += expired;
    r->paid += found && o->final_state == ORDERSCHED_PAID;
    if (scheduled && !found) {
        violation(r, i, "acknowledged, but not known at the end");
    }
    if (!scheduled && !unknown && found) {
        violation(r, i, "definitely refused, but known at the end");
    }
    if (found && !expired && o->final_state != ORDERSCHED_PAID) {
        violation(r, i, ordersched_state_name(o->final_state));
    }
    if (o->pay.sent && o->pay.error == ORDERSCHED_OK && o->final_state != ORDERSCHED_PAID) {
        violation(r, i, "the pay was acknowledged, but the order did not end PAID");
    }
    if (o->pay.sent && o->pay.error == ORDERSCHED_TOO_LATE) {
        r->too_late++;
        if (o->final_state != ORDERSCHED_EXPIRED) {
            violation(r, i, "the pay was told TOO_LATE, but the order did not expire");
        }
    }
    if (found && o->final_state == ORDERSCHED_PAID && (!o->pay.sent)) {
        violation(r, i, "PAID, but nobody paid");
    }
    if (effects != (expired ? 1u : 0u)) {
        violation(r, i, expired ? "expired without exactly one effect" : "an effect, not expired");
    }
}

struct load_report load_judge(struct load *l, const struct sink *s)
{
    struct load_report r = {0};
    struct load_journal j = {.load = l,
                             .deliveries = calloc(l->n + 1, sizeof(unsigned)),
                             .effects = calloc(l->n + 1, sizeof(unsigned)),
                             .report = &r};

    if (j.deliveries == NULL || j.effects == NULL) {
        abort();
    }
    sink_each(s, load_journal_line, &j);
    for (unsigned i = 0; i < l->n; i++) {
        load_judge_order(&l->orders[i], i, j.effects[i], &r);
    }
    free(j.deliveries);
    free(j.effects);
    printf("orders %u: scheduled %u, refused %u, unknown %u; paid %u, expired %u, too late %u; "
           "deliveries %u, effects %u; lateness max %llu ms; violations %u\n",
           r.orders, r.scheduled, r.refused, r.unknown, r.paid, r.expired, r.too_late, r.deliveries,
           r.effects, (unsigned long long)r.lateness_max_ms, r.violations);
    return r;
}

void load_free(struct load *l)
{
    ordersched_close(l->client);
    free(l->orders);
}
