/* The leader killed with deliveries under way, again and again, for each kind of route: every order
 * has its effect exactly once after deduplication by key, and no more is delivered twice than was
 * under way. KILLS=N kills, split over the kinds (default 9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../../client/wire/protocol.h"
#include "../support/cluster/crew.h"

#define ROUTE "killed"
#define KINDS 3
#define ORDERS 150 /* for each kill */
#define WINDOW 48
#define WORK_MS 60 /* what a receiver takes over an order */

/* One kind of receiver under test. */
struct scene {
    struct cluster cluster;
    ordersched_client *client;
    unsigned orders;
    unsigned kills;
    unsigned idle_kills; /* with nothing under way: they prove little */
};

struct tally {
    unsigned deliveries;
    unsigned effects; /* different keys */
    char key[ORDERSCHED_KEY_SIZE];
};

/* What a receiver took. */
struct court {
    struct tally *tallies;
    unsigned n;
    unsigned violations;
};

/* How to ask a receiver for what it has taken. */
struct witness {
    unsigned (*held)(void *arg);                 /* orders that it works on; or NULL, and */
    void (*testify)(void *arg, struct court *c); /* everything that it took from the beginning */
    void *arg;
};

static unsigned kills_of_a_kind(void)
{
    const char *text = getenv("KILLS");
    unsigned kills = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 9;

    return kills < KINDS ? 1 : (kills + KINDS - 1) / KINDS;
}

static void scene_open(struct scene *s, const struct route_settings *settings)
{
    for (unsigned i = 0; i < s->cluster.n; i++) {
        s->cluster.nodes[i].args[0] = "--allow-exec";
        /* A leader that stands still is to be followed until it is killed. */
        s->cluster.nodes[i].args[1] = "--election-timeout";
        s->cluster.nodes[i].args[2] = "4s";
    }
    cluster_start_all(&s->cluster);
    (void)cluster_wait_leader(&s->cluster, 20000);
    s->client = cluster_client(&s->cluster);
    assert_int_equal(cluster_route_configure(s->client, ROUTE, settings), ORDERSCHED_OK);
}

