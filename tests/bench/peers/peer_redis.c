/* peer_redis.c - Redis as people build a scheduler on it: a sorted set of deadlines, a hash of
 * payloads, and a script that moves what is due into a set of claims, from which an order goes when
 * it has been dealt with. With --wait-for each change is followed by WAIT.
 *
 * A claim carries the time until which it holds; whoever finds it older may claim it again. That
 * finder is not part of what is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "../../../client/base/clocks.h"
#include "peer.h"

#define CLAIM_MS 30000
#define CLAIM_MAX "200"
#define POLL_US 1000
#define WAIT_MS "10000"
#define NUMBER_SIZE 24

/* Removes those that are still pending; answers 1 for each that was. */
#define TAKE_BACK                                                                           \
    "local was = {} for i, id in ipairs(ARGV) do was[i] = redis.call('ZREM', KEYS[1], id) " \
    "if was[i] == 1 then redis.call('HDEL', KEYS[2], id) end end return was"

/* Claims what is due at ARGV[1], at most ARGV[2], until ARGV[3]; answers ids, then payloads. */
#define CLAIM                                                                                     \
    "local ids = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2]) " \
    "if #ids == 0 then return {} end "                                                            \
    "redis.call('ZREM', KEYS[1], unpack(ids)) "                                                   \
    "local claims = {} for _, id in ipairs(ids) do claims[#claims + 1] = ARGV[3] "                \
    "claims[#claims + 1] = id end redis.call('ZADD', KEYS[3], unpack(claims)) "                   \
    "return {ids, redis.call('HMGET', KEYS[2], unpack(ids))}"

#define ARGS_MAX (2 * PEER_BATCH_MAX + 8)

struct redis {
    redisContext *context;
    char take_back_sha[48];
    char claim_sha[48];
    int n; /* arguments of the command that is being made */
    const char *args[ARGS_MAX];
    size_t lens[ARGS_MAX];
    char numbers[PEER_BATCH_MAX][NUMBER_SIZE];
};

/* ---- commands ---- */

static void arg(struct redis *r, const char *text, size_t len)
{
    r->args[r->n] = text;
    r->lens[r->n++] = len;
}

static void word(struct redis *r, const char *text)
{
    arg(r, text, strlen(text));
}

/* The next command's name, and the key it is about. */
static void command(struct redis *r, const char *name, const char *key)
{
    r->n = 0;
    word(r, name);
    if (key != NULL) {
        word(r, key);
    }
}

static void append(struct redis *r)
{
    redisAppendCommandArgv(r->context, r->n, r->args, r->lens);
}

/* The answer to the earliest command that has none yet; NULL after peer_fail. */
static redisReply *answer(struct peer_conn *c)
{
    struct redis *r = c->own;
    void *reply;

    if (redisGetReply(r->context, &reply) != REDIS_OK) {
        peer_fail(c, "%s", r->context->errstr);
        return NULL;
    }
    if (((redisReply *)reply)->type == REDIS_REPLY_ERROR) {
        peer_fail(c, "%s", ((redisReply *)reply)->str);
        freeReplyObject(reply);
        return NULL;
    }
    return reply;
}

static int expect_number(struct peer_conn *c, const redisReply *reply, long long wanted,
                         const char *what)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer != wanted) {
        return peer_fail(c, "%s: %lld of %lld", what, reply->integer, wanted);
    }
    return 0;
}

static int skip_answers(struct peer_conn *c, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        redisReply *reply = answer(c);
        if (reply == NULL) {
            return -1;
        }
        freeReplyObject(reply);
    }
    return 0;
}

static void append_wait(struct peer_conn *c)
{
    struct redis *r = c->own;

    if (c->target->wait_for > 0) {
        snprintf(r->numbers[0], NUMBER_SIZE, "%u", c->target->wait_for);
        command(r, "WAIT", r->numbers[0]);
        word(r, WAIT_MS);
        append(r);
    }
}

static int answer_wait(struct peer_conn *c)
{
    if (c->target->wait_for == 0) {
        return 0;
    }
    redisReply *reply = answer(c);
    if (reply == NULL) {
        return -1;
    }
    int rv = 0;
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < c->target->wait_for) {
        rv = peer_fail(c, "only %lld replicas have the change", reply->integer);
    }
    freeReplyObject(reply);
    return rv;
}

