/* group.c - a consensus group in one process. See group.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include "group.h"

#include <cmocka.h>

#include <arpa/inet.h>
#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP_WAIT_MS 15000

/* --- the state machine --- */

static void member_apply(void *arg, uint64_t index, const uint8_t *data, size_t len)
{
    struct group_member *m = arg;

    assert(len >= 16 && index > m->applied && m->n_values < GROUP_VALUES_MAX);
    memcpy(&m->values[m->n_values++], data, 8);
    m->applied = index;
}

static struct snapshot_part member_part(const void *data, size_t len)
{
    struct snapshot_part part;
    bool made = snapshot_part_new(&part, len);

    assert(made);
    memcpy(part.data, data, len);
    part.len = len;
    return part;
}

static int member_snapshot(void *arg, struct snapshot_part **parts, unsigned *n)
{
    struct group_member *m = arg;

    *n = m->n_values > 0 ? 3 : 2;
    *parts = malloc(*n * sizeof **parts);
    (*parts)[0] = member_part("GROUPIMG", 8);
    (*parts)[1] = member_part(&m->applied, 8);
    if (m->n_values > 0) {
        (*parts)[2] = member_part(m->values, 8 * (size_t)m->n_values);
    }
    m->n_snapshots++;
    return 0;
}

static int member_restore(void *arg, const uint8_t *data, size_t len)
{
    struct group_member *m = arg;

    if (len < 16 || memcmp(data, "GROUPIMG", 8) != 0) {
        return -1;
    }
    memcpy(&m->applied, data + 8, 8);
    m->n_values = (unsigned)((len - 16) / 8);
    memcpy(m->values, data + 16, 8 * (size_t)m->n_values);
    m->n_restored++;
    return 0;
}

static void member_changed(void *arg, enum replica_role role, uint64_t term)
{
    struct group_member *m = arg;

    m->role = role;
    m->term = term;
    m->n_changed++;
    if (role == REPLICA_LEADER && m->propose_on_lead) {
        bool proposed = group_propose(m);
        assert(proposed);
    }
}

static void member_fatal(void *arg, const char *sentence)
{
    struct group_member *m = arg;

    m->n_fatal++;
    fprintf(stderr, "member %llu: fatal: %s\n", (unsigned long long)m->id, sentence);
    abort();
}

static void member_log(void *arg, const char *level, const char *sentence)
{
    (void)arg;
    (void)level;
    (void)sentence;
}

static bool member_loses(void *arg, const struct raft_message *message)
{
    struct group_member *m = arg;

    return message->server_id <= GROUP_MEMBERS_MAX && m->group->cut[m->id][message->server_id];
}

/* --- life --- */

static void wake_cb(uv_timer_t *timer)
{
    (void)timer;
}

/* A port that is free now. */
static unsigned free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rv = bind(fd, (struct sockaddr *)&in, sizeof in);

    assert(rv == 0);
    rv = getsockname(fd, (struct sockaddr *)&in, &len);
    assert(rv == 0);
    close(fd);
    return ntohs(in.sin_port);
}

struct group *group_new(void)
{
    struct group *g = calloc(1, sizeof *g);
    char *made;

