/* test_client.c - the client library over real connections, against small servers, each a process
 * of its own (this program, started with --server), so that they can be killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <cmocka.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/supplemental/util/platform.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../client/client_handle.h"

#define NOW 1790000000000ull
#define WORKERS 32
#define SERVERS 4
#define LEDGER_MAX 32768

enum behaviour {
    LEADS,
    FOLLOWS, /* names the server at port `leader`, if any */
    SILENT,  /* answers searches, but no operation */
    DEAF,    /* answers nothing */
};

/* One server, as it and the test see it (in shared memory). */
struct server {
    atomic_int behaviour;
    atomic_int leader; /* port, or 0 */
    atomic_uint id;
    atomic_uint term;
    atomic_int port;   /* 0: not listening yet */
    atomic_uint received; /* messages */
    char address[32];
    pid_t pid;
};

/* A cluster: its servers, and which requests they carried out, with repetitions. */
struct cluster {
    int fd;
    struct server servers[SERVERS];
    atomic_uint messages;
    atomic_uint n_ids;
    uint8_t ids[LEDGER_MAX][16];
};

static const char *program; /* how we were started, to start servers likewise */

static uint64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ------------------------------------------------------------- in a server's process */

struct worker {
    struct cluster *cluster;
    struct server *server;
    nng_ctx ctx;
    nng_aio *aio;
    bool sending;
};

static void cluster_note(struct cluster *c, const uint8_t *request_id)
{
    unsigned at = atomic_fetch_add(&c->n_ids, 1);

    if (at >= LEDGER_MAX) {
        abort();
    }
    memcpy(c->ids[at], request_id, 16);
}

