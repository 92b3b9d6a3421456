/* peer_beanstalkd.c - beanstalkd, a work queue with delays of whole seconds, in its own text
 * protocol. A job's body is the order's id and its payload; the shop remembers the job's number. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../client/base/clocks.h"
#include "peer.h"

#define BODY_SIZE (BENCH_ID_SIZE + BENCH_PAYLOAD_SIZE)
#define RESERVE_AHEAD 50 /* reservations that are asked for in one go */
#define TIME_TO_RUN_S 120
#define IN_SIZE 65536
#define OUT_SIZE 262144

struct beanstalk {
    int fd;
    size_t out_len;
    size_t in_from, in_to; /* what has been read and not yet used */
    char out[OUT_SIZE];
    char in[IN_SIZE];
};

/* ---- the connection ---- */

static void say(struct beanstalk *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct beanstalk *b, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    b->out_len += (size_t)vsnprintf(b->out + b->out_len, OUT_SIZE - b->out_len, format, arguments);
    va_end(arguments);
}

static void say_bytes(struct beanstalk *b, const void *data, size_t len)
{
    memcpy(b->out + b->out_len, data, len);
    b->out_len += len;
}

static int flush(struct peer_conn *c)
{
    struct beanstalk *b = c->own;

    for (size_t sent = 0; sent < b->out_len;) {
        ssize_t n = send(b->fd, b->out + sent, b->out_len - sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return peer_fail(c, "sending: %s", strerror(errno));
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    b->out_len = 0;
    return 0;
}

static int read_more(struct peer_conn *c)
{
    struct beanstalk *b = c->own;
    ssize_t n;

    memmove(b->in, b->in + b->in_from, b->in_to - b->in_from);
    b->in_to -= b->in_from;
    b->in_from = 0;
    do {
        n = recv(b->fd, b->in + b->in_to, IN_SIZE - b->in_to, 0);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return peer_fail(c, "receiving: %s", n == 0 ? "the connection ended" : strerror(errno));
    }
    b->in_to += (size_t)n;
    return 0;
}

/* The next line, without its end; it holds until the next read. */
static char *read_line(struct peer_conn *c)
{
    struct beanstalk *b = c->own;

    for (;;) {
        char *end = memmem(b->in + b->in_from, b->in_to - b->in_from, "\r\n", 2);
        if (end != NULL) {
            char *line = b->in + b->in_from;
            *end = 0;
            b->in_from = (size_t)(end - b->in) + 2;
            return line;
        }
        if (read_more(c) != 0) {
            return NULL;
        }
    }
}

/* So many bytes and the end of a line after them. */
static char *read_body(struct peer_conn *c, size_t len)
{
    struct beanstalk *b = c->own;

    if (len + 2 > IN_SIZE) {
        peer_fail(c, "an answer of %zu bytes", len);
        return NULL;
    }
    while (b->in_to - b->in_from < len + 2) {
        if (read_more(c) != 0) {
            return NULL;
        }
    }
    char *body = b->in + b->in_from;
    b->in_from += len + 2;
    body[len] = 0;
    return body;
}

static int read_expected(struct peer_conn *c, const char *wanted)
{
    char *line = read_line(c);

    if (line == NULL) {
        return -1;
    }
    return strcmp(line, wanted) == 0 ? 0 : peer_fail(c, "\"%.100s\", not %s", line, wanted);
}

static void beanstalk_close(struct peer_conn *c)
{
    struct beanstalk *b = c->own;

    close(b->fd);
    free(b);
}

static int beanstalk_open(struct peer_conn *c)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)c->target->ports[0]),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct beanstalk *b = calloc(1, sizeof *b);
    int one = 1;

    if (b == NULL) {
        return peer_fail(c, "out of memory");
    }
    c->own = b;
    b->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (b->fd >= 0 && connect(b->fd, (struct sockaddr *)&a, sizeof a) == 0) {
        setsockopt(b->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        return 0;
    }
    peer_fail(c, "connecting: %s", strerror(errno));
    beanstalk_close(c);
    return -1;
}

/* ---- statistics ---- */

static char *read_stats(struct peer_conn *c, const char *command)
{
    size_t len;

    say(c->own, "%s\r\n", command);
    char *line = flush(c) == 0 ? read_line(c) : NULL;
    if (line == NULL) {
        return NULL;
    }
    if (sscanf(line, "OK %zu", &len) != 1) {
        peer_fail(c, "\"%.100s\", not OK", line);
        return NULL;
    }
    return read_body(c, len);
}

static uint64_t stats_number(const char *stats, const char *name)
{
    const char *at = strstr(stats, name);
    unsigned long long v = 0;

    return at != NULL && sscanf(at + strlen(name), ": %llu", &v) == 1 ? v : 0;
}

