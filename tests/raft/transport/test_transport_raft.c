/* test_transport_raft.c - real libraft members over the transport: elect, commit, catch up.
 *
 * This is also the test that the parser lets through everything libraft really sends.
 * Runs beside others: waits 8 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../raft/consensus/guard.h"
#include "../../support/transport_bed.h"

#define MEMBERS 3
#define SNAPSHOT_SIZE (3u << 20) /* many frames, more than a socket's buffer */
#define SNAPSHOT_THRESHOLD 64
#define SNAPSHOT_TRAILING 16
#define NUMBERS 256

struct cluster;

/* A libraft instance whose state machine counts how often each number came. It stands behind our
 * guard as in the node: without it libraft loads its snapshot anew at each tick while a member is
 * silent, and never frees what is being loaded when it is closed. */
struct member {
    struct cluster *cluster;
    unsigned slot;
    char dir[128];
    char address[64];
    struct raft_uv_transport transport;
    struct raft_io io;
    struct raft_io guarded;
    struct guard *guard;
    struct raft_fsm fsm;
    struct raft raft;
    bool running;
    bool closed;
    uint8_t times[NUMBERS]; /* applied, by number */
    unsigned restored;
    unsigned warnings; /* of the transport, about damage */
};

struct cluster {
    uv_loop_t loop;
    char dir[64];
    struct member members[MEMBERS];
    uint8_t proposed[NUMBERS]; /* how often, by number */
    bool acknowledged[NUMBERS];
    unsigned n; /* the numbers before it are committed */
    unsigned under_way;
};

static int apply_cb(struct raft_fsm *fsm, const struct raft_buffer *buf, void **result)
{
    struct member *m = fsm->data;
    uint64_t v;
    assert_int_equal(buf->len % 8, 0);
    memcpy(&v, buf->base, sizeof v);
    assert_in_range(v, 0, NUMBERS - 1);
    m->times[v]++;
    assert_in_range(m->times[v], 1, m->cluster->proposed[v]);
    *result = NULL;
    return 0;
}

static int snapshot_cb(struct raft_fsm *fsm, struct raft_buffer *bufs[], unsigned *n_bufs)
{
    struct member *m = fsm->data;
    *bufs = raft_malloc(sizeof **bufs);
    assert_non_null(*bufs);
    (*bufs)[0].base = raft_calloc(1, SNAPSHOT_SIZE);
    (*bufs)[0].len = SNAPSHOT_SIZE;
    assert_non_null((*bufs)[0].base);
    memcpy((char *)(*bufs)[0].base + SNAPSHOT_SIZE - sizeof m->times, m->times, sizeof m->times);
    *n_bufs = 1;
    return 0;
}

static int restore_cb(struct raft_fsm *fsm, struct raft_buffer *buf)
{
    struct member *m = fsm->data;
    assert_int_equal(buf->len, SNAPSHOT_SIZE);
    memcpy(m->times, (char *)buf->base + SNAPSHOT_SIZE - sizeof m->times, sizeof m->times);
    m->restored++;
    raft_free(buf->base);
    return 0;
}

static void log_cb(void *arg, const char *level, const char *sentence)
{
    struct member *m = arg;
    if (getenv("VERBOSE") != NULL) {
        printf("member %u: %s: %s\n", m->slot + 1, level, sentence);
    }
    /* Nothing that libraft sends may be refused: connections are lost by closing only. */
    m->warnings += strstr(sentence, " refused: ") != NULL;
    m->warnings += strstr(sentence, " lost: ") != NULL && !strstr(sentence, "closed by the peer") &&
                   !strstr(sentence, "reset") && !strstr(sentence, "broken pipe");
}

static void fatal_cb(void *arg, const char *sentence)
{
    (void)arg;
    fail_msg("%s", sentence);
}

