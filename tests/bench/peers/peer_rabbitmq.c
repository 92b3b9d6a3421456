/* peer_rabbitmq.c - RabbitMQ as people build delays on it: messages with a time to live wait in a
 * quorum queue without consumers, and go through its dead-letter exchange to one that has them.
 *
 * Messages expire at the head of the queue only, so all in one queue have to have the same time to
 * live, or be published in the order of their deadlines. A message cannot be taken out again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if __has_include(<rabbitmq-c/amqp.h>) /* since 0.12; the old names warn there */
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif

#include "../../../client/base/clocks.h"
#include "peer.h"

#define CHANNEL 1
#define PENDING "orders.pending"
#define FIRED "orders.fired"
#define EXCHANGE "orders.due"
#define PREFETCH 500
#define RECEIVE_MS 100

struct rabbit {
    amqp_connection_state_t mq;
    uint64_t published; /* delivery tags of this channel count from 1 */
    uint64_t confirmed; /* all up to this one are */
    bool confirms;
    bool is_confirmed[PEER_BATCH_MAX]; /* those after it */
};

/* ---- answers ---- */

static int failed_with(struct peer_conn *c, const char *doing, amqp_rpc_reply_t r)
{
    if (r.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION && r.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
        const amqp_channel_close_t *m = r.reply.decoded;
        return peer_fail(c, "%s: %.*s", doing, (int)m->reply_text.len,
                         (const char *)m->reply_text.bytes);
    }
    return peer_fail(c, "%s: %s", doing,
                     r.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION
                         ? amqp_error_string2(r.library_error)
                         : "the server closed the connection");
}

static int check(struct peer_conn *c, const char *doing)
{
    struct rabbit *r = c->own;
    amqp_rpc_reply_t reply = amqp_get_rpc_reply(r->mq);

    return reply.reply_type == AMQP_RESPONSE_NORMAL ? 0 : failed_with(c, doing, reply);
}

/* ---- the connection ---- */

static void rabbit_close(struct peer_conn *c)
{
    struct rabbit *r = c->own;

    amqp_destroy_connection(r->mq);
    free(r);
}

static int rabbit_connect(struct peer_conn *c)
{
    struct rabbit *r = c->own;
    struct timeval limit = {.tv_sec = 10};
    amqp_socket_t *socket = amqp_tcp_socket_new(r->mq);

    if (socket == NULL ||
        amqp_socket_open_noblock(socket, "127.0.0.1", (int)c->target->ports[0], &limit) != 0) {
        return peer_fail(c, "nobody listens on port %u", c->target->ports[0]);
    }
    amqp_rpc_reply_t reply = amqp_login(r->mq, "/", 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, "guest",
                                        "guest");
    if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
        return failed_with(c, "logging in", reply);
    }
    amqp_channel_open(r->mq, CHANNEL);
    return check(c, "opening a channel");
}

static int rabbit_open(struct peer_conn *c)
{
    struct rabbit *r = calloc(1, sizeof *r);

    if (r == NULL || (r->mq = amqp_new_connection()) == NULL) {
        free(r);
        return peer_fail(c, "out of memory");
    }
    c->own = r;
    if (rabbit_connect(c) == 0) {
        return 0;
    }
    rabbit_close(c);
    return -1;
}

static int rabbit_describe(struct peer_conn *c, json_t *row, json_t *settings)
{
    struct rabbit *r = c->own;
    const amqp_table_t *properties = amqp_get_server_properties(r->mq);

    (void)settings; /* a quorum queue has no setting that would make it less durable */
    for (int i = 0; i < properties->num_entries; i++) {
        const amqp_table_entry_t *e = &properties->entries[i];
        if (e->key.len == 7 && memcmp(e->key.bytes, "version", 7) == 0 &&
            e->value.kind == AMQP_FIELD_KIND_UTF8) {
            json_object_set_new(row, "version",
                                json_stringn(e->value.value.bytes.bytes, e->value.value.bytes.len));
        }
    }
    return 0;
}

/* ---- queues ---- */

static amqp_table_entry_t text_argument(const char *key, const char *value)
{
    amqp_table_entry_t e = {.key = amqp_cstring_bytes(key)};

    e.value.kind = AMQP_FIELD_KIND_UTF8;
    e.value.value.bytes = amqp_cstring_bytes(value);
    return e;
}

