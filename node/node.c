/* node.c - see node.h. */
#include "node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "../client/text/units.h"
#include "../raft/consensus/heap.h"
#include "../raft/memory/pages_reserve.h"
#include "founding.h"
#include "node_internal.h"
#include "scheduler/reader.h"

#define NODE_DRAIN_MS 3000
#define NODE_DISK_POLL_MS 1000
#define NODE_QUEUED_BYTES_MAX (256ull * 1024 * 1024)
#define NODE_PROGRESS_US 1000000
#define NODE_SEGMENT_BYTES (8u << 20) /* of libraft's log: with less no further one can be begun */
#define NODE_DISK_SILENT_S 10 /* after which a data disk that does not answer is worth a line */

static void node_log(void *arg, const char *level, const char *sentence)
{
    struct node *n = arg;
    enum log_level l = strcmp(level, "error") == 0  ? LOG_ERROR
                       : strcmp(level, "warn") == 0 ? LOG_WARN
                                                    : LOG_INFO;

    log_line(&n->log, l, sentence);
}

/* --- the loop --- */

static void node_wake_cb(uv_timer_t *timer)
{
    (void)timer; /* waking was all: prepare and check do the work */
}

static void node_pump(struct node *n, uint64_t (*run)(struct scheduler *s))
{
    if (n->scheduler == NULL || n->stopped) {
        return;
    }
    uint64_t sleep_us = run(n->scheduler);
    node_look_at_routes(n);
    /* Rounded up: a timer that fires a fraction early would only spin. */
    uv_timer_start(&n->wake, node_wake_cb, (sleep_us + 999) / 1000, 0);
}

/* Before the loop sleeps: whatever libraft's own handles did in this round is followed up. */
static void node_prepare_cb(uv_prepare_t *prepare)
{
    node_pump(prepare->data, scheduler_run);
}

/* After the poll: what just arrived is acted on at once. */
static void node_check_cb(uv_check_t *check)
{
    node_pump(check->data, scheduler_run_on);
}

static void node_disk_work(uv_work_t *work)
{
    struct node *n = work->data;

    n->disk_answer = disk_free_bytes(n->disk, &n->disk_free, &n->disk_total);
}

static void node_disk_work_cb(uv_work_t *work, int status)
{
    struct node *n = work->data;
    enum scheduler_disk state = SCHEDULER_DISK_OK;

    assert(n->disk_asked);
    n->disk_asked = false;
    n->disk_silent_s = 0;
    if (status != 0 || n->stopped || n->disk_answer != 0) {
        return;
    }
    n->room_known = true;
    n->room_free = n->disk_free;
    n->room_total = n->disk_total;
    if (n->disk_free < n->config->min_free_bytes / 2 || n->disk_free < NODE_SEGMENT_BYTES) {
        state = SCHEDULER_DISK_FULL;
    } else if (n->disk_free < n->config->min_free_bytes) {
        state = SCHEDULER_DISK_LOW;
    }
    scheduler_set_disk(n->scheduler, state);
    transport_set_shortage(&n->transport, (uint8_t)state);
}

/* Once a second. One question to the disk at a time, and one to a member. */
static void node_second_cb(uv_timer_t *timer)
{
    struct node *n = timer->data;

    if (n->stopping) {
        return;
    }
    acquaint_ask(&n->acquaint, scheduler_replica(n->scheduler));
    node_sample(n);
    if (n->disk_asked) {
        if (++n->disk_silent_s % NODE_DISK_SILENT_S == 0) {
            log_line(&n->log, LOG_WARN, "the data disk does not answer",
                     LOG_U64("seconds", n->disk_silent_s));
        }
        return;
    }
    n->disk_work.data = n;
    n->disk_asked = uv_queue_work(&n->loop, &n->disk_work, node_disk_work, node_disk_work_cb) == 0;
}