static void member_open(struct member *m)
{
    struct transport_config config = {.cluster = "shop", .log = log_cb, .log_arg = m};
    m->fsm = (struct raft_fsm){
        .version = 1, .data = m, .apply = apply_cb, .snapshot = snapshot_cb, .restore = restore_cb};
    memset(m->times, 0, sizeof m->times);
    m->closed = false;
    uv_loop_t *loop = &m->cluster->loop;
    assert_int_equal(transport_init(&m->transport, loop, &config), 0);
    assert_int_equal(raft_uv_init(&m->io, loop, m->dir, &m->transport), 0);
    m->guard = guard_new(&m->io, &m->guarded, &m->raft, fatal_cb, NULL);
    assert_non_null(m->guard);
    assert_int_equal(raft_init(&m->raft, &m->guarded, &m->fsm, m->slot + 1, m->address), 0);
    raft_uv_set_connect_retry_delay(&m->io, 100);
    raft_set_election_timeout(&m->raft, 1000); /* rarely a machine stands still for it */
    raft_set_heartbeat_timeout(&m->raft, 50);
    raft_set_pre_vote(&m->raft, true);
    raft_set_capacity_threshold(&m->raft, 0);
    raft_set_snapshot_threshold(&m->raft, SNAPSHOT_THRESHOLD);
    raft_set_snapshot_trailing(&m->raft, SNAPSHOT_TRAILING);
}

static void member_bootstrap(struct member *m)
{
    struct raft_configuration configuration;
    raft_configuration_init(&configuration);
    for (unsigned i = 0; i < MEMBERS; i++) {
        assert_int_equal(raft_configuration_add(&configuration, i + 1,
                                                m->cluster->members[i].address, RAFT_VOTER),
                         0);
    }
    assert_int_equal(raft_bootstrap(&m->raft, &configuration), 0);
    raft_configuration_close(&configuration);
}

static void member_start(struct member *m)
{
    if (raft_start(&m->raft) != 0) {
        fail_msg("raft_start: %s", raft_errmsg(&m->raft));
    }
    m->running = true;
}

static void raft_closed_cb(struct raft *raft)
{
    struct member *m = raft->data;
    m->closed = true;
}

static void member_close(struct member *m)
{
    m->running = false;
    m->raft.data = m;
    raft_close(&m->raft, raft_closed_cb);
    assert_true(bed_run_until(&m->cluster->loop, m->closed, 10000));
    guard_free(m->guard);
    raft_uv_close(&m->io);
    transport_free(&m->transport);
}

static void cluster_open(struct cluster *c)
{
    memset(c, 0, sizeof *c);
    bed_loop_open(&c->loop);
    snprintf(c->dir, sizeof c->dir, "/tmp/test-transport-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *m = &c->members[i];
        m->cluster = c;
        m->slot = i;
        snprintf(m->dir, sizeof m->dir, "%s/%u", c->dir, i + 1);
        assert_int_equal(mkdir(m->dir, 0700), 0);
        bed_free_address(m->address);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_open(&c->members[i]);
        member_bootstrap(&c->members[i]);
    }
}

static void cluster_close(struct cluster *c)
{
    char command[128];
    for (unsigned i = 0; i < MEMBERS; i++) {
        if (c->members[i].running) {
            member_close(&c->members[i]);
        }
        assert_int_equal(c->members[i].warnings, 0);
    }
    bed_loop_close(&c->loop);
    snprintf(command, sizeof command, "rm -rf '%s'", c->dir);
    assert_int_equal(system(command), 0);
}

static struct member *leader_of(struct cluster *c)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct member *m = &c->members[i];
        if (m->running && raft_state(&m->raft) == RAFT_LEADER) {
            return m;
        }
    }
    return NULL;
}

static struct member *wait_for_leader(struct cluster *c)
{
    assert_true(bed_run_until(&c->loop, leader_of(c) != NULL, 10000));
    return leader_of(c);
}

struct command {
    struct raft_apply request;
    struct cluster *cluster;
    unsigned number;
};

static void applied_cb(struct raft_apply *request, int status, void *result)
{
    struct command *command = request->data;
    (void)result;
    if (status == 0) {
        command->cluster->acknowledged[command->number] = true;
    } else {
        assert_int_equal(status, RAFT_LEADERSHIPLOST);
    }
    command->cluster->under_way--;
    free(command);
}

