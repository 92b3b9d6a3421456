/* cluster.c - see cluster.h. The receiver's part is sink.c. */
#include "cluster.h"

#include <msgpack.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../../../client/wire/cursor.h"
#include "../../../client/wire/protocol.h"

#define CLUSTER_UP_MS 10000   /* until a node that was just started listens */
#define CLUSTER_SAYS_MS 15000 /* until orderctl says what is expected */
#define CLUSTER_LOGS_MS 20000
#define CLUSTER_KNOWN_MS 31536000000 /* of ids: before 1971 no time was known */
#define CLUSTER_PORTS 4              /* between one node's Raft port and the next one's */

static void fail(const struct cluster *c, const char *what)
{
    fprintf(stderr, "cluster in %s: %s\n", c->dir, what);
    abort();
}

static void cluster_place(struct cluster *c, unsigned i, uint64_t id, unsigned port)
{
    struct cluster_node *node = &c->nodes[i];
    char dir[sizeof c->dir]; /* a copy: gcc cannot tell that the two never overlap */

    memcpy(dir, c->dir, sizeof dir);
    memset(node, 0, sizeof *node);
    node->id = id;
    node->port = port;
    snprintf(node->data, sizeof node->data, "%s/node-%llu", dir, (unsigned long long)id);
    snprintf(node->log, sizeof node->log, "%s/node-%llu.log", dir, (unsigned long long)id);
    size_t len = strlen(c->endpoints);
    snprintf(c->endpoints + len, sizeof c->endpoints - len, "%s127.0.0.1:%u", len > 0 ? "," : "",
             port + 1);
}

void cluster_init(struct cluster *c, unsigned n)
{
    memset(c, 0, sizeof *c);
    scratch_make(c->dir, sizeof c->dir);
    unsigned base = ports_free(CLUSTER_PORTS * CLUSTER_NODES_MAX);
    c->n = n;
    for (unsigned i = 0; i < n; i++) {
        size_t len = strlen(c->peers);
        cluster_place(c, i, i + 1, base + CLUSTER_PORTS * i);
        snprintf(c->peers + len, sizeof c->peers - len, "%s%u=127.0.0.1:%u", i > 0 ? "," : "",
                 i + 1, c->nodes[i].port);
    }
}

unsigned cluster_grow(struct cluster *c, uint64_t id)
{
    unsigned i = c->n++;

    if (i >= CLUSTER_NODES_MAX) {
        fail(c, "too many nodes");
    }
    cluster_place(c, i, id, c->nodes[0].port + CLUSTER_PORTS * i);
    c->nodes[i].joins = true;
    return i;
}

void cluster_start(struct cluster *c, unsigned i)
{
    struct cluster_node *node = &c->nodes[i];
    char program[600], id[24], address[64];
    char *argv[32] = {program, "--id", id, "--data", node->data};
    unsigned n = 5;

    process_path("orderschedd", program, sizeof program);
    snprintf(id, sizeof id, "%llu", (unsigned long long)node->id);
    snprintf(address, sizeof address, "127.0.0.1:%u", node->port);
    if (node->joins) {
        argv[n++] = "--join";
        argv[n++] = "--address";
        argv[n++] = address;
    } else {
        argv[n++] = "--peers";
        argv[n++] = (char *)(node->peers != NULL ? node->peers : c->peers);
    }
    for (unsigned k = 0; node->args[k] != NULL; k++) {
        argv[n++] = (char *)node->args[k];
    }
    argv[n] = NULL;
    node->pid = process_start(argv, node->log, node->preload, node->environment);
}

void cluster_start_all(struct cluster *c)
{
    for (unsigned i = 0; i < c->n; i++) {
        if (c->nodes[i].pid == 0) {
            cluster_start(c, i);
        }
    }
}

void cluster_kill(struct cluster *c, unsigned i)
{
    if (c->nodes[i].pid != 0) {
        (void)process_end(c->nodes[i].pid, SIGKILL);
        c->nodes[i].pid = 0;
    }
}

int cluster_stop(struct cluster *c, unsigned i)
{
    uint64_t until = monotonic_ms() + CLUSTER_UP_MS;

    /* Before main() has begun a signal ends a process whatever the program would make of it. */
    while (port_is_free(c->nodes[i].port + 1) && process_alive(c->nodes[i].pid) &&
           monotonic_ms() < until) {
        sleep_ms(5);
    }
    int status = process_end(c->nodes[i].pid, SIGTERM);

    c->nodes[i].pid = 0;
    return status;
}

void cluster_wipe(struct cluster *c, unsigned i)
{
    scratch_remove(c->nodes[i].data);
}

void cluster_close(struct cluster *c, bool keep)
{
    for (unsigned i = 0; i < c->n; i++) {
        cluster_kill(c, i);
    }
    if (keep) {
        fprintf(stderr, "kept for inspection: %s\n", c->dir);
    } else {
        scratch_remove(c->dir);
    }
}

void cluster_start_alone(struct cluster *c)
{
    cluster_start(c, 0);
    (void)cluster_wait_leader(c, 20000);
}

