/* fleet.c - see fleet.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fleet.h"
#include "cluster/process.h"

#define SERVER_CONTEXTS 32
#define SERVER_FLAG "--server"

/* ------------------------------------------------------------- in a server's process */

struct worker {
    struct fleet *fleet;
    struct server *server;
    nng_ctx ctx;
    nng_aio *aio;
    bool sending;
};

static void fleet_note(struct fleet *f, const uint8_t *request_id)
{
    unsigned at = atomic_fetch_add(&f->n_ids, 1);

    if (at >= FLEET_IDS_MAX) {
        abort();
    }
    memcpy(f->ids[at], request_id, 16);
}

/* Carry out the operations of a request: their results. */
static void server_results(struct worker *w, const struct request *request, struct buffer *out)
{
    const uint8_t *at = request->operations.data;
    size_t left = request->operations.len;

    atomic_fetch_add(&w->fleet->messages, 1);
    for (uint32_t i = 0; i < request->n_operations; i++) {
        struct operation op;
        struct buffer body = {0};
        if (operation_decode(at, left, &op) != ORDERSCHED_OK) {
            abort();
        }
        at += op.bytes.len;
        left -= op.bytes.len;
        if (op.request_id != NULL) {
            fleet_note(w->fleet, op.request_id);
        }
        struct result result = {.state = op.code == OPERATION_PAY      ? ORDERSCHED_PAID
                                         : op.code == OPERATION_CANCEL ? ORDERSCHED_CANCELLED
                                                                       : ORDERSCHED_PENDING,
                                .deadline_ms = op.time_ms,
                                .remaining_ms = op.relative,
                                .index = op.id.len};
        if (op.code == OPERATION_GET || op.code == OPERATION_STATUS) {
            write_uint(&body, w->server->id);
            result.body = (struct slice){body.data, body.len};
        }
        result_encode(out, &result);
        buffer_free(&body);
    }
}

/* The answer to a request, or false: none. */
static bool server_answer(struct worker *w, const uint8_t *data, size_t len, struct buffer *out)
{
    struct server *s = w->server;
    int behaviour = s->behaviour;
    int leader = behaviour == FOLLOWS ? s->leader : s->port;
    struct buffer results = {0};
    struct request request;
    char address[32];

    if (request_decode(data, len, &request) != ORDERSCHED_OK) {
        abort();
    }
    bool local = (request.flags & PROTOCOL_LOCAL) != 0;
    if (behaviour == DEAF || (behaviour == SILENT && request.n_operations > 0)) {
        return false;
    }
    int n = leader != 0 ? snprintf(address, sizeof address, "127.0.0.1:%d", leader) : 0;
    struct answer answer = {.node_id = s->id,
                            .leader_id = behaviour != FOLLOWS ? s->id
                                         : leader != 0        ? 99
                                                              : 0,
                            .leader_address = {(const uint8_t *)address, (size_t)n},
                            .term = s->term,
                            .now_ms = FLEET_NOW};
    if (behaviour == FOLLOWS && request.n_operations > 0 && !local) {
        answer.error = ORDERSCHED_NOT_LEADER;
    } else {
        server_results(w, &request, &results);
        answer.n_results = request.n_operations;
        answer.results = (struct slice){results.data, results.len};
    }
    answer_encode(out, &answer);
    buffer_free(&results);
    return true;
}

static void worker_receive(struct worker *w)
{
    w->sending = false;
    nng_ctx_recv(w->ctx, w->aio);
}

static void worker_cb(void *arg)
{
    struct worker *w = arg;
    struct buffer out = {0};

    if (nng_aio_result(w->aio) != 0) {
        abort(); /* these servers are only ever killed */
    }
    if (w->sending) {
        worker_receive(w);
        return;
    }
    nng_msg *msg = nng_aio_get_msg(w->aio);
    atomic_fetch_add(&w->server->received, 1);
    if (!server_answer(w, nng_msg_body(msg), nng_msg_len(msg), &out)) {
        nng_msg_free(msg);
        worker_receive(w); /* gives the request up */
        return;
    }
    nng_msg_clear(msg);
    if (nng_msg_append(msg, out.data, out.len) != 0) {
        abort();
    }
    buffer_free(&out);
    w->sending = true;
    nng_aio_set_msg(w->aio, msg);
    nng_ctx_send(w->ctx, w->aio);
}

static int fleet_server(struct fleet *f, struct server *s, int port)
{
    struct worker workers[SERVER_CONTEXTS];
    nng_listener listener;
    nng_socket socket_;
    char url[64];
    int bound;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
    if (nng_rep0_open(&socket_) != 0 ||
        nng_socket_set_size(socket_, NNG_OPT_RECVMAXSZ, PROTOCOL_MESSAGE_MAX + 64) != 0) {
        return 1;
    }
    for (int i = 0; i < SERVER_CONTEXTS; i++) {
        workers[i] = (struct worker){.fleet = f, .server = s};
        if (nng_ctx_open(&workers[i].ctx, socket_) != 0 ||
            nng_aio_alloc(&workers[i].aio, worker_cb, &workers[i]) != 0) {
            return 1;
        }
        worker_receive(&workers[i]);
    }
    if (nng_listen(socket_, url, &listener, 0) != 0 ||
        nng_listener_get_int(listener, NNG_OPT_TCP_BOUND_PORT, &bound) != 0) {
        return 1;
    }
    s->port = bound;
    for (;;) {
        pause();
    }
}