static int declare(struct peer_conn *c, const char *name, amqp_table_entry_t *arguments, int n)
{
    struct rabbit *r = c->own;
    amqp_table_t table = {.num_entries = n, .entries = arguments};

    amqp_queue_delete(r->mq, CHANNEL, amqp_cstring_bytes(name), 0, 0);
    if (check(c, "deleting a queue") != 0) {
        return -1;
    }
    amqp_queue_declare(r->mq, CHANNEL, amqp_cstring_bytes(name), 0, 1, 0, 0, table);
    return check(c, "declaring a queue");
}

static int rabbit_create(struct peer_conn *c)
{
    struct rabbit *r = c->own;
    amqp_table_entry_t pending[] = {
        text_argument("x-queue-type", "quorum"),
        text_argument("x-dead-letter-exchange", EXCHANGE),
        text_argument("x-dead-letter-routing-key", FIRED),
        text_argument("x-dead-letter-strategy", "at-least-once"),
        text_argument("x-overflow", "reject-publish"),
    };

    amqp_exchange_declare(r->mq, CHANNEL, amqp_cstring_bytes(EXCHANGE),
                          amqp_cstring_bytes("direct"), 0, 1, 0, 0, amqp_empty_table);
    if (check(c, "declaring an exchange") != 0 || declare(c, FIRED, pending, 1) != 0 ||
        declare(c, PENDING, pending, 5) != 0) {
        return -1;
    }
    amqp_queue_bind(r->mq, CHANNEL, amqp_cstring_bytes(FIRED), amqp_cstring_bytes(EXCHANGE),
                    amqp_cstring_bytes(FIRED), amqp_empty_table);
    return check(c, "binding a queue");
}

static int messages_ready(struct peer_conn *c, const char *queue, uint64_t *n)
{
    struct rabbit *r = c->own;
    amqp_queue_declare_ok_t *ok = amqp_queue_declare(r->mq, CHANNEL, amqp_cstring_bytes(queue), 1,
                                                     0, 0, 0, amqp_empty_table);

    if (ok == NULL) {
        return check(c, "counting a queue");
    }
    *n = ok->message_count;
    return 0;
}

static int rabbit_count(struct peer_conn *c, uint64_t *n)
{
    uint64_t pending, fired;

    if (messages_ready(c, PENDING, &pending) != 0 || messages_ready(c, FIRED, &fired) != 0) {
        return -1;
    }
    *n = pending + fired;
    return 0;
}

/* ---- orders ---- */

/* One confirm, of a message or of all up to it. Returns how many it was that had none. */
static unsigned note_confirm(struct rabbit *r, const amqp_basic_ack_t *ack, unsigned n)
{
    uint64_t at = ack->delivery_tag - r->confirmed; /* from 1 */
    unsigned newly = 0;

    if (at == 0 || at > n) {
        return 0;
    }
    for (uint64_t i = ack->multiple ? 1 : at; i <= at; i++) {
        newly += !r->is_confirmed[i - 1];
        r->is_confirmed[i - 1] = true;
    }
    return newly;
}

/* Wait until everything that was published is confirmed. */
static int await_confirms(struct peer_conn *c)
{
    struct rabbit *r = c->own;
    unsigned n = (unsigned)(r->published - r->confirmed);
    unsigned missing = n;
    amqp_frame_t frame;

    memset(r->is_confirmed, 0, sizeof r->is_confirmed);
    while (missing > 0) {
        struct timeval limit = {.tv_sec = c->target->answer_ms / 1000,
                                .tv_usec = c->target->answer_ms % 1000 * 1000};
        amqp_maybe_release_buffers(r->mq);
        int rv = amqp_simple_wait_frame_noblock(r->mq, &frame, &limit);
        if (rv != AMQP_STATUS_OK) {
            return peer_fail(c, "waiting for confirms: %s", amqp_error_string2(rv));
        }
        if (frame.frame_type != AMQP_FRAME_METHOD ||
            frame.payload.method.id != AMQP_BASIC_ACK_METHOD) {
            return peer_fail(c, "a message was not confirmed");
        }
        missing -= note_confirm(r, frame.payload.method.decoded, n);
    }
    r->confirmed = r->published;
    return 0;
}