/* Carry out the operations of a request: their results. */
static void server_results(struct worker *w, const struct request *request, struct buffer *out)
{
    const uint8_t *at = request->operations.data;
    size_t left = request->operations.len;

    atomic_fetch_add(&w->cluster->messages, 1);
    for (uint32_t i = 0; i < request->n_operations; i++) {
        struct operation op;
        struct buffer body = {0};
        if (operation_decode(at, left, &op) != ORDERSCHED_OK) {
            abort();
        }
        at += op.bytes.len;
        left -= op.bytes.len;
        if (op.request_id != NULL) {
            cluster_note(w->cluster, op.request_id);
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
                            .leader_id = behaviour != FOLLOWS ? s->id : leader != 0 ? 99 : 0,
                            .leader_address = {(const uint8_t *)address, (size_t)n},
                            .term = s->term,
                            .now_ms = NOW};
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

static int server_main(struct cluster *c, struct server *s, int port)
{
    struct worker workers[WORKERS];
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
    for (int i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.cluster = c, .server = s};
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

static struct cluster *cluster_map(int fd)
{
    void *at = mmap(NULL, sizeof(struct cluster), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED) {
        abort();
    }
    return at;
}

/* ------------------------------------------------------------------ in the test's process */

static struct cluster *cluster_new(void)
{
    int fd = memfd_create("cluster", 0); /* the servers inherit it */

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof(struct cluster)), 0);
    struct cluster *c = cluster_map(fd);
    c->fd = fd;
    return c;
}

static void server_kill(struct server *s)
{
    if (s->pid != 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

static void cluster_free(struct cluster *c)
{
    for (int i = 0; i < SERVERS; i++) {
        server_kill(&c->servers[i]);
    }
    close(c->fd);
    munmap(c, sizeof *c);
}

/* port 0: any. */
static struct server *server_start(struct cluster *c, int number, unsigned id, int port,
                                   enum behaviour behaviour)
{
    extern char **environ;
    struct server *s = &c->servers[number];
    char args[3][16];
    char *argv[] = {(char *)program, "--server", args[0], args[1], args[2], NULL};

    s->port = 0;
    s->id = id;
    s->term = 1;
    s->behaviour = behaviour;
    snprintf(args[0], sizeof args[0], "%d", c->fd);
    snprintf(args[1], sizeof args[1], "%d", number);
    snprintf(args[2], sizeof args[2], "%d", port);
    assert_int_equal(posix_spawn(&s->pid, program, NULL, NULL, argv, environ), 0);
    for (int i = 0; i < 10000 && s->port == 0; i++) {
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
        nng_msleep(1);
    }
    assert_true(s->port != 0);
    snprintf(s->address, sizeof s->address, "127.0.0.1:%d", s->port);
    return s;
}

static int id_compare(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

/* How many different requests were carried out. */
static unsigned cluster_requests(struct cluster *c)
{
    unsigned different = 0;

    qsort(c->ids, c->n_ids, 16, id_compare);
    for (unsigned i = 0; i < c->n_ids; i++) {
        different += i == 0 || memcmp(c->ids[i], c->ids[i - 1], 16) != 0;
    }
    return different;
}

static struct ordersched_client *open_client(const char *endpoints, unsigned timeout_ms)
{
    struct ordersched_config config = {.endpoints = endpoints, .timeout_ms = timeout_ms};
    struct ordersched_client *client = NULL;

    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_OK);
    return client;
}

/* A TCP socket that listens; with accept_never its backlog answers, and nobody else. */
static int listen_raw(char address[32])
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    snprintf(address, 32, "127.0.0.1:%d", ntohs(in.sin_port));
    return fd;
}

/* An address where nobody listens. */
static void nobody(char address[32])
{
    close(listen_raw(address));
}

struct collected {
    atomic_int calls;
    atomic_int error;
    struct ordersched_client *client; /* submit once more, from the callback */
    atomic_int from_callback;
};

static void collect(void *arg, const struct ordersched_answer *answer)
{
    struct collected *c = arg;

    c->error = answer->error;
    if (c->client != NULL) {
        struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "b", .id_len = 1};
        struct ordersched_client *client = c->client;
        c->client = NULL;
        c->from_callback = ordersched_call(client, &op, 0, NULL);
        assert_int_equal(ordersched_submit(client, &op, 0, collect, c), ORDERSCHED_OK);
    }
    c->calls++;
}

static void wait_for(atomic_int *n, int wanted, unsigned ms)
{
    uint64_t end = clock_ms() + ms;

    while (*n < wanted && clock_ms() < end) {
        nng_msleep(1);
    }
    assert_int_equal(*n, wanted);
}

static void every_kind_of_call_is_answered(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct ordersched_client *client = open_client(s->address, 5000);
    struct ordersched_answer answer;

    assert_int_equal(ordersched_schedule(client, "order-1", 1800000, "shop", "{}", 2, &answer),
                     ORDERSCHED_OK);
    assert_int_equal(answer.error, ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_PENDING);
    assert_int_equal(answer.deadline_ms, 1800000);
    assert_int_equal(answer.remaining_ms, 1); /* this server's way to say "relative" */
    assert_int_equal(answer.index, 7);
    assert_null(answer.body);
    assert_null(answer.text);
    assert_int_equal(ordersched_extend(client, "order-1", 5000, &answer), ORDERSCHED_OK);
    assert_int_equal(answer.deadline_ms, 5000);
    assert_int_equal(ordersched_pay(client, "order-1", &answer), ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_PAID);
    assert_int_equal(ordersched_cancel(client, "order-22", &answer), ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_CANCELLED);
    assert_int_equal(answer.index, 8);
    assert_int_equal(ordersched_get(client, "order-1", NULL), ORDERSCHED_OK);
    assert_int_equal(cluster_requests(cluster), 4);
    assert_int_equal(cluster->n_ids, cluster_requests(cluster));
    ordersched_close(client);
    cluster_free(cluster);
}

static void a_redirect_leads_to_the_leader(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *leader = server_start(cluster, 0, 99, 0, LEADS);
    struct server *follower = server_start(cluster, 1, 1, 0, FOLLOWS);
    follower->leader = leader->port;
    struct ordersched_client *client = open_client(follower->address, 5000);

    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_int_equal(cluster_requests(cluster), 1);
    /* They change places. */
    follower->term = leader->term = 2;
    follower->id = 99;
    leader->id = 1;
    leader->leader = follower->port;
    follower->behaviour = LEADS;
    leader->behaviour = FOLLOWS;
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_int_equal(cluster_requests(cluster), 2);
    assert_int_equal(cluster->n_ids, cluster_requests(cluster));
    ordersched_close(client);
    cluster_free(cluster);
}

static void a_leader_that_never_answers_leaves_the_outcome_unknown(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, SILENT);
    struct ordersched_client *client = open_client(s->address, 400);
    uint64_t start = clock_ms();

    int error = ordersched_pay(client, "a", NULL);
    assert_int_equal(error, ORDERSCHED_TIMEOUT);
    assert_int_equal(ordersched_error_class(error), ORDERSCHED_UNKNOWN);
    assert_in_range(clock_ms() - start, 390, 1500);
    assert_int_equal(ordersched_get(client, "a", NULL), ORDERSCHED_UNREACHABLE);
    ordersched_close(client);
    cluster_free(cluster);
}