static void node_loop_stalls(void *arg, uint32_t *longest_us, uint32_t *processor_us, unsigned n)
{
    struct node *node = arg;

    loop_watch_read(&node->loop_watch, longest_us, processor_us, n);
}

_Static_assert(READER_UNREAD_ALL_MAX == API_UNREAD_MAX,
               "reading stops where the client server begins to close who does not take answers");

static void node_client_load(void *arg, struct client_load *load)
{
    struct node *node = arg;

    *load = (struct client_load){0};
    if (node->api != NULL) {
        api_load(node->api, load);
    }
}

static void node_received(void *arg, struct inbound *in, int error, const char *text)
{
    struct node *n = arg;

    if (error == ORDERSCHED_BUSY) {
        metrics_note_busy(n->metrics, METRICS_BUSY_QUEUE);
    }
    if (error != ORDERSCHED_OK) {
        scheduler_refuse(n->scheduler, in, error, text);
    } else {
        scheduler_submit(n->scheduler, in);
    }
}

/* A long start says once a second how far it is, and asks the supervisor for patience. */
static void node_progress(void *arg, const char *what, uint64_t done, uint64_t total)
{
    struct node *n = arg;
    uint64_t now_us = node_monotonic_us();

    if (now_us - n->progress_us < NODE_PROGRESS_US) {
        return;
    }
    n->progress_us = now_us;
    (void)sd_notify(0, "EXTEND_TIMEOUT_USEC=120000000");
    log_line(&n->log, LOG_INFO, "starting", LOG_STR("step", what), LOG_U64("done", done),
             LOG_U64("of", total));
}

/* --- the end --- */

static void node_api_closed(void *arg)
{
    (void)arg;
}

static void node_exec_closed(void *arg)
{
    struct node *n = arg;

    api_close(n->api, node_api_closed, n);
    uv_close((uv_handle_t *)&n->prepare, NULL);
    uv_close((uv_handle_t *)&n->check, NULL);
    loop_watch_close(&n->loop_watch);
    uv_close((uv_handle_t *)&n->wake, NULL);
    uv_close((uv_handle_t *)&n->disk_poll, NULL);
    node_sampling_stop(n);
    uv_close((uv_handle_t *)&n->sigterm, NULL);
    uv_close((uv_handle_t *)&n->sigint, NULL);
    uv_close((uv_handle_t *)&n->sighup, NULL);
}

static void node_callback_closed(void *arg)
{
    struct node *n = arg;

    callback_exec_close(n->exec, node_exec_closed, n);
}

static void node_scheduler_closed(void *arg)
{
    struct node *n = arg;

    assert(n->stopping && !n->stopped);
    n->stopped = true;
    callback_http_close(n->callback, node_callback_closed, n);
}

static void node_drained(void *arg)
{
    struct node *n = arg;

    leader_watch_close(&n->leader_watch);
    clock_watch_close(&n->clock_watch);
    scheduler_close(n->scheduler, node_scheduler_closed, n);
}

static void node_signal_cb(uv_signal_t *handle, int signum)
{
    struct node *n = handle->data;

    if (n->stopping) {
        log_line(&n->log, LOG_WARN, "second signal: stopping without draining");
        (void)log_flush(&n->log, NODE_LAST_WORDS_MS);
        _exit(1);
    }
    n->stopping = true;
    log_line(&n->log, LOG_INFO, "stopping: refuses new requests, transfers the leadership, drains",
             LOG_STR("signal", signum == SIGTERM ? "SIGTERM" : "SIGINT"));
    (void)sd_notify(0, "STOPPING=1");
    if (n->front != NULL) {
        front_stop(n->front);
    }
    scheduler_drain(n->scheduler, NODE_DRAIN_MS, node_drained, n);
}

/* --- the start --- */