static int beanstalk_describe(struct peer_conn *c, json_t *row, json_t *settings)
{
    char *stats = read_stats(c, "stats");
    char version[32] = "";

    if (stats == NULL) {
        return -1;
    }
    const char *at = strstr(stats, "\nversion:");
    if (at != NULL) {
        sscanf(at, "\nversion: %*[\"]%31[^\"\n]", version);
    }
    json_object_set_new(row, "version", json_string(version));
    json_object_set_new(settings, "binlog_current_index",
                        json_integer((json_int_t)stats_number(stats, "binlog-current-index")));
    return stats_number(stats, "binlog-current-index") > 0 ? 0 : peer_fail(c, "it has no binlog");
}

static int beanstalk_count(struct peer_conn *c, uint64_t *n)
{
    const char *stats = read_stats(c, "stats-tube default");

    if (stats == NULL) {
        return -1;
    }
    *n = stats_number(stats, "current-jobs-ready") + stats_number(stats, "current-jobs-delayed") +
         stats_number(stats, "current-jobs-reserved") + stats_number(stats, "current-jobs-buried");
    return 0;
}

/* ---- orders ---- */

static int beanstalk_put(struct peer_conn *c, struct peer_order *orders, unsigned n)
{
    struct beanstalk *b = c->own;

    for (unsigned i = 0; i < n; i++) {
        uint64_t now_ms = clocks_wall_ms();
        uint64_t ahead_ms = orders[i].deadline_ms > now_ms ? orders[i].deadline_ms - now_ms : 0;
        /* Rounded up: never early. */
        say(b, "put 0 %llu %d %d\r\n", (unsigned long long)(ahead_ms + 999) / 1000, TIME_TO_RUN_S,
            BODY_SIZE);
        say_bytes(b, orders[i].id, sizeof orders[i].id);
        say_bytes(b, orders[i].payload, sizeof orders[i].payload);
        say_bytes(b, "\r\n", 2);
    }
    if (flush(c) != 0) {
        return -1;
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned long long job;
        char *line = read_line(c);
        if (line == NULL) {
            return -1;
        }
        if (sscanf(line, "INSERTED %llu", &job) != 1) {
            return peer_fail(c, "\"%.100s\", not INSERTED", line);
        }
        orders[i].handle = job;
    }
    return 0;
}

static int delete_jobs(struct peer_conn *c, unsigned n)
{
    int rv = flush(c);

    for (unsigned i = 0; rv == 0 && i < n; i++) {
        rv = read_expected(c, "DELETED");
    }
    return rv;
}

static int beanstalk_take_back(struct peer_conn *c, const struct peer_order *orders, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        say(c->own, "delete %llu\r\n", (unsigned long long)orders[i].handle);
    }
    return delete_jobs(c, n);
}

static int beanstalk_settle(struct peer_conn *c, const struct peer_receipt *receipts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        say(c->own, "delete %llu\r\n", (unsigned long long)receipts[i].handle);
    }
    return delete_jobs(c, n);
}

/* 1 with a job, 0 without one, -1. */
static int read_reserved(struct peer_conn *c, struct peer_receipt *out)
{
    unsigned long long job;
    size_t len;
    char *line = read_line(c);

    if (line == NULL) {
        return -1;
    }
    if (strcmp(line, "TIMED_OUT") == 0) {
        return 0;
    }
    if (sscanf(line, "RESERVED %llu %zu", &job, &len) != 2 || len != BODY_SIZE) {
        return peer_fail(c, "\"%.100s\", not RESERVED with %d bytes", line, BODY_SIZE);
    }
    const char *body = read_body(c, len);
    if (body == NULL) {
        return -1;
    }
    memcpy(out->id, body, sizeof out->id);
    memcpy(out->payload, body + sizeof out->id, sizeof out->payload);
    out->handle = job;
    return 1;
}

/* The first reservation may wait for a second, the others take what is ready as well. */
static int beanstalk_receive(struct peer_conn *c, struct peer_receipt *out, unsigned max)
{
    struct beanstalk *b = c->own;
    unsigned asked = max < RESERVE_AHEAD ? max : RESERVE_AHEAD;
    int n = 0;

    say(b, "reserve-with-timeout 1\r\n");
    if (flush(c) != 0) {
        return -1;
    }
    int rv = read_reserved(c, &out[0]);
    if (rv <= 0) {
        return rv;
    }
    n = 1;
    for (unsigned i = 1; i < asked; i++) {
        say(b, "reserve-with-timeout 0\r\n");
    }
    rv = flush(c);
    for (unsigned i = 1; rv >= 0 && i < asked; i++) {
        rv = read_reserved(c, &out[n]);
        n += rv > 0;
    }
    return rv < 0 ? -1 : n;
}

const struct peer peer = {
    .client = "its text protocol, commands sent ahead of their answers; delays rounded up to whole"
              " seconds",
    .threads = 4,
    .batch = 100,
    .receivers = 4,
    .open = beanstalk_open,
    .close = beanstalk_close,
    .describe = beanstalk_describe,
    .put = beanstalk_put,
    .take_back = beanstalk_take_back,
    .receive = beanstalk_receive,
    .settle = beanstalk_settle,
    .count = beanstalk_count,
};