static void where_nobody_listens_nothing_has_happened(void **state)
{
    (void)state;
    char address[32];
    char both[80];
    uint8_t id[16];

    nobody(address);
    snprintf(both, sizeof both, "%s, localhost:%s", address, strchr(address, ':') + 1);
    struct ordersched_client *client = open_client(both, 700);
    uint64_t start = clock_ms();
    int error = ordersched_pay(client, "a", NULL);
    assert_int_equal(error, ORDERSCHED_UNREACHABLE);
    assert_int_equal(ordersched_error_class(error), ORDERSCHED_DEFINITE);
    assert_in_range(clock_ms() - start, 690, 2000);
    start = clock_ms();
    assert_int_equal(ordersched_request_id(client, 200, id), ORDERSCHED_UNREACHABLE);
    assert_in_range(clock_ms() - start, 190, 1000);
    ordersched_close(client);
}

static void nodes_that_hang_or_talk_nonsense_do_not_keep_the_client_from_the_others(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    char hung[32];
    char all[128];
    int fd = listen_raw(hung); /* connects, but never says a word */
    struct server *deaf = server_start(cluster, 1, 2, 0, DEAF);
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);

    snprintf(all, sizeof all, "%s,%s,%s", hung, deaf->address, s->address);
    struct ordersched_client *client = open_client(all, 5000);
    uint64_t start = clock_ms();
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_in_range(clock_ms() - start, 0, 2000);
    ordersched_close(client);

    snprintf(all, sizeof all, "%s", hung);
    client = open_client(all, 600);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_UNREACHABLE);
    ordersched_close(client);
    close(fd);
    cluster_free(cluster);
}

struct payer {
    struct ordersched_client *client;
    pthread_t thread;
    int calls;
    int failed;
    int number;
};

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

static void payers_start(struct payer *payers, int n, int calls, struct ordersched_client *client)
{
    for (int i = 0; i < n; i++) {
        payers[i] = (struct payer){.client = client, .calls = calls, .number = i};
        assert_int_equal(pthread_create(&payers[i].thread, NULL, payer_run, &payers[i]), 0);
    }
}

static int payers_join(struct payer *payers, int n)
{
    int failed = 0;

    for (int i = 0; i < n; i++) {
        pthread_join(payers[i].thread, NULL);
        failed += payers[i].failed;
    }
    return failed;
}

static void sixty_four_threads_share_a_client_and_its_messages(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct ordersched_client *client = open_client(s->address, 20000);
    struct payer payers[64];

    payers_start(payers, 64, 50, client);
    assert_int_equal(payers_join(payers, 64), 0);
    assert_int_equal(cluster_requests(cluster), 64 * 50);
    assert_int_equal(cluster->n_ids, cluster_requests(cluster));
    assert_true(cluster->messages < 64 * 50); /* some travelled together */
    ordersched_close(client);
    cluster_free(cluster);
}

/* Stands between a client and a server, and now and then cuts the connection instead of passing
 * the server's bytes on. */
struct cutter {
    int fd;
    int port; /* of the server */
    char address[32];
    pthread_t thread;
    atomic_bool stop;
};