static int node_open_disk(struct node *n, struct raft_io **io)
{
    char err[1024];
    struct standing plan;
    struct disk_config disk = {
        .dir = n->config->data,
        .cluster = n->config->cluster,
        .id = n->config->id,
        .standing = &plan,
        .fatal = node_fatal,
        .log = node_log,
        .progress = node_progress,
        .arg = n,
    };
    char bind[PROTOCOL_ADDRESS_MAX + 16];
    struct transport_config transport = {
        .cluster = n->config->cluster,
        .insecure = n->config->insecure,
        .log = node_log,
        .log_arg = n,
    };

    if (n->config->bind != NULL) {
        const char *colon = strrchr(n->config->address, ':');
        snprintf(bind, sizeof bind, "%s%s", n->config->bind, colon);
        transport.bind = bind;
    }
    founding_plan(n->config, &plan);
    n->disk = disk_open(&disk, err, sizeof err);
    if (n->disk == NULL) {
        return node_fail(n, "cannot use the data directory", err);
    }
    acquaint_init(&n->acquaint, &n->loop, &n->transport, n->disk, &n->log);
    node_cluster_serve_transport(n, &transport);
    if (transport_init(&n->transport, &n->loop, &transport) != 0) {
        return node_fail(n, "cannot start", "out of memory");
    }
    if (disk_start(n->disk, &n->loop, &n->transport, io, err, sizeof err) != 0) {
        return node_fail(n, "cannot use the data directory", err);
    }
    return 0;
}

static int node_start_scheduler(struct node *n, struct raft_io *io)
{
    const struct config *c = n->config;
    char err[512];
    struct scheduler_config config = {
        .replica =
            {
                .id = c->id,
                .address = c->address,
                .election_timeout_ms = c->election_timeout_ms,
                .heartbeat_timeout_ms = c->heartbeat_ms,
                .take_turns = true,
                .snapshot_threshold = c->snapshot_threshold,
                .snapshot_trailing = c->snapshot_trailing,
                .random_seed = (unsigned)n->environment.random(NULL),
            },
        .cluster = c->cluster,
        .retention_ms = c->retention_ms,
        .snapshot_slice = c->snapshot_slice,
        .max_orders = c->max_orders,
        .max_bytes = c->max_bytes,
        .max_deliveries = c->max_deliveries,
        .max_callback_requests = callback_http_requests_max(n->callback),
        .max_delivery_bytes = c->max_delivery_bytes,
        .max_queued = c->max_requests,
        .max_queued_bytes = NODE_QUEUED_BYTES_MAX,
        .allow_exec = c->allow_exec,
        .lone_clock = {.wait_us = c->clock_wait_ms * 1000,
                       .jump_max_us = c->max_clock_jump_ms * 1000,
                       .accepts = c->accept_clock},
        .max_polls = c->max_requests / 2, /* the other half is never held up by waiting workers */
        .log = &n->log,
        .fatal = node_fatal,
        .fatal_arg = n,
        .progress = node_progress,
        .progress_arg = n,
        .loop_stalls = node_loop_stalls,
        .loop_stalls_arg = n,
        .client_load = node_client_load,
        .client_load_arg = n,
        .metrics = n->metrics,
        .canary_ms = c->canary_ms,
    };

    node_cluster_serve_scheduler(n, &config);
    n->scheduler = scheduler_new(&config, io, &n->environment, &n->receivers.receiver, err,
                                 sizeof err);
    if (n->scheduler == NULL) {
        return node_fail(n, "cannot start", err);
    }
    if (node_cluster_found(n) != 0) {
        return -1;
    }
    bool pristine = disk_is_pristine(n->disk);
    if (scheduler_start(n->scheduler, err, sizeof err) != 0) {
        /* libraft keeps the transport's reason to itself. */
        const char *reason = n->transport.errmsg;
        return node_fail(n, "cannot start", reason[0] != '\0' ? reason : err);
    }
    clock_watch_begin(&n->clock_watch, c->id, n->scheduler, (int64_t)c->max_clock_error_ms * 1000);
    if (!pristine) {
        struct replica_member members[REPLICA_MEMBERS_MAX];
        unsigned n_members = replica_list_members(scheduler_replica(n->scheduler), members);
        founding_compare(c, disk_standing(n->disk), members, n_members, &n->log);
    }
    return 0;
}

