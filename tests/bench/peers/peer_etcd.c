/* peer_etcd.c - etcd as people build deadlines on it: a lease for each order, a key that goes with
 * it, and a watch that sees the key go when the lease has run out. An order is taken back by
 * revoking its lease. Leases count whole seconds, 2 at least with etcd's default election time.
 *
 * Field numbers are those of etcd's rpc.proto and kv.proto (api/, version 3.4). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/base/clocks.h"
#include "grpc.h"
#include "peer.h"

#define PREFIX "orders/"
#define PREFIX_END "orders0" /* the first key after all of them */
#define KEY_SIZE (sizeof PREFIX - 1 + BENCH_ID_SIZE)
#define RECEIVE_MS 100

struct etcd {
    struct grpc *grpc;
    struct span events; /* of the last answer, not yet handed out */
};

static int call(struct peer_conn *c, const char *method, const struct message *request,
                struct span *answer)
{
    struct etcd *e = c->own;

    if (grpc_call(e->grpc, method, request, answer) != 0) {
        return peer_fail(c, "%s", grpc_error(e->grpc));
    }
    return 0;
}

static void etcd_close(struct peer_conn *c)
{
    struct etcd *e = c->own;

    grpc_close(e->grpc);
    free(e);
}

/* Connections go to all servers in turn, as etcd's own client does it. */
static int etcd_open(struct peer_conn *c)
{
    struct etcd *e = calloc(1, sizeof *e);

    if (e != NULL) {
        e->grpc = grpc_open(c->target->ports[c->number % c->target->n_ports]);
    }
    if (e == NULL || e->grpc == NULL) {
        free(e);
        return peer_fail(c, "out of memory");
    }
    c->own = e;
    return 0;
}

static int etcd_describe(struct peer_conn *c, json_t *row, json_t *settings)
{
    struct message request = {0};
    struct span answer;

    json_object_set_new(settings, "servers", json_integer(c->target->n_ports));
    if (call(c, "/etcdserverpb.Maintenance/Status", &request, &answer) != 0) {
        return -1;
    }
    struct span_field version = span_find(answer, 2);
    if (span_find(answer, 4).value == 0) {
        return peer_fail(c, "there is no leader");
    }
    json_object_set_new(row, "version",
                        json_stringn((const char *)version.bytes.at, version.bytes.len));
    return 0;
}

static void make_key(const char *id, char key[KEY_SIZE])
{
    memcpy(key, PREFIX, sizeof PREFIX - 1);
    memcpy(key + sizeof PREFIX - 1, id, BENCH_ID_SIZE);
}

static int grant(struct peer_conn *c, uint64_t deadline_ms, uint64_t *lease)
{
    uint64_t now_ms = clocks_wall_ms();
    uint64_t ahead_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;
    struct message request = {0};
    struct span answer;

    message_number(&request, 1, (ahead_ms + 999) / 1000); /* rounded up: never early */
    if (call(c, "/etcdserverpb.Lease/LeaseGrant", &request, &answer) != 0) {
        return -1;
    }
    *lease = span_find(answer, 2).value;
    return *lease != 0 ? 0 : peer_fail(c, "a lease without an id");
}

/* The key, if there is none yet. */
static int put_key(struct peer_conn *c, const struct peer_order *o)
{
    char key[KEY_SIZE];
    struct message compare = {0}, put = {0}, operation = {0}, txn = {0};
    struct span answer;

    make_key(o->id, key);
    message_number(&compare, 1, 0); /* equal */
    message_number(&compare, 2, 0); /* the version */
    message_bytes(&compare, 3, key, sizeof key);
    message_number(&compare, 4, 0);
    message_bytes(&put, 1, key, sizeof key);
    message_bytes(&put, 2, o->payload, sizeof o->payload);
    message_number(&put, 3, o->handle);
    message_inside(&operation, 2, &put);
    message_inside(&txn, 1, &compare);
    message_inside(&txn, 2, &operation);
    if (call(c, "/etcdserverpb.KV/Txn", &txn, &answer) != 0) {
        return -1;
    }
    return span_find(answer, 2).value == 1 ? 0 : peer_fail(c, "an order was there already");
}