int cluster_close_alone(struct cluster *c)
{
    int status = cluster_stop(c, 0);

    cluster_close(c, false);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static ordersched_client *client_of(const struct cluster *c, const char *endpoints,
                                    unsigned timeout_ms)
{
    struct ordersched_config config = {.endpoints = endpoints,
                                       .timeout_ms = timeout_ms,
                                       .tls_ca = c->tls_ca,
                                       .tls_cert = c->tls_cert,
                                       .tls_key = c->tls_key};
    ordersched_client *client;

    if (ordersched_open(&config, &client) != ORDERSCHED_OK) {
        fail(c, "no client");
    }
    return client;
}

ordersched_client *cluster_client(const struct cluster *c)
{
    return client_of(c, c->endpoints, 20000);
}

/* --- one raw operation, waited for --- */

struct waiter {
    volatile bool done;
    int error;
    uint8_t body[8192];
    size_t body_len;
};

static void waiter_cb(void *arg, const struct ordersched_answer *answer)
{
    struct waiter *w = arg;

    w->error = answer->error;
    w->body_len = answer->body_len < sizeof w->body ? answer->body_len : 0;
    if (w->body_len > 0) {
        memcpy(w->body, answer->body, w->body_len);
    }
    __atomic_store_n(&w->done, true, __ATOMIC_RELEASE);
}

static void raw(ordersched_client *client, const void *operation, size_t len, bool mutating,
                const char *target, unsigned timeout_ms, struct waiter *w)
{
    w->done = false;
    int error = ordersched_submit_raw(client, operation, len, mutating, target, timeout_ms,
                                      waiter_cb, w);
    while (error == ORDERSCHED_OK && !__atomic_load_n(&w->done, __ATOMIC_ACQUIRE)) {
        sleep_ms(1);
    }
    if (error !=
        ORDERSCHED_OK) { /* else the answer's, which may have come before submit returned */
        w->error = error;
    }
}

int cluster_raw(ordersched_client *client, const void *operation, size_t len, bool mutating,
                const char *target, unsigned timeout_ms)
{
    struct waiter w = {0};

    raw(client, operation, len, mutating, target, timeout_ms, &w);
    return w.error;
}

/* An id that was made before the cluster knew the time is STALE_REQUEST once it does: nothing was done, and
 * another id is made. */
static int cluster_operate(ordersched_client *client, struct operation *op)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE] = {0};
    int error;

    do {
        struct buffer b = {0};
        if (operation_is_logged(op->code)) {
            if (ordersched_request_id(client, 20000, request_id) != ORDERSCHED_OK) {
                return ORDERSCHED_UNREACHABLE;
            }
            op->request_id = request_id;
        }
        operation_encode(&b, op);
        error = cluster_raw(client, b.data, b.len, true, NULL, 20000);
        buffer_free(&b);
    } while (error == ORDERSCHED_STALE_REQUEST &&
             request_id_time_ms(request_id) < CLUSTER_KNOWN_MS);
    return error;
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

int cluster_route_put(ordersched_client *client, const char *name, const char *url,
                      const char *secret, const uint32_t *retries_ms, unsigned n_retries)
{
    struct operation op = {
        .code = OPERATION_ROUTE_PUT,
        .id = slice_of(name),
        .settings = {.url = slice_of(url),
                     .n_secrets = 1,
                     .secrets = {slice_of(secret)},
                     .timeout_ms = 5000,
                     .window = 256,
                     .n_retries = n_retries},
    };

    for (unsigned i = 0; i < n_retries; i++) {
        op.settings.retries_ms[i] = retries_ms[i];
    }
    return cluster_operate(client, &op);
}

int cluster_route_configure(ordersched_client *client, const char *name,
                            const struct route_settings *settings)
{
    struct operation op = {.code = OPERATION_ROUTE_PUT,
                           .id = slice_of(name),
                           .settings = *settings};

    return cluster_operate(client, &op);
}

int cluster_route_pause(ordersched_client *client, const char *name, bool paused)
{
    struct operation op = {.code = OPERATION_ROUTE_PAUSE, .id = slice_of(name), .paused = paused};

    return cluster_operate(client, &op);
}

int cluster_member_add(ordersched_client *client, uint64_t id, unsigned port)
{
    char address[64];
    struct operation op = {.code = OPERATION_MEMBER_ADD, .node_id = id};

    snprintf(address, sizeof address, "127.0.0.1:%u", port);
    op.address = slice_of(address);
    return cluster_operate(client, &op);
}

int cluster_member_remove(ordersched_client *client, uint64_t id)
{
    struct operation op = {.code = OPERATION_MEMBER_REMOVE, .node_id = id};

    return cluster_operate(client, &op);
}

int cluster_transfer(ordersched_client *client, uint64_t id)
{
    struct operation op = {.code = OPERATION_TRANSFER, .node_id = id};

    return cluster_operate(client, &op);
}

/* --- what a node says --- */