static bool pump(int from, int to)
{
    char buf[4096];
    ssize_t n = recv(from, buf, sizeof buf, 0);

    return n > 0 && send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *cutter_run(void *arg)
{
    struct cutter *c = arg;
    unsigned passed = 0;

    while (!c->stop) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons((uint16_t)c->port)};
        struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}};
        if (poll(p, 1, 20) <= 0) {
            continue;
        }
        p[0].fd = accept(c->fd, NULL, NULL);
        p[1].fd = socket(AF_INET, SOCK_STREAM, 0);
        p[1].events = POLLIN;
        bool up = connect(p[1].fd, (struct sockaddr *)&in, sizeof in) == 0;
        while (up && !c->stop) {
            poll(p, 2, 20);
            up = (p[0].revents == 0 || pump(p[0].fd, p[1].fd)) &&
                 (p[1].revents == 0 || (++passed % 9 != 5 && pump(p[1].fd, p[0].fd)));
        }
        close(p[0].fd);
        close(p[1].fd);
    }
    return NULL;
}

static struct cutter *cutter_new(int port)
{
    struct cutter *c = calloc(1, sizeof *c);

    c->port = port;
    c->fd = listen_raw(c->address);
    assert_int_equal(pthread_create(&c->thread, NULL, cutter_run, c), 0);
    return c;
}

static void cutter_free(struct cutter *c)
{
    c->stop = true;
    pthread_join(c->thread, NULL);
    close(c->fd);
    free(c);
}

static void lost_connections_are_mended_and_repeat_nothing_but_the_request_id(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct cutter *cutter = cutter_new(s->port);
    struct ordersched_client *client = open_client(cutter->address, 20000);
    struct payer payers[8];

    payers_start(payers, 8, 8, client);
    assert_int_equal(payers_join(payers, 8), 0);
    assert_int_equal(cluster_requests(cluster), 64); /* 64 requests, however often they came */
    assert_true(cluster->n_ids > 64);
    ordersched_close(client);
    cutter_free(cutter);
    cluster_free(cluster);
}

static void calls_survive_the_death_of_the_leader(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *first = server_start(cluster, 0, 1, 0, LEADS);
    struct server *second = server_start(cluster, 1, 2, 0, FOLLOWS);
    struct payer payers[16];
    char both[80];
    int port = first->port;

    second->leader = port;
    snprintf(both, sizeof both, "%s,%s", first->address, second->address);
    struct ordersched_client *client = open_client(both, 20000);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    payers_start(payers, 16, 400, client);
    while (cluster->n_ids < 400) {
        nng_msleep(1);
    }
    server_kill(first);
    uint64_t died = clock_ms();
    nng_msleep(100); /* the others have not noticed yet */
    second->leader = 0;
    nng_msleep(100); /* election */
    second->term = 2;
    second->behaviour = LEADS;
    assert_int_equal(payers_join(payers, 16), 0);
    assert_true(clock_ms() - died < 8000);
    assert_int_equal(cluster_requests(cluster), 1 + 16 * 400);

    /* And back: the first comes up again under its old address, and leads. */
    first = server_start(cluster, 0, 1, port, LEADS);
    first->term = 3;
    server_kill(second);
    assert_int_equal(ordersched_pay(client, "b", NULL), ORDERSCHED_OK);
    ordersched_close(client);
    cluster_free(cluster);
}

static void a_connection_that_went_dead_is_replaced(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct ordersched_client *client = open_client(s->address, 8000);

    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    s->behaviour = DEAF; /* as behind a partition: what is sent vanishes */
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "b", .id_len = 1};
    struct collected c = {0};
    assert_int_equal(ordersched_submit(client, &op, 0, collect, &c), ORDERSCHED_OK);
    nng_msleep(2500);
    assert_int_equal(c.calls, 0);
    s->behaviour = LEADS;
    wait_for(&c.calls, 1, 4000);
    assert_int_equal(c.error, ORDERSCHED_OK);
    ordersched_close(client);
    cluster_free(cluster);
}