/* The answers to MULTI, two commands that each must have counted n, EXEC, and WAIT. */
static int answer_pair(struct peer_conn *c, unsigned n, const char *first, const char *second)
{
    int rv = skip_answers(c, 3);
    redisReply *reply = rv == 0 ? answer(c) : NULL;

    if (reply == NULL) {
        return -1;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        rv = peer_fail(c, "EXEC has no two answers");
    }
    rv = rv != 0 ? rv : expect_number(c, reply->element[0], n, first);
    rv = rv != 0 ? rv : expect_number(c, reply->element[1], n, second);
    freeReplyObject(reply);
    return rv != 0 ? rv : answer_wait(c);
}

/* ---- the peer ---- */

static int load_script(struct peer_conn *c, const char *script, char *sha, size_t len)
{
    struct redis *r = c->own;

    command(r, "SCRIPT", "LOAD");
    word(r, script);
    append(r);
    redisReply *reply = answer(c);
    if (reply == NULL) {
        return -1;
    }
    snprintf(sha, len, "%s", reply->str != NULL ? reply->str : "");
    freeReplyObject(reply);
    return 0;
}

static void redis_close(struct peer_conn *c)
{
    struct redis *r = c->own;

    redisFree(r->context);
    free(r);
}

static int redis_open(struct peer_conn *c)
{
    struct timeval limit = {.tv_sec = 2};
    struct redis *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return peer_fail(c, "out of memory");
    }
    c->own = r;
    r->context = redisConnectWithTimeout("127.0.0.1", (int)c->target->ports[0], limit);
    if (r->context == NULL || r->context->err != 0) {
        peer_fail(c, "%s", r->context != NULL ? r->context->errstr : "out of memory");
    } else if (load_script(c, TAKE_BACK, r->take_back_sha, sizeof r->take_back_sha) == 0 &&
               load_script(c, CLAIM, r->claim_sha, sizeof r->claim_sha) == 0) {
        return 0;
    }
    redis_close(c);
    return -1;
}

static int redis_setting(struct peer_conn *c, const char *name, const char *wanted, json_t *into)
{
    struct redis *r = c->own;

    command(r, "CONFIG", "GET");
    word(r, name);
    append(r);
    redisReply *reply = answer(c);
    if (reply == NULL) {
        return -1;
    }
    const char *value = reply->elements == 2 ? reply->element[1]->str : "";
    json_object_set_new(into, name, json_string(value));
    int rv = strcmp(value, wanted) == 0
                 ? 0
                 : peer_fail(c, "%s is \"%s\", not \"%s\"", name, value, wanted);
    freeReplyObject(reply);
    return rv;
}

static int redis_describe(struct peer_conn *c, json_t *row, json_t *settings)
{
    struct redis *r = c->own;
    unsigned replicas = 0;
    char version[32] = "";

    command(r, "INFO", NULL);
    append(r);
    redisReply *reply = answer(c);
    if (reply == NULL) {
        return -1;
    }
    const char *at = strstr(reply->str, "redis_version:");
    if (at != NULL) {
        sscanf(at, "redis_version:%31s", version);
    }
    for (at = reply->str; (at = strstr(at, ",state=online,")) != NULL; at++) {
        replicas++;
    }
    freeReplyObject(reply);
    json_object_set_new(row, "version", json_string(version));
    json_object_set_new(settings, "replicas", json_integer(replicas));
    if (replicas + 1 < c->target->n_ports) {
        return peer_fail(c, "only %u replicas are connected", replicas);
    }
    int rv = redis_setting(c, "appendonly", "yes", settings);
    return rv != 0 ? rv : redis_setting(c, "appendfsync", "always", settings);
}

static int redis_put(struct peer_conn *c, struct peer_order *orders, unsigned n)
{
    struct redis *r = c->own;

    command(r, "MULTI", NULL);
    append(r);
    command(r, "HSET", "orders");
    for (unsigned i = 0; i < n; i++) {
        arg(r, orders[i].id, sizeof orders[i].id);
        arg(r, orders[i].payload, sizeof orders[i].payload);
    }
    append(r);
    command(r, "ZADD", "due");
    word(r, "NX");
    for (unsigned i = 0; i < n; i++) {
        snprintf(r->numbers[i], NUMBER_SIZE, "%llu", (unsigned long long)orders[i].deadline_ms);
        word(r, r->numbers[i]);
        arg(r, orders[i].id, sizeof orders[i].id);
    }
    append(r);
    command(r, "EXEC", NULL);
    append(r);
    append_wait(c);
    return answer_pair(c, n, "orders that were new", "deadlines that were new");
}