static int etcd_put(struct peer_conn *c, struct peer_order *orders, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (grant(c, orders[i].deadline_ms, &orders[i].handle) != 0 ||
            put_key(c, &orders[i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static int etcd_take_back(struct peer_conn *c, const struct peer_order *orders, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct message request = {0};
        struct span answer;
        message_number(&request, 1, orders[i].handle);
        if (call(c, "/etcdserverpb.Lease/LeaseRevoke", &request, &answer) != 0) {
            return -1;
        }
    }
    return 0;
}

/* Deletions below the prefix, with what was deleted; returns when the watch is there. */
static int etcd_listen(struct peer_conn *c)
{
    static const char no_puts[] = {0};
    struct etcd *e = c->own;
    struct message create = {0}, request = {0};
    struct span answer;

    message_bytes(&create, 1, PREFIX, sizeof PREFIX - 1);
    message_bytes(&create, 2, PREFIX_END, sizeof PREFIX_END - 1);
    message_bytes(&create, 5, no_puts, sizeof no_puts);
    message_number(&create, 6, 1);
    message_inside(&request, 1, &create);
    if (grpc_listen(e->grpc, "/etcdserverpb.Watch/Watch", &request) != 0) {
        return peer_fail(c, "%s", grpc_error(e->grpc));
    }
    for (unsigned tries = 0; tries < 100; tries++) {
        int rv = grpc_next(e->grpc, RECEIVE_MS, &answer);
        if (rv < 0) {
            return peer_fail(c, "%s", grpc_error(e->grpc));
        }
        if (rv > 0) {
            return span_find(answer, 3).value == 1 ? 0 : peer_fail(c, "the watch is refused");
        }
    }
    return peer_fail(c, "the watch is not answered");
}

static int take_event(struct peer_conn *c, struct span event, struct peer_receipt *out)
{
    struct span key = span_find(span_find(event, 2).bytes, 1).bytes;
    struct span value = span_find(span_find(event, 3).bytes, 5).bytes;

    if (span_find(event, 1).value != 1 || key.len != KEY_SIZE || value.len != sizeof out->payload) {
        return peer_fail(c, "an event that is not the deletion of an order");
    }
    memcpy(out->id, key.at + sizeof PREFIX - 1, sizeof out->id);
    memcpy(out->payload, value.at, sizeof out->payload);
    return 0;
}

static int etcd_receive(struct peer_conn *c, struct peer_receipt *out, unsigned max)
{
    struct etcd *e = c->own;
    struct span_field f;
    int n = 0;

    if (e->events.len == 0) {
        int rv = grpc_next(e->grpc, RECEIVE_MS, &e->events);
        if (rv <= 0) {
            return rv == 0 ? 0 : peer_fail(c, "%s", grpc_error(e->grpc));
        }
        if (span_find(e->events, 4).value != 0) {
            return peer_fail(c, "the watch was cancelled");
        }
    }
    while (n < (int)max && span_next(&e->events, &f)) {
        if (f.number == 11) {
            if (take_event(c, f.bytes, &out[n]) != 0) {
                return -1;
            }
            n++;
        }
    }
    return n;
}

static int etcd_count(struct peer_conn *c, uint64_t *n)
{
    struct message request = {0};
    struct span answer;

    message_bytes(&request, 1, PREFIX, sizeof PREFIX - 1);
    message_bytes(&request, 2, PREFIX_END, sizeof PREFIX_END - 1);
    message_number(&request, 9, 1); /* only the count */
    if (call(c, "/etcdserverpb.KV/Range", &request, &answer) != 0) {
        return -1;
    }
    *n = span_find(answer, 4).value;
    return 0;
}

const struct peer peer = {
    .client = "gRPC; a lease and a transaction with the key for each order, over 64 connections to"
              " all servers; taken back by revoking the lease; a watch sees the keys go",
    .threads = 64,
    .batch = 1,
    .receivers = 1,
    .open = etcd_open,
    .close = etcd_close,
    .describe = etcd_describe,
    .put = etcd_put,
    .take_back = etcd_take_back,
    .listen = etcd_listen,
    .receive = etcd_receive,
    .count = etcd_count,
};
