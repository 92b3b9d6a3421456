/* The leader killed with deliveries under way, again and again, for each kind of route: every order
 * has its effect exactly once after deduplication by key, and no more is delivered twice than was
 * under way. KILLS=N kills, split over the kinds (default 9). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../client/protocol.h"
#include "support/crew.h"

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
        struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE, .id = id, .relative = true,
                                          .time_ms = delay_ms, .route = ROUTE};
        op.id_len = (size_t)snprintf(id, sizeof id, "kill-%u", s->orders++);
        assert_int_equal(ordersched_submit(s->client, &op, 30000, on_scheduled, &scheduled),
                         ORDERSCHED_OK);
    }
    while (__atomic_load_n(&scheduled, __ATOMIC_ACQUIRE) < ORDERS) {
        sleep_ms(1);
    }
}

/* Kill the leader while about a window of deliveries is under way. `held` (may be NULL) counts them
 * once the leader is dead. Returns what it counted. */
static unsigned scene_kill(struct scene *s, unsigned (*held)(void *arg), void *arg)
{
    /* Found beforehand: asking takes long while the node killed last still starts. */
    unsigned leader = cluster_wait_leader(&s->cluster, 20000);
    scene_schedule(s, 150);
    sleep_ms(150 + 40 + 17 * (s->kills % 7));
    unsigned before = held != NULL ? held(arg) : 0;
    cluster_kill(&s->cluster, leader);
    sleep_ms(50); /* what was on its way arrives; the others have not elected anyone yet */
    unsigned under_way = held != NULL ? held(arg) : 0;
    s->kills++;
    s->idle_kills += held != NULL && before == 0 && under_way == 0;
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

/* ---- judging what a receiver wrote down ---- */

struct court {
    struct tally *tallies;
    unsigned n;
    unsigned violations;
};

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

/* ---- workers ---- */

static unsigned held_by_crew(void *arg)
{
    return crew_held(arg);
}

static void workers_have_each_effect_once_while_leaders_die(void **state)
{
    unsigned kills = kills_of_a_kind(), under_way = 0;
    struct route_settings settings = {
        .kind = ROUTE_WORKER, .timeout_ms = 30000, .window = WINDOW};
    struct scene s = {0};
    struct crew crew;

    (void)state;
    cluster_init(&s.cluster, 3);
    scene_open(&s, &settings);
    crew_start(&crew, &s.cluster, ROUTE, 6, 4, WORK_MS, kills * ORDERS);
    for (unsigned i = 0; i < kills; i++) {
        under_way += scene_kill(&s, held_by_crew, &crew);
    }
    /* Orders whose outcome was recorded while the answer was lost are not settled in the ledger. */
    wait_all_expired(&s, 60000);
    crew_stop(&crew);
    assert_int_equal(crew.violations, 0);
    struct court court = {calloc(s.orders, sizeof *court.tallies), s.orders, 0};
    assert_non_null(court.tallies);
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

static void http_receivers_have_each_effect_once_while_leaders_die(void **state)
{
    static const char *const flags[] = {"--slow-share", "1", "--slow", "60ms", NULL};
    unsigned kills = kills_of_a_kind();
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
    for (unsigned i = 0; i < kills; i++) {
        (void)scene_kill(&s, NULL, NULL);
    }
    wait_all_expired(&s, 60000);
    sleep_ms(500); /* what a dead leader had sent may still be answered */
    struct court court = {calloc(s.orders, sizeof *court.tallies), s.orders, 0};
    assert_non_null(court.tallies);
    sink_each(&sink, on_journal, &court);
    court_judge(&court, &s, "http", kills * WINDOW);
    free(court.tallies);
    sink_stop(&sink);
    scene_close(&s);
}

/* ---- programs ---- */

struct file_view {
    const char *path;
};

/* Programs write "begin ID KEY" and "end ID KEY". */
static unsigned running_programs(void *arg)
{
    const struct file_view *v = arg;
    FILE *f = fopen(v->path, "r");
    char word[16], id[64], key[64];
    int running = 0;

    while (f != NULL && fscanf(f, "%15s %63s %63s", word, id, key) == 3) {
        running += strcmp(word, "begin") == 0 ? 1 : -1;
    }
    if (f != NULL) {
        fclose(f);
    }
    return running > 0 ? (unsigned)running : 0;
}

static void programs_have_each_effect_once_while_leaders_die(void **state)
{
    unsigned kills = kills_of_a_kind();
    char path[320], script[1200];
    struct scene s = {0};

    (void)state;
    cluster_init(&s.cluster, 3);
    snprintf(path, sizeof path, "%s/programs", s.cluster.dir);
    snprintf(script, sizeof script,
             "echo begin $ORDERSCHED_ORDER_ID $ORDERSCHED_KEY >>%s; sleep 0.3; "
             "echo end $ORDERSCHED_ORDER_ID $ORDERSCHED_KEY >>%s",
             path, path);
    struct route_settings settings = {
        .kind = ROUTE_EXEC,
        .timeout_ms = 20000,
        .window = WINDOW,
        .n_command = 3,
        .command = {{(const uint8_t *)"/bin/sh", 7},
                    {(const uint8_t *)"-c", 2},
                    {(const uint8_t *)script, strlen(script)}},
    };
    struct file_view view = {path};
    scene_open(&s, &settings);
    for (unsigned i = 0; i < kills; i++) {
        (void)scene_kill(&s, running_programs, &view);
    }
    wait_all_expired(&s, 90000);
    sleep_ms(1000);
    struct court court = {calloc(s.orders, sizeof *court.tallies), s.orders, 0};
    char word[16], id[64], key[64];
    FILE *f = fopen(path, "r");
    assert_non_null(court.tallies);
    assert_non_null(f);
    while (fscanf(f, "%15s %63s %63s", word, id, key) == 3) {
        if (strcmp(word, "begin") == 0) {
            court_take(&court, id, key);
        }
    }
    fclose(f);
    court_judge(&court, &s, "exec", kills * WINDOW);
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