static void propose(struct cluster *c, unsigned number, size_t len)
{
    struct member *leader = wait_for_leader(c);
    struct command *command = calloc(1, sizeof *command);
    struct raft_buffer buf = {.base = raft_calloc(1, len), .len = len};
    assert_non_null(command);
    assert_non_null(buf.base);
    ((uint64_t *)buf.base)[0] = number;
    command->request.data = command;
    command->cluster = c;
    command->number = number;
    c->under_way++;
    c->proposed[number]++;
    assert_int_equal(raft_apply(&leader->raft, &command->request, &buf, 1, applied_cb), 0);
}

/* Commit the next `n` numbers, each a command of `len` bytes, some at a time. On a machine that
 * stands still for an election's time the leader loses its leadership, and does not know what
 * becomes of a command: it is proposed again. */
static void commit(struct cluster *c, unsigned n, size_t len)
{
    unsigned end = c->n + n;
    assert_in_range(end, 1, NUMBERS);
    for (unsigned round = 0; c->n < end; round++) {
        assert_in_range(round, 0, 29);
        for (unsigned number = c->n; number < end; number++) {
            if (!c->acknowledged[number]) {
                propose(c, number, len);
                assert_true(bed_run_until(&c->loop, c->under_way < 16, 10000));
            }
        }
        assert_true(bed_run_until(&c->loop, c->under_way == 0, 10000));
        while (c->n < end && c->acknowledged[c->n]) {
            c->n++;
        }
    }
}

/* Every member that runs has applied the same, and all that was acknowledged. */
static bool all_agree(const struct cluster *c)
{
    const struct member *first = NULL;
    for (unsigned i = 0; i < MEMBERS; i++) {
        const struct member *m = &c->members[i];
        if (!m->running) {
            continue;
        }
        first = first == NULL ? m : first;
        if (memcmp(m->times, first->times, sizeof m->times) != 0 ||
            (c->n > 0 && memchr(m->times, 0, c->n) != NULL)) {
            return false;
        }
    }
    return true;
}

static void three_members_elect_a_leader_and_commit(void **state)
{
    struct cluster c;
    (void)state;
    cluster_open(&c);
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_start(&c.members[i]);
    }
    commit(&c, 100, 128);
    commit(&c, 8, 1u << 20); /* entries of many frames */
    assert_true(bed_run_until(&c.loop, all_agree(&c), 10000));
    cluster_close(&c);
}

static void a_new_leader_is_elected_when_the_old_one_closes(void **state)
{
    struct cluster c;
    (void)state;
    cluster_open(&c);
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_start(&c.members[i]);
    }
    commit(&c, 20, 128);
    struct member *old = wait_for_leader(&c);
    member_close(old);
    commit(&c, 20, 128);
    assert_true(bed_run_until(&c.loop, all_agree(&c), 10000));
    member_open(old); /* it comes back and catches up from its log and the leader's */
    member_start(old);
    assert_true(bed_run_until(&c.loop, all_agree(&c), 10000));
    cluster_close(&c);
}

static void a_member_that_was_away_gets_the_snapshot(void **state)
{
    struct cluster c;
    (void)state;
    cluster_open(&c);
    member_start(&c.members[0]);
    member_start(&c.members[1]);
    commit(&c, 200, 128);
    member_start(&c.members[2]);
    assert_true(bed_run_until(&c.loop, all_agree(&c), 20000));
    assert_true(c.members[2].restored >= 1); /* again, when the leadership moved meanwhile */
    commit(&c, 10, 128);
    assert_true(bed_run_until(&c.loop, all_agree(&c), 10000));
    cluster_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_members_elect_a_leader_and_commit),
        cmocka_unit_test(a_new_leader_is_elected_when_the_old_one_closes),
        cmocka_unit_test(a_member_that_was_away_gets_the_snapshot),
    };
    return cmocka_run_group_tests_name("transport_raft", tests, NULL, NULL);
}