static void closing_completes_what_is_pending(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, SILENT);
    struct ordersched_client *client = open_client(s->address, 60000);
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct collected sent = {0};
    struct collected read = {0};
    struct collected unsent = {0};
    char address[32];

    assert_int_equal(ordersched_submit(client, &op, 0, collect, &sent), ORDERSCHED_OK);
    op.kind = ORDERSCHED_GET;
    assert_int_equal(ordersched_submit(client, &op, 0, collect, &read), ORDERSCHED_OK);
    for (int i = 0; i < 2000 && s->received < 2; i++) {
        nng_msleep(1);
    }
    assert_true(s->received >= 2);
    ordersched_close(client);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(sent.error, ORDERSCHED_TIMEOUT);
    assert_int_equal(read.calls, 1);
    assert_int_equal(read.error, ORDERSCHED_CLOSED);

    nobody(address);
    client = open_client(address, 60000);
    op.kind = ORDERSCHED_PAY;
    assert_int_equal(ordersched_submit(client, &op, 0, collect, &unsent), ORDERSCHED_OK);
    nng_msleep(50);
    ordersched_close(client);
    assert_int_equal(unsent.calls, 1);
    assert_int_equal(unsent.error, ORDERSCHED_CLOSED);
    ordersched_close(NULL);
    cluster_free(cluster);
}

/* --- a caller that waits runs the client, as long as there is nothing else to do --- */

struct waiting {
    struct ordersched_client *client;
    pthread_t thread;
    unsigned timeout_ms;
    int error;
};

static void *waiting_run(void *arg)
{
    struct waiting *w = arg;
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};

    w->error = ordersched_call(w->client, &op, w->timeout_ms, NULL);
    return NULL;
}

static bool client_is_idle(struct ordersched_client *c)
{
    return c->idle && !c->woken && c->inbox.first == NULL;
}

static bool caller_runs(struct ordersched_client *c)
{
    return c->caller_runs;
}

static bool clients_thread_runs(struct ordersched_client *c)
{
    return !c->caller_runs;
}

static void client_until(struct ordersched_client *c, bool (*holds)(struct ordersched_client *c))
{
    bool so = false;

    for (int i = 0; i < 10000 && !so; i++) {
        pthread_mutex_lock(&c->mutex);
        so = holds(c);
        pthread_mutex_unlock(&c->mutex);
        nng_msleep(1);
    }
    assert_true(so);
}

/* It is the only one, and so runs the client. */
static void waiting_start(struct waiting *w, struct ordersched_client *client, unsigned timeout_ms)
{
    *w = (struct waiting){.client = client, .timeout_ms = timeout_ms};
    client_until(client, client_is_idle);
    assert_int_equal(pthread_create(&w->thread, NULL, waiting_run, w), 0);
    client_until(client, caller_runs);
}

struct on_thread {
    atomic_int calls;
    pthread_t thread;
};

static void note_thread(void *arg, const struct ordersched_answer *answer)
{
    struct on_thread *t = arg;

    (void)answer;
    t->thread = pthread_self();
    t->calls++;
}

static void callbacks_run_on_the_clients_thread_while_a_caller_waits(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, SILENT);
    struct ordersched_client *client = open_client(s->address, 60000);
    struct ordersched_operation op = {.kind = ORDERSCHED_GET, .id = "b", .id_len = 1};
    struct on_thread other = {0};
    struct waiting w;

    waiting_start(&w, client, 2000);
    assert_int_equal(ordersched_submit(client, &op, 100, note_thread, &other), ORDERSCHED_OK);
    client_until(client, clients_thread_runs);
    wait_for(&other.calls, 1, 1500); /* in its own time, not in the caller's */
    assert_true(pthread_equal(other.thread, client->thread));
    pthread_join(w.thread, NULL);
    assert_int_equal(w.error, ORDERSCHED_TIMEOUT);

    s->behaviour = LEADS; /* and after that everything is as before */
    assert_int_equal(ordersched_pay(client, "c", NULL), ORDERSCHED_OK);
    assert_int_equal(ordersched_submit(client, &op, 0, note_thread, &other), ORDERSCHED_OK);
    wait_for(&other.calls, 2, 5000);
    assert_true(pthread_equal(other.thread, client->thread));
    ordersched_close(client);
    cluster_free(cluster);
}

static void a_caller_that_runs_the_client_times_out_by_itself(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, DEAF);
    struct ordersched_client *client = open_client(s->address, 60000);
    struct waiting w;

    waiting_start(&w, client, 300);
    pthread_join(w.thread, NULL);
    assert_int_equal(ordersched_error_class(w.error), ORDERSCHED_DEFINITE);
    client_until(client, clients_thread_runs);
    ordersched_close(client);
    cluster_free(cluster);
}