/* Where the owner asks (orderctl --local DIR); NULL: there is no room for its path. */
static const char *node_local_socket(struct node *n)
{
    int len = snprintf(n->local_socket, sizeof n->local_socket, "%s/%s", n->config->data,
                       PROTOCOL_LOCAL_SOCKET);

    if (len > 0 && (size_t)len < sizeof n->local_socket) {
        return n->local_socket;
    }
    log_line(&n->log, LOG_WARN, "no socket for orderctl --local: the path of --data is too long",
             LOG_STR("data", n->config->data));
    return NULL;
}

static int node_start_api(struct node *n)
{
    char api[PROTOCOL_ADDRESS_MAX], host[256], err[512];
    unsigned port;

    if (!units_move_port(n->config->address, 1, api, sizeof api) ||
        !units_split_address(api, host, sizeof host, &port)) {
        return node_fail(n, "cannot serve clients", "the address has no room for the client port");
    }
    if (n->config->bind != NULL) {
        snprintf(n->clients_at, sizeof n->clients_at, "%s:%u", n->config->bind, port);
    } else {
        snprintf(n->clients_at, sizeof n->clients_at, "%s", api);
    }
    struct api_config config = {
        .address = n->clients_at,
        .local = node_local_socket(n),
        .cluster = n->config->cluster,
        .slots = n->config->max_requests,
        .bytes_max = NODE_QUEUED_BYTES_MAX,
        .log = &n->log,
        .metrics = n->metrics,
        .tls = n->tls,
        .tls_max_age_ms = n->config->tls_max_age_ms,
        .received = node_received,
        .arg = n,
    };
    n->api = api_new(&config, &n->loop, err, sizeof err);
    if (n->api == NULL) {
        return node_fail(n, "cannot start", err);
    }
    return 0;
}

/* Look at the TLS files now. */
static void node_hangup_cb(uv_signal_t *handle, int signum)
{
    struct node *n = handle->data;

    (void)signum;
    if (n->tls == NULL) {
        log_line(&n->log, LOG_INFO, "SIGHUP: there is nothing to read again without TLS");
    } else {
        transport_look_at_files(&n->transport);
    }
}

static void node_start_handles(struct node *n)
{
    loop_watch_start(&n->loop_watch, &n->loop, &n->metrics->loop_rounds);
    node_cluster_watch_leader(n);
    clock_watch_init(&n->clock_watch, &n->loop, &n->transport, &n->log);
    uv_prepare_init(&n->loop, &n->prepare);
    uv_check_init(&n->loop, &n->check);
    uv_timer_init(&n->loop, &n->wake);
    uv_timer_init(&n->loop, &n->disk_poll);
    uv_signal_init(&n->loop, &n->sigterm);
    uv_signal_init(&n->loop, &n->sigint);
    n->prepare.data = n->check.data = n->wake.data = n->disk_poll.data = n;
    uv_signal_init(&n->loop, &n->sighup);
    n->sigterm.data = n->sigint.data = n->sighup.data = n;
    uv_signal_start(&n->sighup, node_hangup_cb, SIGHUP);
    uv_prepare_start(&n->prepare, node_prepare_cb);
    uv_check_start(&n->check, node_check_cb);
    uv_timer_start(&n->disk_poll, node_second_cb, 0, NODE_DISK_POLL_MS);
    uv_signal_start(&n->sigterm, node_signal_cb, SIGTERM);
    uv_signal_start(&n->sigint, node_signal_cb, SIGINT);
}