static void scene_close(struct scene *s)
{
    ordersched_close(s->client);
    for (unsigned i = 0; i < s->cluster.n; i++) {
        if (s->cluster.nodes[i].pid != 0) {
            int status = cluster_stop(&s->cluster, i);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
    cluster_close(&s->cluster, false);
}

static void on_scheduled(void *arg, const struct ordersched_answer *answer)
{
    unsigned *n = arg;

    assert_int_equal(answer->error, ORDERSCHED_OK);
    __atomic_add_fetch(n, 1, __ATOMIC_RELEASE);
}

/* More orders, all due in about this time. */
static void scene_schedule(struct scene *s, unsigned delay_ms)
{
    unsigned scheduled = 0;

    for (unsigned i = 0; i < ORDERS; i++) {
        char id[32];
        struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                          .id = id,
                                          .relative = true,
                                          .time_ms = delay_ms,
                                          .route = ROUTE};
        op.id_len = (size_t)snprintf(id, sizeof id, "kill-%u", s->orders++);
        assert_int_equal(ordersched_submit(s->client, &op, 30000, on_scheduled, &scheduled),
                         ORDERSCHED_OK);
    }
    while (__atomic_load_n(&scheduled, __ATOMIC_ACQUIRE) < ORDERS) {
        sleep_ms(1);
    }
}

/* ---- judging what a receiver took ---- */

static void court_open(struct court *c, unsigned n)
{
    *c = (struct court){calloc(n, sizeof *c->tallies), n, 0};
    assert_non_null(c->tallies);
}

static void court_take(struct court *c, const char *id, const char *key)
{
    unsigned number;

    if (sscanf(id, "kill-%u", &number) != 1 || number >= c->n) {
        fprintf(stderr, "violation: %s was never scheduled\n", id);
        c->violations++;
        return;
    }
    struct tally *t = &c->tallies[number];
    t->deliveries++;
    if (strcmp(t->key, key) != 0) {
        t->effects++;
        snprintf(t->key, sizeof t->key, "%s", key);
    }
}

static void court_judge(const struct court *c, const struct scene *s, const char *kind,
                        unsigned under_way)
{
    unsigned duplicates = 0, violations = c->violations;

    for (unsigned i = 0; i < c->n; i++) {
        if (c->tallies[i].effects != 1) {
            fprintf(stderr, "violation: kill-%u has %u effects from %u deliveries\n", i,
                    c->tallies[i].effects, c->tallies[i].deliveries);
            violations++;
        }
        duplicates += c->tallies[i].deliveries > 0 ? c->tallies[i].deliveries - 1 : 0;
    }
    printf("%s: %u kills (%u of them idle), %u orders, %u delivered twice, %u under way at most\n",
           kind, s->kills, s->idle_kills, s->orders, duplicates, under_way);
    assert_int_equal(violations, 0);
    assert_true(duplicates <= under_way);
    assert_true(s->idle_kills <= (s->kills + 3) / 4);
}

/* ---- kills ---- */

/* Orders that the receiver took and whose end the log may not have: of `expired` ones it has it. */
static unsigned witness_ask(const struct witness *w, unsigned orders, uint64_t expired)
{
    struct court court;
    unsigned taken = 0;

    if (w->held != NULL) {
        return w->held(w->arg);
    }
    court_open(&court, orders);
    w->testify(w->arg, &court);
    for (unsigned i = 0; i < orders; i++) {
        taken += court.tallies[i].deliveries > 0;
    }
    free(court.tallies);
    return taken > expired ? taken - (unsigned)expired : 0;
}

/* The same, when what was on its way has arrived: a program that was started may take its time to
 * begin on a busy machine. */
static unsigned witness_ask_at_rest(const struct witness *w, unsigned orders, uint64_t expired)
{
    unsigned taken = witness_ask(w, orders, expired);

    for (unsigned looks = 0, alike = 0; alike < 5 && looks < 40; looks++) {
        sleep_ms(50);
        unsigned now = witness_ask(w, orders, expired);
        alike = now == taken ? alike + 1 : 0;
        taken = now;
    }
    return taken;
}

/* Kill the leader while about a window of deliveries is under way. Returns how many orders the next
 * leader may deliver again at most: those that the receiver took and whose outcome is not known to
 * be in the log. That is more than the window: a delivery that was answered makes room for the next
 * one, while its outcome is on its way into the log. */
static unsigned scene_kill(struct scene *s, const struct witness *w)
{
    /* Found beforehand: asking takes long while the node killed last still starts. */
    unsigned leader = cluster_wait_leader(&s->cluster, 20000);
    scene_schedule(s, 150);
    sleep_ms(150 + 40 + 17 * (s->kills % 7));
    uint64_t expired = cluster_status(&s->cluster, leader).expired;
    /* Standing still it takes no report and starts nothing, and nobody is told of a death. */
    assert_int_equal(kill(s->cluster.nodes[leader].pid, SIGSTOP), 0);
    unsigned under_way = witness_ask_at_rest(w, s->orders, expired);
    cluster_kill(&s->cluster, leader);
    s->kills++;
    s->idle_kills += under_way == 0;
    (void)cluster_wait_leader(&s->cluster, 20000);
    cluster_start(&s->cluster, leader);
    return under_way;
}

static void wait_all_expired(struct scene *s, unsigned timeout_ms)
{
    uint64_t until_ms = monotonic_ms() + timeout_ms;
    struct cluster_status status;

    do {
        sleep_ms(50);
        status = cluster_status(&s->cluster, cluster_wait_leader(&s->cluster, 20000));
        if (monotonic_ms() > until_ms) {
            fail_msg("%llu closing, %llu dead, %llu of %u expired",
                     (unsigned long long)status.closing, (unsigned long long)status.dead,
                     (unsigned long long)status.expired, s->orders);
        }
    } while (!status.up || status.expired < s->orders);
    assert_int_equal(status.expired, s->orders);
    assert_int_equal(status.dead, 0);
    cluster_expect_equal_digests(&s->cluster, 20000);
}

/* ---- workers ---- */

static unsigned held_by_crew(void *arg)
{
    return crew_held(arg);
}

static void workers_have_each_effect_once_while_leaders_die(void **state)
{
    unsigned kills = kills_of_a_kind(), under_way = 0;
    struct route_settings settings = {.kind = ROUTE_WORKER, .timeout_ms = 30000, .window = WINDOW};
    struct scene s = {0};
    struct crew crew;

    (void)state;
    cluster_init(&s.cluster, 3);
    scene_open(&s, &settings);
    crew_start(&crew, &s.cluster, ROUTE, 6, 4, WORK_MS, kills * ORDERS);
    struct witness witness = {held_by_crew, NULL, &crew};
    for (unsigned i = 0; i < kills; i++) {
        under_way += scene_kill(&s, &witness);
    }
    /* Orders whose outcome was recorded while the answer was lost are not settled in the ledger. */
    wait_all_expired(&s, 60000);
    crew_stop(&crew);
    assert_int_equal(crew.violations, 0);
    struct court court;
    court_open(&court, s.orders);
    for (unsigned i = 0; i < s.orders; i++) {
        court.tallies[i].deliveries = crew.orders[i].deliveries;
        court.tallies[i].effects = crew.orders[i].effects;
    }
    court_judge(&court, &s, "worker", under_way);
    free(court.tallies);
    crew_free(&crew);
    scene_close(&s);
}

/* ---- HTTP ---- */

static void on_journal(void *arg, const char *kind, const char *order_id, const char *webhook_id,
                       uint64_t t_ms, uint64_t deadline_ms, const char *fence)
{
    (void)t_ms;
    (void)deadline_ms;
    (void)fence;
    if (strcmp(kind, "delivery") == 0) {
        court_take(arg, order_id, webhook_id);
    }
}

static void sink_testifies(void *arg, struct court *court)
{
    sink_each(arg, on_journal, court);
}

static void http_receivers_have_each_effect_once_while_leaders_die(void **state)
{
    static const char *const flags[] = {"--slow-share", "1", "--slow", "60ms", NULL};
    unsigned kills = kills_of_a_kind(), under_way = 0;
    struct scene s = {0};
    struct sink sink;

    (void)state;
    cluster_init(&s.cluster, 3);
    sink_start(&sink, s.cluster.dir, flags);
    struct route_settings settings = {
        .kind = ROUTE_HTTP,
        .url = {(const uint8_t *)sink.url, strlen(sink.url)},
        .n_secrets = 1,
        .secrets = {{(const uint8_t *)SINK_SECRET, strlen(SINK_SECRET)}},
        .timeout_ms = 5000,
        .window = WINDOW,
    };
    scene_open(&s, &settings);
    struct witness witness = {NULL, sink_testifies, &sink};
    for (unsigned i = 0; i < kills; i++) {
        under_way += scene_kill(&s, &witness);
    }
    wait_all_expired(&s, 60000);
    sleep_ms(500); /* what a dead leader had sent may still be answered */
    struct court court;
    court_open(&court, s.orders);
    sink_testifies(&sink, &court);
    court_judge(&court, &s, "http", under_way);
    free(court.tallies);
    sink_stop(&sink);
    scene_close(&s);
}

/* ---- programs ---- */

/* Programs write "begin ID KEY". */
static void programs_testify(void *arg, struct court *court)
{
    FILE *f = fopen(arg, "r");
    char word[16], id[64], key[64];

    while (f != NULL && fscanf(f, "%15s %63s %63s", word, id, key) == 3) {
        court_take(court, id, key);
    }
    if (f != NULL) {
        fclose(f);
    }
}

static void programs_have_each_effect_once_while_leaders_die(void **state)
{
    unsigned kills = kills_of_a_kind(), under_way = 0;
    char path[320], script[1200];
    struct scene s = {0};

    (void)state;
    cluster_init(&s.cluster, 3);
    snprintf(path, sizeof path, "%s/programs", s.cluster.dir);
    snprintf(script, sizeof script,
             "echo begin $ORDERSCHED_ORDER_ID $ORDERSCHED_KEY >>%s; sleep 0.3", path);
    struct route_settings settings = {
        .kind = ROUTE_EXEC,
        .timeout_ms = 20000,
        .window = WINDOW,
        .n_command = 3,
        .command = {{(const uint8_t *)"/bin/sh", 7},
                    {(const uint8_t *)"-c", 2},
                    {(const uint8_t *)script, strlen(script)}},
    };
    struct witness witness = {NULL, programs_testify, path};
    scene_open(&s, &settings);
    for (unsigned i = 0; i < kills; i++) {
        under_way += scene_kill(&s, &witness);
    }
    wait_all_expired(&s, 90000);
    sleep_ms(1000);
    struct court court;
    court_open(&court, s.orders);
    programs_testify(path, &court);
    court_judge(&court, &s, "exec", under_way);
    free(court.tallies);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_have_each_effect_once_while_leaders_die),
        cmocka_unit_test(http_receivers_have_each_effect_once_while_leaders_die),
        cmocka_unit_test(programs_have_each_effect_once_while_leaders_die),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