static void status_field(struct cluster_status *s, msgpack_object_str key, msgpack_object value)
{
    const struct {
        const char *name;
        uint64_t *at;
    } fields[] = {
        {"term", &s->term},
        {"commit", &s->commit},
        {"applied", &s->applied},
        {"pending", &s->pending},
        {"closing", &s->closing},
        {"paid", &s->paid},
        {"dead", &s->dead},
        {"cancelled", &s->cancelled},
        {"expired", &s->expired},
        {"now_ms", &s->now_ms},
        {"oldest_overdue_ms", &s->oldest_overdue_ms},
    };

    if (key.size == 4 && memcmp(key.ptr, "role", 4) == 0) {
        s->leader = value.via.str.size == 6 && memcmp(value.via.str.ptr, "leader", 6) == 0;
    }
    if (key.size == 8 && memcmp(key.ptr, "identity", 8) == 0) {
        snprintf(s->identity, sizeof s->identity, "%.*s", (int)value.via.str.size,
                 value.via.str.ptr);
    }
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        if (key.size == strlen(fields[i].name) && memcmp(key.ptr, fields[i].name, key.size) == 0) {
            *fields[i].at = value.via.u64;
        }
    }
}

static int ask(const struct cluster *c, unsigned i, enum operation_code code, struct waiter *w)
{
    struct operation op = {.code = code};
    struct buffer b = {0};
    char target[64];

    snprintf(target, sizeof target, "127.0.0.1:%u", c->nodes[i].port + 1);
    ordersched_client *client = client_of(c, target, 1000);
    operation_encode(&b, &op);
    raw(client, b.data, b.len, false, target, 1000, w);
    buffer_free(&b);
    ordersched_close(client);
    return w->error;
}

struct cluster_status cluster_status(const struct cluster *c, unsigned i)
{
    struct cluster_status s = {0};
    struct waiter w = {0};
    msgpack_unpacked unpacked;
    size_t off = 0;

    if (c->nodes[i].pid == 0 || ask(c, i, OPERATION_STATUS, &w) != ORDERSCHED_OK) {
        return s;
    }
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (char *)w.body, w.body_len, &off) ==
            MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_MAP) {
        s.up = true;
        for (uint32_t k = 0; k < unpacked.data.via.map.size; k++) {
            status_field(&s, unpacked.data.via.map.ptr[k].key.via.str,
                         unpacked.data.via.map.ptr[k].val);
        }
    }
    msgpack_unpacked_destroy(&unpacked);
    return s;
}

int cluster_digest(const struct cluster *c, unsigned i, uint64_t *applied, uint64_t *digest)
{
    struct waiter w = {0};
    struct cursor at;
    int error = ask(c, i, OPERATION_DIGEST, &w);

    if (error != ORDERSCHED_OK) {
        return error;
    }
    cursor_init(&at, w.body, w.body_len);
    (void)cursor_array(&at);
    *applied = cursor_uint(&at);
    *digest = cursor_uint(&at);
    return cursor_ok(&at) ? ORDERSCHED_OK : ORDERSCHED_INVALID;
}

unsigned cluster_wait_leader(const struct cluster *c, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;

    while (monotonic_ms() < until) {
        for (unsigned i = 0; i < c->n; i++) {
            if (cluster_status(c, i).leader) {
                return i;
            }
        }
        sleep_ms(20);
    }
    fail(c, "no leader in time");
    return 0;
}

static bool digests_equal(const struct cluster *c)
{
    uint64_t first_applied = 0, first_digest = 0;
    bool any = false;

    for (unsigned i = 0; i < c->n; i++) {
        uint64_t applied, digest;
        if (c->nodes[i].pid == 0) {
            continue;
        }
        if (cluster_digest(c, i, &applied, &digest) != ORDERSCHED_OK) {
            return false;
        }
        if (any && applied == first_applied && digest != first_digest) {
            fail(c, "replicas disagree: different digests at the same applied index");
        }
        if (any && applied != first_applied) {
            return false;
        }
        any = true;
        first_applied = applied;
        first_digest = digest;
    }
    return any;
}

void cluster_expect_equal_digests(const struct cluster *c, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;

    while (!digests_equal(c)) {
        if (monotonic_ms() > until) {
            fail(c, "the replicas did not reach the same applied index in time");
        }
        sleep_ms(50);
    }
}

/* This shell command comes to end with 0. */
static void expect_command(const struct cluster *c, const char *command, uint64_t within_ms)
{
    uint64_t until = monotonic_ms() + within_ms;

    while (system(command) != 0) {
        if (monotonic_ms() > until) {
            fail(c, command);
        }
        sleep_ms(100);
    }
}

void cluster_expect_orderctl(const struct cluster *c, const char *words, const char *pattern)
{
    char program[600], command[2400];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command, "'%s' %s --endpoints %s 2>&1 | grep -q -- '%s'", program,
             words, c->endpoints, pattern);
    expect_command(c, command, CLUSTER_SAYS_MS);
}

void cluster_expect_log(const struct cluster *c, const char *pattern)
{
    char command[600];

    snprintf(command, sizeof command, "cat '%s'/*.log | grep -q -- '%s'", c->dir, pattern);
    expect_command(c, command, CLUSTER_LOGS_MS);
}