static int node_open_tls(struct node *n)
{
    const struct config *c = n->config;
    char why[TLS_SENTENCE_MAX];
    struct tls_files_config files = {.cert = c->tls_cert,
                                     .key = c->tls_key,
                                     .ca = c->tls_ca,
                                     .cluster = c->cluster,
                                     .node = c->id,
                                     .takes_nameless = c->tls_clients == CONFIG_CLIENTS_TOKEN};

    if (c->tls_cert == NULL) {
        return 0;
    }
    n->tls = tls_files_open(&files, why, sizeof why);
    return n->tls != NULL ? 0 : node_fail(n, "cannot use the TLS files", why);
}

static int node_start(struct node *n)
{
    struct raft_io *io;

    n->log = (struct log){.level = n->config->log_level,
                          .format = n->config->log_format,
                          .node_id = n->config->id,
                          .fd = STDERR_FILENO};
    if (!log_start(&n->log)) {
        log_line(&n->log, LOG_WARN, "no thread for the log: the loop waits for its reader");
    }
    n->environment = node_environment;
    n->environment.impl = n;
    n->environment.guide = node_cluster_guide;
    n->environment.synchronized = node_synchronized;
    n->progress_us = node_monotonic_us();
    heap_install();
    if (!pages_reserve_start()) {
        log_line(&n->log, LOG_WARN, "no thread for a reserve of memory: the loop waits for it");
    }
    if (uv_loop_init(&n->loop) != 0) {
        return node_fail(n, "cannot start", "no event loop: out of memory or descriptors");
    }
    if (node_sampling_open(n) != 0) {
        return node_fail(n, "cannot start", "out of memory");
    }
    if (node_open_tls(n) != 0 || node_open_disk(n, &io) != 0) {
        return -1;
    }
    struct callback_http_config callback = {
        .allow_private = n->config->allow_private_callbacks,
        .log = &n->log,
    };
    n->callback = callback_http_new(&n->loop, &callback);
    if (n->callback == NULL) {
        return node_fail(n, "cannot start", "no thread for callbacks: out of memory");
    }
    n->exec = callback_exec_new(&n->loop, n->config->allow_exec ? n->config->max_exec : 0);
    if (n->exec == NULL) {
        return node_fail(n, "cannot start", "no thread for programs: out of memory or descriptors");
    }
    receivers_init(&n->receivers, callback_http_receiver(n->callback), NULL,
                   callback_exec_receiver(n->exec));
    node_start_handles(n);
    if (node_start_scheduler(n, io) != 0 || node_start_api(n) != 0 || node_front_start(n) != 0) {
        return -1;
    }
    log_line(&n->log, LOG_INFO, "serving", LOG_STR("cluster", n->config->cluster),
             LOG_STR("peers_at", n->config->address), LOG_STR("clients_at", n->clients_at),
             LOG_STR("http_at", n->front != NULL ? n->front_address : "off"),
             LOG_STR("data", n->config->data), LOG_STR("version", ORDERSCHEDD_VERSION));
    (void)sd_notify(0, "READY=1");
    return 0;
}

int node_run(const struct config *config)
{
    struct node *n = calloc(1, sizeof *n);

    if (n == NULL) {
        fputs("orderschedd: out of memory\n", stderr);
        return 1;
    }
    n->config = config;
    if (node_start(n) != 0) {
        /* Nothing was promised to anyone yet; the system takes back what was opened. */
        (void)log_flush(&n->log, NODE_LAST_WORDS_MS);
        _exit(1);
    }
    uv_run(&n->loop, UV_RUN_DEFAULT);
    scheduler_free(n->scheduler);
    callback_http_free(n->callback);
    callback_exec_free(n->exec);
    if (n->front != NULL) {
        front_free(n->front);
    }
    api_free(n->api);
    disk_close(n->disk);
    transport_free(&n->transport);
    tls_files_free(n->tls);
    node_sampling_free(n);
    pages_reserve_stop();
    int rv = uv_loop_close(&n->loop);
    assert(rv == 0);
    log_line(&n->log, LOG_INFO, "stopped");
    log_stop(&n->log, NODE_LAST_WORDS_MS);
    free(n);
    return 0;
}