static int redis_take_back(struct peer_conn *c, const struct peer_order *orders, unsigned n)
{
    struct redis *r = c->own;
    int rv = 0;

    command(r, "EVALSHA", r->take_back_sha);
    word(r, "2");
    word(r, "due");
    word(r, "orders");
    for (unsigned i = 0; i < n; i++) {
        arg(r, orders[i].id, sizeof orders[i].id);
    }
    append(r);
    append_wait(c);
    redisReply *reply = answer(c);
    if (reply == NULL) {
        return -1;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n) {
        rv = peer_fail(c, "the script answers for %zu of %u orders", reply->elements, n);
    }
    for (unsigned i = 0; rv == 0 && i < n; i++) {
        rv = expect_number(c, reply->element[i], 1, "an order that was pending");
    }
    freeReplyObject(reply);
    return rv != 0 ? rv : answer_wait(c);
}

static int take_claims(struct peer_conn *c, const redisReply *reply, struct peer_receipt *out)
{
    if (reply->type != REDIS_REPLY_ARRAY || (reply->elements != 0 && reply->elements != 2)) {
        return peer_fail(c, "the script answers otherwise than expected");
    }
    size_t n = reply->elements == 2 ? reply->element[0]->elements : 0;
    for (size_t i = 0; i < n; i++) {
        const redisReply *id = reply->element[0]->element[i];
        const redisReply *payload = reply->element[1]->element[i];
        if (id->len != sizeof out->id || payload->type != REDIS_REPLY_STRING ||
            (size_t)payload->len != sizeof out->payload) {
            return peer_fail(c, "a claimed order has no payload");
        }
        memcpy(out[i].id, id->str, sizeof out->id);
        memcpy(out[i].payload, payload->str, sizeof out->payload);
    }
    return (int)n;
}

static int redis_receive(struct peer_conn *c, struct peer_receipt *out, unsigned max)
{
    struct redis *r = c->own;
    uint64_t now_ms = clocks_wall_ms();

    (void)max; /* CLAIM_MAX is less */
    command(r, "EVALSHA", r->claim_sha);
    word(r, "3");
    word(r, "due");
    word(r, "orders");
    word(r, "claimed");
    snprintf(r->numbers[0], NUMBER_SIZE, "%llu", (unsigned long long)now_ms);
    snprintf(r->numbers[1], NUMBER_SIZE, "%llu", (unsigned long long)now_ms + CLAIM_MS);
    word(r, r->numbers[0]);
    word(r, CLAIM_MAX);
    word(r, r->numbers[1]);
    append(r);
    redisReply *reply = answer(c);
    if (reply == NULL) {
        return -1;
    }
    int n = take_claims(c, reply, out);
    freeReplyObject(reply);
    if (n == 0) {
        usleep(POLL_US);
    }
    return n;
}

static int redis_settle(struct peer_conn *c, const struct peer_receipt *receipts, unsigned n)
{
    static const char *const commands[][2] = {{"ZREM", "claimed"}, {"HDEL", "orders"}};
    struct redis *r = c->own;

    command(r, "MULTI", NULL);
    append(r);
    for (unsigned i = 0; i < 2; i++) {
        command(r, commands[i][0], commands[i][1]);
        for (unsigned k = 0; k < n; k++) {
            arg(r, receipts[k].id, sizeof receipts[k].id);
        }
        append(r);
    }
    command(r, "EXEC", NULL);
    append(r);
    append_wait(c);
    return answer_pair(c, n, "claims that were there", "orders that were there");
}

static int redis_count(struct peer_conn *c, uint64_t *n)
{
    static const char *const commands[][2] = {{"HLEN", "orders"},
                                              {"ZCARD", "due"},
                                              {"ZCARD", "claimed"}};
    long long counts[3] = {0};

    for (unsigned i = 0; i < 3; i++) {
        command(c->own, commands[i][0], commands[i][1]);
        append(c->own);
        redisReply *reply = answer(c);
        if (reply == NULL) {
            return -1;
        }
        counts[i] = reply->integer;
        freeReplyObject(reply);
    }
    *n = (uint64_t)counts[0];
    return counts[0] == counts[1] + counts[2]
               ? 0
               : peer_fail(c, "%lld orders, but %lld deadlines and %lld claims", counts[0],
                           counts[1], counts[2]);
}

const struct peer peer = {
    .client = "hiredis; MULTI of one HSET and one ZADD a batch; a script claims what is due, asked"
              " each ms, at most " CLAIM_MAX " at a time",
    .threads = 4,
    .batch = PEER_BATCH_MAX,
    .receivers = 4,
    .open = redis_open,
    .close = redis_close,
    .describe = redis_describe,
    .put = redis_put,
    .take_back = redis_take_back,
    .receive = redis_receive,
    .settle = redis_settle,
    .count = redis_count,
};