static void closing_ends_the_call_whose_caller_runs_the_client(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, SILENT);
    struct ordersched_client *client = open_client(s->address, 60000);
    struct waiting w;

    waiting_start(&w, client, 60000);
    for (int i = 0; i < 5000 && s->received < 2; i++) { /* the search, and the call */
        nng_msleep(1);
    }
    ordersched_close(client);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.error, ORDERSCHED_TIMEOUT);
    cluster_free(cluster);
}

static void two_callers_take_turns_with_the_clients_thread(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct ordersched_client *client = open_client(s->address, 20000);
    struct payer payers[2];

    payers_start(payers, 2, 1000, client);
    assert_int_equal(payers_join(payers, 2), 0);
    assert_int_equal(cluster_requests(cluster), 2000);
    assert_int_equal(cluster->n_ids, 2000);
    ordersched_close(client);
    cluster_free(cluster);
}

static void a_callback_may_submit_but_not_wait(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct ordersched_client *client = open_client(s->address, 5000);
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct collected c = {.client = client};

    assert_int_equal(ordersched_submit(client, &op, 0, collect, &c), ORDERSCHED_OK);
    wait_for(&c.calls, 2, 5000);
    assert_int_equal(c.error, ORDERSCHED_OK);
    assert_int_equal(c.from_callback, ORDERSCHED_ARGUMENT);
    ordersched_close(client);
    cluster_free(cluster);
}

static void a_made_request_id_repeats_a_call_safely(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *s = server_start(cluster, 0, 1, 0, LEADS);
    struct ordersched_client *client = open_client(s->address, 5000);
    uint8_t id[16];
    uint8_t other[16];

    assert_int_equal(ordersched_request_id(client, 0, id), ORDERSCHED_OK);
    assert_int_equal(ordersched_request_id(client, 0, other), ORDERSCHED_OK);
    assert_memory_not_equal(id + 6, other + 6, 10);
    assert_in_range(request_id_time_ms(id), NOW, NOW + 10000);
    struct ordersched_operation op = {.kind = ORDERSCHED_CANCEL, .id = "a", .id_len = 1,
                                      .request_id = id};
    assert_int_equal(ordersched_call(client, &op, 0, NULL), ORDERSCHED_OK);
    assert_int_equal(ordersched_call(client, &op, 0, NULL), ORDERSCHED_OK);
    assert_int_equal(cluster_requests(cluster), 1);
    assert_int_equal(cluster->n_ids, 2);
    ordersched_close(client);
    cluster_free(cluster);
}

struct status {
    atomic_int calls;
    int error;
    uint8_t body;
};

static void take_status(void *arg, const struct ordersched_answer *answer)
{
    struct status *st = arg;

    st->error = answer->error;
    st->body = answer->body_len == 1 ? answer->body[0] : 0;
    st->calls++;
}

static void a_target_is_asked_even_if_it_does_not_lead(void **state)
{
    (void)state;
    struct cluster *cluster = cluster_new();
    struct server *leader = server_start(cluster, 0, 1, 0, LEADS);
    struct server *follower = server_start(cluster, 1, 2, 0, FOLLOWS);
    struct ordersched_client *client = open_client(leader->address, 5000);
    struct status st = {0};
    struct buffer b = {0};

    operation_encode(&b, &(struct operation){.code = OPERATION_STATUS});
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, false, follower->address, 0,
                                           take_status, &st), ORDERSCHED_OK);
    wait_for(&st.calls, 1, 5000);
    assert_int_equal(st.error, ORDERSCHED_OK);
    assert_int_equal(st.body, 2);
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, false, NULL, 0, take_status,
                                           &st), ORDERSCHED_OK);
    wait_for(&st.calls, 2, 5000);
    assert_int_equal(st.body, 1);
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, false, "nonsense", 0,
                                           take_status, &st), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_submit_raw(client, b.data, 0, false, NULL, 0, take_status, &st),
                     ORDERSCHED_ARGUMENT);
    buffer_free(&b);
    ordersched_close(client);
    cluster_free(cluster);
}

