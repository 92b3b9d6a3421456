/* node.c - see node.h. */
#include "node.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "../client/units.h"
#include "../raft/disk.h"
#include "../raft/heap.h"
#include "../raft/pages_reserve.h"
#include "acquaint.h"
#include "api.h"
#include "callback_exec.h"
#include "callback_http.h"
#include "founding.h"
#include "loop_watch.h"
#include "reader.h"
#include "receivers.h"
#include "scheduler.h"

#define NODE_DRAIN_MS 3000
#define NODE_DISK_POLL_MS 1000
#define NODE_QUEUED_BYTES_MAX (256ull * 1024 * 1024)
#define NODE_PROGRESS_US 1000000
#define NODE_LAST_WORDS_MS 1000 /* for what was logged to be read, when the process ends */
#define NODE_REMOVED_EVERY_US 60000000
#define NODE_SEGMENT_BYTES (8u << 20) /* of libraft's log: with less no further one can be begun */
#define NODE_DISK_SILENT_S 10   /* after which a data disk that does not answer is worth a line */
#define NODE_ASK_MS 10000 /* for a node that is to be added, and may be starting */
#define NODE_EXIT_FATAL 74 /* EX_IOERR: the supervisor starts the node again */

struct node {
    const struct config *config;
    struct log log;
    uv_loop_t loop;
    struct raft_uv_transport transport;
    struct disk *disk;
    struct environment environment;
    struct callback_http *callback;
    struct callback_exec *exec;
    struct receivers receivers; /* of the two */
    struct scheduler *scheduler;
    struct api *api;
    uv_prepare_t prepare;
    uv_check_t check;
    struct loop_watch loop_watch;
    uv_timer_t wake;
    uv_timer_t disk_poll;
    uv_work_t disk_work; /* asks how much room there is, on the pool: a dead disk takes its time */
    bool disk_asked;     /* and has not answered yet, */
    unsigned disk_silent_s;
    int disk_answer;
    uint64_t disk_free, disk_total;
    struct acquaint acquaint;
    uv_signal_t sigterm, sigint;
    uint64_t removed_index; /* of a configuration without this node, as a member told; 0: none */
    uint64_t removed_said_us; /* when the log last said so */
    uint64_t progress_us; /* when the start last said how far it is */
    bool stopping;
    bool stopped; /* the scheduler is closed: run it no more */
};

/* --- the outside world --- */