static int publish(struct peer_conn *c, const struct peer_order *o)
{
    struct rabbit *r = c->own;
    char expiration[24];
    uint64_t now_ms = clocks_wall_ms();
    amqp_basic_properties_t properties = {
        ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_EXPIRATION_FLAG |
                  AMQP_BASIC_MESSAGE_ID_FLAG,
        .delivery_mode = 2,
        .message_id = {.len = sizeof o->id, .bytes = (void *)o->id},
    };
    amqp_bytes_t body = {.len = sizeof o->payload, .bytes = (void *)o->payload};

    snprintf(expiration, sizeof expiration, "%llu",
             (unsigned long long)(o->deadline_ms > now_ms ? o->deadline_ms - now_ms : 0));
    properties.expiration = amqp_cstring_bytes(expiration);
    int rv = amqp_basic_publish(r->mq, CHANNEL, amqp_empty_bytes, amqp_cstring_bytes(PENDING), 0, 0,
                                &properties, body);
    if (rv != AMQP_STATUS_OK) {
        return peer_fail(c, "publishing: %s", amqp_error_string2(rv));
    }
    r->published++;
    return 0;
}

static int rabbit_put(struct peer_conn *c, struct peer_order *orders, unsigned n)
{
    struct rabbit *r = c->own;

    if (!r->confirms) {
        amqp_confirm_select(r->mq, CHANNEL);
        if (check(c, "asking for confirms") != 0) {
            return -1;
        }
        r->confirms = true;
    }
    for (unsigned i = 0; i < n; i++) {
        if (publish(c, &orders[i]) != 0) {
            return -1;
        }
    }
    return await_confirms(c);
}

static int rabbit_listen(struct peer_conn *c)
{
    struct rabbit *r = c->own;

    amqp_basic_qos(r->mq, CHANNEL, 0, PREFETCH, 0);
    if (check(c, "setting the prefetch") != 0) {
        return -1;
    }
    amqp_basic_consume(r->mq, CHANNEL, amqp_cstring_bytes(FIRED), amqp_empty_bytes, 0, 0, 0,
                       amqp_empty_table);
    return check(c, "consuming");
}

static int take_message(struct peer_conn *c, const amqp_envelope_t *e, struct peer_receipt *out)
{
    const amqp_basic_properties_t *p = &e->message.properties;

    if ((p->_flags & AMQP_BASIC_MESSAGE_ID_FLAG) == 0 || p->message_id.len != sizeof out->id ||
        e->message.body.len != sizeof out->payload) {
        return peer_fail(c, "a message of another size");
    }
    memcpy(out->id, p->message_id.bytes, sizeof out->id);
    memcpy(out->payload, e->message.body.bytes, sizeof out->payload);
    out->handle = e->delivery_tag;
    return 0;
}

/* Waits for the first message only. */
static int rabbit_receive(struct peer_conn *c, struct peer_receipt *out, unsigned max)
{
    struct rabbit *r = c->own;
    struct timeval limit = {.tv_usec = RECEIVE_MS * 1000};
    amqp_envelope_t envelope;
    int n = 0;

    while (n < (int)max && n < PREFETCH / 2) {
        amqp_maybe_release_buffers(r->mq);
        amqp_rpc_reply_t reply = amqp_consume_message(r->mq, &envelope, &limit, 0);
        limit = (struct timeval){0};
        if (reply.reply_type == AMQP_RESPONSE_LIBRARY_EXCEPTION &&
            reply.library_error == AMQP_STATUS_TIMEOUT) {
            break;
        }
        if (reply.reply_type != AMQP_RESPONSE_NORMAL) {
            return failed_with(c, "consuming", reply);
        }
        int rv = take_message(c, &envelope, &out[n]);
        amqp_destroy_envelope(&envelope);
        if (rv != 0) {
            return rv;
        }
        n++;
    }
    return n;
}

/* Acknowledgements of a consumer are not answered; the count at the end shows that they held. */
static int rabbit_settle(struct peer_conn *c, const struct peer_receipt *receipts, unsigned n)
{
    struct rabbit *r = c->own;
    int rv = amqp_basic_ack(r->mq, CHANNEL, receipts[n - 1].handle, 1);

    return rv == AMQP_STATUS_OK ? 0 : peer_fail(c, "acknowledging: %s", amqp_error_string2(rv));
}

const struct peer peer = {
    .client = "librabbitmq; publisher confirms awaited for a batch; one queue and deadlines in"
              " order, as it expires messages at the head only; consumers with a prefetch of 500",
    .threads = 4,
    .batch = 500,
    .receivers = 4,
    .has_one_delay = true,
    .open = rabbit_open,
    .close = rabbit_close,
    .describe = rabbit_describe,
    .create = rabbit_create,
    .put = rabbit_put,
    .listen = rabbit_listen,
    .receive = rabbit_receive,
    .settle = rabbit_settle,
    .count = rabbit_count,
};