static void wrong_arguments_are_refused_before_anything_is_sent(void **state)
{
    (void)state;
    const char *bad[] = {"", ",", "host", "host:", ":7401", "host:0", "host:70000", "a:1,,b:2",
                         "a:1 b:2", "a:1,"};
    struct ordersched_client *client = NULL;
    char address[32];
    char long_id[ORDERSCHED_ID_MAX + 2];
    static char payload[ORDERSCHED_PAYLOAD_MAX + 1];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ordersched_config config = {.endpoints = bad[i]};
        if (ordersched_open(&config, &client) != ORDERSCHED_ARGUMENT) {
            fail_msg("\"%s\" was taken for endpoints", bad[i]);
        }
    }
    struct ordersched_config config = {.cluster = ""};
    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_ARGUMENT);

    nobody(address);
    client = open_client(address, 60000);
    memset(long_id, 'x', sizeof long_id);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(ordersched_pay(client, "", NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_pay(client, NULL, NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_pay(client, long_id, NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, NULL, NULL, 0, NULL),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, "no spaces", NULL, 0, NULL),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, "r", payload, sizeof payload, NULL),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, "r", NULL, 5, NULL),
                     ORDERSCHED_ARGUMENT);
    struct ordersched_operation op = {.kind = 77, .id = "a", .id_len = 1};
    struct ordersched_answer answer;
    assert_int_equal(ordersched_call(client, &op, 0, &answer), ORDERSCHED_ARGUMENT);
    assert_int_equal(answer.error, ORDERSCHED_ARGUMENT);
    ordersched_close(client);
}

static void a_full_queue_answers_busy(void **state)
{
    (void)state;
    char address[32];
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct collected c = {0};
    int taken = 0;
    int error;

    nobody(address);
    struct ordersched_client *client = open_client(address, 60000);
    while ((error = ordersched_submit(client, &op, 0, collect, &c)) == ORDERSCHED_OK) {
        taken++;
        assert_true(taken <= 65536);
    }
    assert_int_equal(error, ORDERSCHED_BUSY);
    assert_int_equal(taken, 65536);
    ordersched_close(client);
    assert_int_equal(c.calls, 65536);
    assert_int_equal(c.error, ORDERSCHED_CLOSED);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "--server") == 0) {
        struct cluster *c = cluster_map(atoi(argv[2]));
        return server_main(c, &c->servers[atoi(argv[3])], atoi(argv[4]));
    }
    program = argv[0];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_call_is_answered),
        cmocka_unit_test(a_redirect_leads_to_the_leader),
        cmocka_unit_test(a_leader_that_never_answers_leaves_the_outcome_unknown),
        cmocka_unit_test(where_nobody_listens_nothing_has_happened),
        cmocka_unit_test(
            nodes_that_hang_or_talk_nonsense_do_not_keep_the_client_from_the_others),
        cmocka_unit_test(sixty_four_threads_share_a_client_and_its_messages),
        cmocka_unit_test(lost_connections_are_mended_and_repeat_nothing_but_the_request_id),
        cmocka_unit_test(calls_survive_the_death_of_the_leader),
        cmocka_unit_test(a_connection_that_went_dead_is_replaced),
        cmocka_unit_test(closing_completes_what_is_pending),
        cmocka_unit_test(callbacks_run_on_the_clients_thread_while_a_caller_waits),
        cmocka_unit_test(a_caller_that_runs_the_client_times_out_by_itself),
        cmocka_unit_test(closing_ends_the_call_whose_caller_runs_the_client),
        cmocka_unit_test(two_callers_take_turns_with_the_clients_thread),
        cmocka_unit_test(a_callback_may_submit_but_not_wait),
        cmocka_unit_test(a_made_request_id_repeats_a_call_safely),
        cmocka_unit_test(a_target_is_asked_even_if_it_does_not_lead),
        cmocka_unit_test(wrong_arguments_are_refused_before_anything_is_sent),
        cmocka_unit_test(a_full_queue_answers_busy),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    nng_fini();
    return failed;
}