static uint64_t system_wall_us(void *impl)
{
    struct timespec ts;

    (void)impl;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* CLOCK_BOOTTIME: a suspended machine's orders were due while it slept. */
static uint64_t system_monotonic_us(void *impl)
{
    struct timespec ts;

    (void)impl;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static uint64_t system_random(void *impl)
{
    uint64_t v;

    (void)impl;
    if (getrandom(&v, sizeof v, 0) != sizeof v) {
        abort();
    }
    return v;
}

static void system_secret(void *impl, uint8_t *out, size_t len)
{
    (void)impl;
    if (getrandom(out, len, 0) != (ssize_t)len) { /* always whole up to 256 bytes */
        abort();
    }
}

static void node_log(void *arg, const char *level, const char *sentence)
{
    struct node *n = arg;
    enum log_level l = strcmp(level, "error") == 0  ? LOG_ERROR
                       : strcmp(level, "warn") == 0 ? LOG_WARN
                                                    : LOG_INFO;

    log_line(&n->log, l, sentence);
}

/* May run on a thread of libraft's pool. What is durable is on disk; the rest must not be
 * guessed at: leave, and start again from the disk. */
static void node_fatal(void *arg, const char *sentence)
{
    struct node *n = arg;

    log_line(&n->log, LOG_ERROR, "stopping at once", LOG_STR("reason", sentence));
    (void)log_flush(&n->log, NODE_LAST_WORDS_MS);
    _exit(NODE_EXIT_FATAL);
}

/* --- the loop --- */

static void node_wake_cb(uv_timer_t *timer)
{
    (void)timer; /* waking was all: prepare and check do the work */
}

static void node_pump(struct node *n)
{
    if (n->scheduler == NULL || n->stopped) {
        return;
    }
    uint64_t sleep_us = scheduler_run(n->scheduler);
    /* Rounded up: a timer that fires a fraction early would only spin. */
    uv_timer_start(&n->wake, node_wake_cb, (sleep_us + 999) / 1000, 0);
}

/* Before the loop sleeps: whatever libraft's own handles did in this round is followed up. */
static void node_prepare_cb(uv_prepare_t *prepare)
{
    node_pump(prepare->data);
}

/* After the poll: what just arrived is acted on at once. */
static void node_check_cb(uv_check_t *check)
{
    node_pump(check->data);
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

    n->disk_asked = false;
    n->disk_silent_s = 0;
    if (status != 0 || n->stopped || n->disk_answer != 0) {
        return;
    }
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

static void node_loop_stalls(void *arg, uint32_t *longest_us, unsigned n)
{
    struct node *node = arg;

    loop_watch_read(&node->loop_watch, longest_us, n);
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
    uint64_t now_us = system_monotonic_us(NULL);

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
    uv_close((uv_handle_t *)&n->sigterm, NULL);
    uv_close((uv_handle_t *)&n->sigint, NULL);
}

static void node_callback_closed(void *arg)
{
    struct node *n = arg;

    callback_exec_close(n->exec, node_exec_closed, n);
}

static void node_scheduler_closed(void *arg)
{
    struct node *n = arg;

    n->stopped = true;
    callback_http_close(n->callback, node_callback_closed, n);
}

static void node_drained(void *arg)
{
    struct node *n = arg;

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
    log_line(&n->log, LOG_INFO, "stopping: no new requests, hand over leadership, drain",
             LOG_STR("signal", signum == SIGTERM ? "SIGTERM" : "SIGINT"));
    (void)sd_notify(0, "STOPPING=1");
    scheduler_drain(n->scheduler, NODE_DRAIN_MS, node_drained, n);
}

/* --- its cluster --- */

/* Keep the standing, or leave: what follows depends on it. */
static int node_keep_standing(struct node *n, const struct standing *standing)
{
    char err[512];

    if (disk_set_standing(n->disk, standing, err, sizeof err) == 0) {
        return 0;
    }
    node_fatal(n, err);
    return -1;
}

/* A member of a cluster has addressed this node, which is in none yet. */
static int node_adopt(void *arg, const struct standing *standing)
{
    struct node *n = arg;
    char identity[STANDING_IDENTITY_TEXT];

    if (node_keep_standing(n, standing) != 0) {
        return -1;
    }
    standing_identity_text(standing->identity, identity);
    log_line(&n->log, LOG_INFO, "this node belongs to a cluster from now on",
             LOG_STR("identity", identity));
    return 0;
}

/* Nothing has come of this founding, and nothing good can. */
static void node_founded_elsewhere(void *arg, const char *sentence)
{
    struct node *n = arg;

    log_line(&n->log, LOG_ERROR, "cannot found the cluster", LOG_STR("reason", sentence));
    (void)log_flush(&n->log, NODE_LAST_WORDS_MS);
    _exit(1);
}

/* The log, or an image of the state, tells the cluster's identity. */
static int node_identified(void *arg, const uint8_t identity[PROTOCOL_IDENTITY_SIZE])
{
    struct node *n = arg;
    struct standing standing = *disk_standing(n->disk);
    char err[256], ours[9], theirs[9];

    if (standing_has_identity(&standing) &&
        memcmp(standing.identity, identity, STANDING_IDENTITY_SIZE) != 0) {
        snprintf(err, sizeof err,
                 "the log is of cluster %s, but this node belongs to %s: directories of two nodes "
                 "were mixed. Put back what belongs together",
                 standing_brief(identity, theirs), standing_brief(standing.identity, ours));
        node_fatal(n, err);
        return -1;
    }
    if (standing_has_identity(&standing) && standing.state == STANDING_MEMBER) {
        return 0;
    }
    memcpy(standing.identity, identity, STANDING_IDENTITY_SIZE);
    standing.state = STANDING_MEMBER;
    if (node_keep_standing(n, &standing) != 0) {
        return -1;
    }
    transport_set_standing(&n->transport, &standing);
    return 0;
}

/* A member was seen in a life that is new. */
static void node_noted(void *arg)
{
    struct node *n = arg;

    acquaint_keep(&n->acquaint);
}

static bool node_has_lost(void *arg, uint64_t id)
{
    const struct node *n = arg;

    return transport_has_lost(&n->transport, id);
}

static uint64_t node_without(void *arg, uint64_t id)
{
    const struct node *n = arg;

    return n->scheduler != NULL ? replica_without(scheduler_replica(n->scheduler), id) : 0;
}

static bool node_is_removed(void *arg)
{
    const struct node *n = arg;

    return n->removed_index != 0 && n->scheduler != NULL &&
           replica_is_removed(scheduler_replica(n->scheduler), n->removed_index);
}

static void node_told_removed(void *arg, uint64_t by, uint64_t index)
{
    struct node *n = arg;
    uint64_t now_us = system_monotonic_us(NULL);

    n->removed_index = index > n->removed_index ? index : n->removed_index;
    if (!node_is_removed(n) ||
        (n->removed_said_us != 0 && now_us - n->removed_said_us < NODE_REMOVED_EVERY_US)) {
        return;
    }
    n->removed_said_us = now_us;
    log_line(&n->log, LOG_ERROR,
             "the members of this cluster say that this node is none: it was removed, and takes "
             "part in nothing. Stop it and move its data directory away; to have the machine back, "
             "start it empty with --join under a new id, and orderctl member add it under that",
             LOG_U64("told_by", by), LOG_U64("configuration_index", index));
}

static bool node_was_member(void *arg, uint64_t id)
{
    const struct node *n = arg;
    const struct life *life = lives_recall(disk_seen(n->disk), id);

    return life != NULL && life->member;
}

static enum scheduler_disk node_disk_of(void *arg, uint64_t id)
{
    const struct node *n = arg;
    uint8_t shortage = transport_shortage_of(&n->transport, id);

    return shortage < SCHEDULER_DISK_FULL ? (enum scheduler_disk)shortage : SCHEDULER_DISK_FULL;
}

/* A question to a node that is to be added. */
struct node_question {
    uint64_t id;
    char address[PROTOCOL_ADDRESS_MAX];
    void (*cb)(void *cb_arg, bool fits, const char *sentence);
    void *cb_arg;
};

static void node_answered(void *arg, enum transport_answer answer, const char *sentence)
{
    struct node_question *q = arg;
    char text[1200];

    if (answer == TRANSPORT_SILENT) {
        snprintf(text, sizeof text,
                 "nothing was changed: no node %" PRIu64 " of this cluster's name answers at %s "
                 "(%s). Start it there, empty, with --id %" PRIu64 " --join and the same "
                 "--cluster, then run the add again",
                 q->id, q->address, sentence, q->id);
    } else {
        snprintf(text, sizeof text, "nothing was changed: %s", sentence);
    }
    q->cb(q->cb_arg, answer == TRANSPORT_FITS, text);
    free(q);
}

static void node_ask(void *arg, uint64_t id, const char *address,
                     void (*cb)(void *cb_arg, bool fits, const char *sentence), void *cb_arg)
{
    struct node *n = arg;
    struct node_question *q = malloc(sizeof *q);

    if (q == NULL) {
        cb(cb_arg, false, "out of memory");
        return;
    }
    *q = (struct node_question){.id = id, .cb = cb, .cb_arg = cb_arg};
    snprintf(q->address, sizeof q->address, "%s", address);
    if (transport_ask(&n->transport, id, address, NODE_ASK_MS, node_answered, q) != 0) {
        free(q);
        cb(cb_arg, false, n->transport.errmsg);
    }
}

/* --- the start --- */

static int node_fail(struct node *n, const char *what, const char *why)
{
    log_line(&n->log, LOG_ERROR, what, LOG_STR("reason", why));
    return -1;
}

/* Asked by the transport, whose connections come when the scheduler is there. */
static const char *node_member_address(void *arg, uint64_t id)
{
    struct node *n = arg;

    return n->scheduler != NULL ? replica_member_address(scheduler_replica(n->scheduler), id)
                                : NULL;
}

static int node_open_disk(struct node *n, struct raft_io **io)
{
    char err[512];
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
        .adopt = node_adopt,
        .founded_elsewhere = node_founded_elsewhere,
        .noted = node_noted,
        .without = node_without,
        .removed = node_told_removed,
        .cluster_arg = n,
        .log = node_log,
        .log_arg = n,
        .member_address = node_member_address,
        .member_arg = n,
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
    transport.standing = disk_standing(n->disk);
    transport.lives = disk_lives(n->disk);
    transport.seen = disk_seen(n->disk);
    if (transport_init(&n->transport, &n->loop, &transport) != 0) {
        return node_fail(n, "cannot start", "out of memory");
    }
    if (disk_start(n->disk, &n->loop, &n->transport, io, err, sizeof err) != 0) {
        return node_fail(n, "cannot use the data directory", err);
    }
    return 0;
}

/* What --address and --peers must keep to, a member that is added later must as well. */
static const char *node_refuse_address(const char *address)
{
    return transport_is_loopback(address)
               ? NULL
               : "the member's address is not on the loopback, and without TLS anyone who reaches "
                 "it can read and forge commands: nodes have to be started with --insecure for "
                 "that";
}

/* Found the cluster of the flags, if that is what this node is here for. */
static int node_found(struct node *n)
{
    const struct config *c = n->config;
    const struct standing *standing = disk_standing(n->disk);
    struct replica_member members[CONFIG_PEERS_MAX];
    char err[TRANSPORT_SENTENCE_MAX];

    if (standing->state != STANDING_FOUNDING || standing_has_identity(standing)) {
        return 0;
    }
    if (founding_differs(c, standing, err, sizeof err) ||
        founding_ask(c, n->disk, err, sizeof err) != 0) {
        return node_fail(n, "cannot found the cluster", err);
    }
    for (unsigned i = 0; i < c->n_peers; i++) {
        members[i] = (struct replica_member){
            .id = c->peers[i].id, .address = c->peers[i].address, .voter = true};
    }
    if (disk_is_pristine(n->disk) &&
        scheduler_bootstrap(n->scheduler, members, c->n_peers, err, sizeof err) != 0) {
        return node_fail(n, "cannot found the cluster", err);
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
                .snapshot_threshold = c->snapshot_threshold,
                .snapshot_trailing = c->snapshot_trailing,
                .random_seed = (unsigned)system_random(NULL),
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
        .refuse_address = c->insecure ? NULL : node_refuse_address,
        .allow_exec = c->allow_exec,
        .max_polls = c->max_requests / 2, /* the other half is never held up by waiting workers */
        .log = &n->log,
        .fatal = node_fatal,
        .fatal_arg = n,
        .progress = node_progress,
        .progress_arg = n,
        .identified = node_identified,
        .ask = node_ask,
        .has_lost = node_has_lost,
        .is_removed = node_is_removed,
        .was_member = node_was_member,
        .disk_of = node_disk_of,
        .cluster_arg = n,
        .loop_stalls = node_loop_stalls,
        .loop_stalls_arg = n,
        .client_load = node_client_load,
        .client_load_arg = n,
    };

    n->scheduler = scheduler_new(&config, io, &n->environment,
                                 &n->receivers.receiver, err, sizeof err);
    if (n->scheduler == NULL) {
        return node_fail(n, "cannot start", err);
    }
    if (node_found(n) != 0) {
        return -1;
    }
    bool pristine = disk_is_pristine(n->disk);
    if (scheduler_start(n->scheduler, err, sizeof err) != 0) {
        /* libraft keeps the transport's reason to itself. */
        const char *reason = n->transport.errmsg;
        return node_fail(n, "cannot start", reason[0] != '\0' ? reason : err);
    }
    if (!pristine) {
        struct replica_member members[REPLICA_MEMBERS_MAX];
        unsigned n_members = replica_list_members(scheduler_replica(n->scheduler), members);
        founding_compare(c, disk_standing(n->disk), members, n_members, &n->log);
    }
    return 0;
}

static int node_start_api(struct node *n)
{
    char api[PROTOCOL_ADDRESS_MAX], bound[PROTOCOL_ADDRESS_MAX + 16], host[256], err[512];
    unsigned port;

    if (!units_move_port(n->config->address, 1, api, sizeof api) ||
        !units_split_address(api, host, sizeof host, &port)) {
        return node_fail(n, "cannot serve clients", "the address has no room for the client port");
    }
    if (n->config->bind != NULL) {
        snprintf(bound, sizeof bound, "%s:%u", n->config->bind, port);
    } else {
        snprintf(bound, sizeof bound, "%s", api);
    }
    struct api_config config = {
        .address = bound,
        .cluster = n->config->cluster,
        .slots = n->config->max_requests,
        .bytes_max = NODE_QUEUED_BYTES_MAX,
        .log = &n->log,
        .received = node_received,
        .arg = n,
    };
    n->api = api_new(&config, &n->loop, err, sizeof err);
    if (n->api == NULL) {
        return node_fail(n, "cannot start", err);
    }
    log_line(&n->log, LOG_INFO, "serving", LOG_STR("cluster", n->config->cluster),
             LOG_STR("peers_at", n->config->address), LOG_STR("clients_at", bound),
             LOG_STR("data", n->config->data), LOG_STR("version", ORDERSCHEDD_VERSION));
    return 0;
}

static void node_start_handles(struct node *n)
{
    loop_watch_start(&n->loop_watch, &n->loop);
    uv_prepare_init(&n->loop, &n->prepare);
    uv_check_init(&n->loop, &n->check);
    uv_timer_init(&n->loop, &n->wake);
    uv_timer_init(&n->loop, &n->disk_poll);
    uv_signal_init(&n->loop, &n->sigterm);
    uv_signal_init(&n->loop, &n->sigint);
    n->prepare.data = n->check.data = n->wake.data = n->disk_poll.data = n;
    n->sigterm.data = n->sigint.data = n;
    uv_prepare_start(&n->prepare, node_prepare_cb);
    uv_check_start(&n->check, node_check_cb);
    uv_timer_start(&n->disk_poll, node_second_cb, 0, NODE_DISK_POLL_MS);
    uv_signal_start(&n->sigterm, node_signal_cb, SIGTERM);
    uv_signal_start(&n->sigint, node_signal_cb, SIGINT);
}

static int node_start(struct node *n)
{
    struct raft_io *io;

    n->log = (struct log){.level = n->config->log_level,
                          .format = n->config->log_format,
                          .node_id = n->config->id,
                          .fd = STDERR_FILENO};
    if (!log_start(&n->log)) {
        log_line(&n->log, LOG_WARN, "no thread for the log: the loop waits for who reads it");
    }
    n->environment = (struct environment){.wall_us = system_wall_us,
                                          .monotonic_us = system_monotonic_us,
                                          .random = system_random,
                                          .secret = system_secret};
    n->progress_us = system_monotonic_us(NULL);
    heap_install();
    if (!pages_reserve_start()) {
        log_line(&n->log, LOG_WARN, "no thread for a reserve of memory: the loop waits for it");
    }
    if (uv_loop_init(&n->loop) != 0) {
        return node_fail(n, "cannot start", "no event loop: out of memory or descriptors");
    }
    if (node_open_disk(n, &io) != 0) {
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
    if (node_start_scheduler(n, io) != 0 || node_start_api(n) != 0) {
        return -1;
    }
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
    api_free(n->api);
    disk_close(n->disk);
    transport_free(&n->transport);
    pages_reserve_stop();
    int rv = uv_loop_close(&n->loop);
    assert(rv == 0);
    log_line(&n->log, LOG_INFO, "stopped");
    log_stop(&n->log, NODE_LAST_WORDS_MS);
    free(n);
    return 0;
}