    snprintf(g->root, sizeof g->root, "/tmp/orderschedd-group-XXXXXX");
    made = mkdtemp(g->root);
    assert_non_null(made);
    assert_int_equal(uv_loop_init(&g->loop), 0);
    uv_timer_init(&g->loop, &g->wake);
    uv_timer_start(&g->wake, wake_cb, 2, 2);
    for (uint64_t id = 1; id <= GROUP_MEMBERS_MAX; id++) {
        struct group_member *m = &g->members[id];
        m->group = g;
        m->id = id;
        m->values = calloc(GROUP_VALUES_MAX, sizeof *m->values);
        snprintf(m->address, sizeof m->address, "127.0.0.1:%u", free_port());
        snprintf(m->dir, sizeof m->dir, "%s/%u", g->root, (unsigned)id);
    }
    return g;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void group_wipe(struct group *g, uint64_t id)
{
    assert_false(g->members[id].open);
    nftw(g->members[id].dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void group_free(struct group *g)
{
    for (uint64_t id = 1; id <= GROUP_MEMBERS_MAX; id++) {
        if (g->members[id].open) {
            group_close(g, id);
        }
        free(g->members[id].values);
    }
    uv_close((uv_handle_t *)&g->wake, NULL);
    uv_run(&g->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&g->loop), 0);
    nftw(g->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(g);
}

static void member_found(struct group *g, struct group_member *m, unsigned founders)
{
    struct replica_member members[GROUP_MEMBERS_MAX] = {0};

    for (unsigned i = 0; i < founders; i++) {
        members[i].id = i + 1;
        members[i].address = g->members[i + 1].address;
        members[i].voter = true;
    }
    if (replica_bootstrap(m->replica, members, founders, g->err, sizeof g->err) != 0) {
        fail_msg("%s", g->err);
    }
}

void group_open(struct group *g, uint64_t id, unsigned founders)
{
    struct group_member *m = &g->members[id];
    struct disk_config disk = {.dir = m->dir,
                               .cluster = "group",
                               .id = id,
                               .fatal = member_fatal,
                               .log = member_log,
                               .arg = m};
    struct transport_config transport = {.cluster = "group", .log = member_log, .log_arg = m};
    unsigned heartbeat_ms = g->heartbeat_ms != 0 ? g->heartbeat_ms : 20;
    struct replica_config config = {.id = id,
                                    .address = m->address,
                                    .election_timeout_ms = 10 * heartbeat_ms,
                                    .heartbeat_timeout_ms = heartbeat_ms,
                                    .snapshot_threshold = g->threshold,
                                    .snapshot_trailing = g->trailing,
                                    .random_seed = (unsigned)id * 7919,
                                    .add_patience_ms = g->patience_ms != 0 ? g->patience_ms : 1000};
    struct replica_callbacks callbacks = {.arg = m,
                                          .apply = member_apply,
                                          .snapshot = member_snapshot,
                                          .restore = member_restore,
                                          .changed = member_changed,
                                          .fatal = member_fatal};

    assert_false(m->open);
    m->closed = false;
    m->n_values = 0;
    m->applied = 0;
    m->role = REPLICA_FOLLOWER;
    m->disk = disk_open(&disk, g->err, sizeof g->err);
    if (m->disk == NULL) {
        fail_msg("%s", g->err);
    }
    assert_int_equal(transport_init(&m->transport, &g->loop, &transport), 0);
    if (disk_start(m->disk, &g->loop, &m->transport, &m->io, g->err, sizeof g->err) != 0) {
        fail_msg("%s", g->err);
    }
    lossy_io_init(&m->lossy, m->io, member_loses, m);
    m->replica = replica_new(&config, &m->lossy.io, &callbacks, g->err, sizeof g->err);
    if (m->replica == NULL) {
        fail_msg("%s", g->err);
    }
    if (disk_is_pristine(m->disk) && founders > 0) {
        member_found(g, m, founders);
    }
    if (replica_start(m->replica, g->err, sizeof g->err) != 0) {
        fail_msg("%s", g->err);
    }
    m->open = true;
}

static void member_closed(void *arg)
{
    ((struct group_member *)arg)->closed = true;
}

static void group_turn(struct group *g)
{
    uv_run(&g->loop, UV_RUN_ONCE);
    for (uint64_t id = 1; id <= GROUP_MEMBERS_MAX; id++) {
        if (g->members[id].open) {
            lossy_io_turn(&g->members[id].lossy);
        }
    }
}

void group_close(struct group *g, uint64_t id)
{
    struct group_member *m = &g->members[id];

    assert_true(m->open);
    replica_close(m->replica, member_closed, m);
    while (!m->closed) {
        group_turn(g);
    }
    m->open = false;
    replica_free(m->replica);
    disk_close(m->disk);
    transport_free(&m->transport);
    m->replica = NULL;
    m->role = REPLICA_FOLLOWER;
}

/* --- running --- */

void group_run_until(struct group *g, bool (*done)(struct group *g), unsigned ms)
{
    uint64_t end = uv_hrtime() / 1000000 + ms;

    while (!done(g)) {
        if (uv_hrtime() / 1000000 > end) {
            fail_msg("it did not come about within %u ms", ms);
        }
        group_turn(g);
    }
}

void group_run(struct group *g, unsigned ms)
{
    uint64_t end = uv_hrtime() / 1000000 + ms;

    while (uv_hrtime() / 1000000 < end) {
        group_turn(g);
    }
}

static struct group_member *group_find_leader(struct group *g)
{
    struct group_member *leader = NULL;

    for (uint64_t id = 1; id <= GROUP_MEMBERS_MAX; id++) {
        struct group_member *m = &g->members[id];
        if (m->open && m->role == REPLICA_LEADER && (leader == NULL || m->term > leader->term)) {
            leader = m;
        }
    }
    return leader;
}

static bool there_is_a_leader(struct group *g)
{
    struct group_member *leader = group_find_leader(g);
    unsigned agree = 0, open = 0;

    for (uint64_t id = 1; leader != NULL && id <= GROUP_MEMBERS_MAX; id++) {
        struct group_member *m = &g->members[id];
        const char *address;
        if (m->open) {
            open++;
            agree += replica_leader(m->replica, &address) == leader->id &&
                     replica_term(m->replica) == leader->term;
        }
    }
    return leader != NULL && agree > open / 2;
}

struct group_member *group_leader(struct group *g)
{
    group_run_until(g, there_is_a_leader, GROUP_WAIT_MS);
    return group_find_leader(g);
}

struct group_member *group_other_leader(struct group *g, uint64_t than)
{
    unsigned waited_ms = 0;

    while (g->members[than].role == REPLICA_LEADER || group_leader(g)->id == than) {
        group_run(g, 10);
        waited_ms += 10;
        assert_true(waited_ms < GROUP_WAIT_MS);
    }
    return group_find_leader(g);
}

struct group_value {
    struct group *group;
    uint64_t value;
};

static void proposed_cb(void *arg, enum replica_status status)
{
    struct group_value *v = arg;
    struct group *g = v->group;

    g->n_pending--;
    if (status == REPLICA_COMMITTED) {
        g->acknowledged[g->n_acknowledged++] = v->value;
    } else {
        g->n_lost++;
    }
    free(v);
}

bool group_propose(struct group_member *m)
{
    struct group *g = m->group;
    struct group_value *v = malloc(sizeof *v);
    size_t len = 16 + g->padding;
    uint8_t *data = replica_alloc(len);

    v->group = g;
    v->value = g->next_value + 1;
    memset(data, 0, len);
    memcpy(data, &v->value, 8);
    if (replica_propose(m->replica, data, len, proposed_cb, v) != 0) {
        replica_dealloc(data);
        free(v);
        return false;
    }
    g->next_value++;
    g->n_pending++;
    return true;
}

static bool nothing_is_pending(struct group *g)
{
    return g->n_pending == 0;
}

void group_settle(struct group *g, unsigned ms)
{
    group_run_until(g, nothing_is_pending, ms);
}

void group_commit(struct group *g, unsigned n)
{
    unsigned wanted = g->n_acknowledged + n;

    while (g->n_acknowledged < wanted) {
        struct group_member *leader = group_leader(g);
        for (unsigned i = 0; i < 32 && g->n_acknowledged + g->n_pending < wanted; i++) {
            if (!group_propose(leader)) {
                group_turn(g);
                break;
            }
        }
        group_settle(g, GROUP_WAIT_MS);
    }
}

bool group_has(const struct group_member *m, uint64_t value)
{
    for (unsigned i = 0; i < m->n_values; i++) {
        if (m->values[i] == value) {
            return true;
        }
    }
    return false;
}

static bool all_agree(struct group *g)
{
    struct group_member *first = NULL;

    for (uint64_t id = 1; id <= GROUP_MEMBERS_MAX; id++) {
        struct group_member *m = &g->members[id];
        if (!m->open) {
            continue;
        }
        first = first != NULL ? first : m;
        if (m->n_values < g->n_acknowledged || m->n_values != first->n_values ||
            replica_applied_index(m->replica) != replica_applied_index(first->replica) ||
            memcmp(m->values, first->values, 8 * (size_t)m->n_values) != 0) {
            return false;
        }
    }
    return true;
}

void group_converge(struct group *g)
{
    group_run_until(g, all_agree, GROUP_WAIT_MS);
    for (uint64_t id = 1; id <= GROUP_MEMBERS_MAX; id++) {
        if (!g->members[id].open) {
            continue;
        }
        for (unsigned i = 0; i < g->n_acknowledged; i++) {
            if (!group_has(&g->members[id], g->acknowledged[i])) {
                fail_msg("member %llu has lost the acknowledged value %llu", (unsigned long long)id,
                         (unsigned long long)g->acknowledged[i]);
            }
        }
    }
}

void group_cut(struct group *g, uint64_t a, uint64_t b, bool cut)
{
    g->cut[a][b] = g->cut[b][a] = cut;
}

void group_isolate(struct group *g, uint64_t a, bool cut)
{
    for (uint64_t b = 1; b <= GROUP_MEMBERS_MAX; b++) {
        if (b != a) {
            group_cut(g, a, b, cut);
        }
    }
}

/* --- changes --- */

void group_change_cb(void *arg, int error, const char *text)
{
    struct group *g = arg;

    assert(!g->change_done);
    g->change_done = true;
    g->change_error = error;
    snprintf(g->change_text, sizeof g->change_text, "%s", text != NULL ? text : "");
}

static bool change_is_done(struct group *g)
{
    return g->change_done;
}

int group_change(struct group *g)
{
    group_run_until(g, change_is_done, GROUP_WAIT_MS);
    g->change_done = false;
    return g->change_error;
}

int group_setup(void **state)
{
    *state = group_new();
    return 0;
}

int group_teardown(void **state)
{
    group_free(*state);
    return 0;
}

void group_open_three(struct group *g)
{
    for (uint64_t id = 1; id <= 3; id++) {
        group_open(g, id, 3);
    }
}

uint64_t group_other_than(uint64_t a, uint64_t b)
{
    for (uint64_t id = 1;; id++) {
        if (id != a && id != b) {
            return id;
        }
    }
}