static struct fleet *fleet_map(int fd)
{
    void *at = mmap(NULL, sizeof(struct fleet), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED) {
        abort();
    }
    return at;
}

void fleet_main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], SERVER_FLAG) == 0) {
        struct fleet *f = fleet_map(atoi(argv[2]));
        exit(fleet_server(f, &f->servers[atoi(argv[3])], atoi(argv[4])));
    }
}

/* ------------------------------------------------------------------ in the test's process */

struct fleet *fleet_new(void)
{
    int fd = memfd_create("fleet", 0); /* the servers inherit it */

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(struct fleet)), 0);
    struct fleet *f = fleet_map(fd);
    f->fd = fd;
    return f;
}

void fleet_kill(struct server *s)
{
    if (s->pid != 0) {
        process_end(s->pid, SIGKILL);
        s->pid = 0;
    }
}

void fleet_free(struct fleet *f)
{
    for (int i = 0; i < FLEET_SERVERS; i++) {
        fleet_kill(&f->servers[i]);
    }
    close(f->fd);
    munmap(f, sizeof *f);
}

struct server *fleet_start(struct fleet *f, int number, unsigned id, int port,
                           enum behaviour behaviour)
{
    extern char **environ;
    struct server *s = &f->servers[number];
    char args[3][16];
    char *argv[] = {"fleet-server", SERVER_FLAG, args[0], args[1], args[2], NULL};

    s->port = 0;
    s->id = id;
    s->term = 1;
    s->behaviour = behaviour;
    snprintf(args[0], sizeof args[0], "%d", f->fd);
    snprintf(args[1], sizeof args[1], "%d", number);
    snprintf(args[2], sizeof args[2], "%d", port);
    assert_int_equal(posix_spawn(&s->pid, "/proc/self/exe", NULL, NULL, argv, environ), 0);
    for (int i = 0; i < 10000 && s->port == 0; i++) {
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
        sleep_ms(1);
    }
    assert_true(s->port != 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%d", s->port);
    return s;
}

static int id_compare(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

unsigned fleet_requests(struct fleet *f)
{
    unsigned different = 0;

    qsort(f->ids, f->n_ids, 16, id_compare);
    for (unsigned i = 0; i < f->n_ids; i++) {
        different += i == 0 || memcmp(f->ids[i], f->ids[i - 1], 16) != 0;
    }
    return different;
}

struct ordersched_client *fleet_client(const char *endpoints, unsigned timeout_ms)
{
    struct ordersched_config config = {.endpoints = endpoints, .timeout_ms = timeout_ms};
    struct ordersched_client *client = NULL;

    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_OK);
    return client;
}

void address_of_nobody(char address[32])
{
    unsigned port;

    close(listen_somewhere(&port));
    snprintf(address, 32, "127.0.0.1:%u", port);
}

void collected_take(void *arg, const struct ordersched_answer *answer)
{
    struct collected *c = arg;

    c->error = answer->error;
    if (c->client != NULL) {
        struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "b", .id_len = 1};
        struct ordersched_client *client = c->client;
        c->client = NULL;
        c->from_callback = ordersched_call(client, &op, 0, NULL);
        assert_int_equal(ordersched_submit(client, &op, 0, collected_take, c), ORDERSCHED_OK);
    }
    c->calls++;
}

void collected_wait(atomic_int *n, int wanted, unsigned ms)
{
    uint64_t end = monotonic_ms() + ms;

    while (*n < wanted && monotonic_ms() < end) {
        sleep_ms(1);
    }
    assert_int_equal(*n, wanted);
}

static void *payer_run(void *arg)
{
    struct payer *p = arg;

    for (int i = 0; i < p->calls; i++) {
        char id[32];
        struct ordersched_answer answer;
        snprintf(id, sizeof id, "%d-%d", p->number, i);
        int error = ordersched_pay(p->client, id, &answer);
        if (error != ORDERSCHED_OK || answer.index != strlen(id)) {
            print_error("%s: %s\n", id, ordersched_error_name(error));
            p->failed++;
        }
    }
    return NULL;
}

void payers_start(struct payer *payers, int n, int calls, struct ordersched_client *client)
{
    for (int i = 0; i < n; i++) {
        payers[i] = (struct payer){.client = client, .calls = calls, .number = i};
        assert_int_equal(pthread_create(&payers[i].thread, NULL, payer_run, &payers[i]), 0);
    }
}

int payers_join(struct payer *payers, int n)
{
    int failed = 0;

    for (int i = 0; i < n; i++) {
        pthread_join(payers[i].thread, NULL);
        failed += payers[i].failed;
    }
    return failed;
}
