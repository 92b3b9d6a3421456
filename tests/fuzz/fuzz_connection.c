/* fuzz_connection.c - the bytes of a client's connection: SP's greeting, lengths, bodies, and the messages
 * in them, in pieces of any size.
 *
 * The server's own code, with a raft loop that answers at once or lets wait. Every message has one slot,
 * and when the connection has ended nothing of it is counted any more. */
#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../node/api/messages.c"
#include "input.h"

#define CLUSTER "c"
#define SLOTS 8
#define BYTES_MAX (64u << 10)

/* The server's, and what lies at its raft loop. */
struct server {
    struct api api;
    struct api_slot *waiting[SLOTS + 1];
    unsigned n;
};

/* In the place of api.c's: the raft loop has it now. */
void api_hand_over(struct api_slot *slot)
{
    struct server *s = (struct server *)slot->api;

    assert(s->n <= SLOTS);
    assert(slot->error != ORDERSCHED_OK || slot->in.message_len <= PROTOCOL_MESSAGE_MAX);
    s->waiting[s->n++] = slot;
}

/* The oldest one is answered, and its client takes the answer. */
static void server_answer(struct server *s)
{
    if (s->n > 0) {
        struct api_slot *slot = s->waiting[0];
        memmove(s->waiting, s->waiting + 1, --s->n * sizeof *s->waiting);
        inbound_release(&slot->in);
        api_slot_end(slot);
        api_connections_resume(&s->api);
    }
}

static struct server *server_new(void)
{
    static struct server *s; /* one for all inputs: it is empty between two of them */

    if (s == NULL) {
        s = must_have(calloc(1, sizeof *s));
        struct api *a = &s->api;
        a->config = (struct api_config){.cluster = CLUSTER,
                                        .slots = SLOTS,
                                        .bytes_max = BYTES_MAX,
                                        .unread_each_max = API_UNREAD_EACH_MAX,
                                        .unread_max = API_UNREAD_MAX};
        int error = uv_loop_init(&a->loop);
        assert(error == 0);
        api_seats_init(&a->seats, 4);
        api_unfinished_init(&a->unfinished, BYTES_MAX + PROTOCOL_MESSAGE_MAX);
        api_reads_init(&a->reads, SLOTS, BYTES_MAX);
        a->paused_last = &a->paused_first;
    }
    return s;
}

static struct api_connection *server_accept(struct server *s)
{
    struct api_connection *c = must_have(calloc(1, sizeof *c));

    c->api = &s->api;
    wire_init(&c->wire, &s->api.loop, c);
    c->from.ss_family = AF_INET;
    s->api.connections = c;
    api_load_add(&s->api.load_connections, 1);
    api_seats_take(&s->api.seats, &c->seat, (struct sockaddr *)&c->from);
    return c;
}

static void check_empty(const struct server *s)
{
    const struct api *a = &s->api;

    assert(a->connections == NULL && a->n_slots == 0 && a->bytes == 0 && a->unfinished.bytes == 0);
    assert(a->reads.n == 0 && a->reads.bytes == 0 && a->paused_first == NULL && a->seats.n == 0);
    assert(atomic_load(&a->load_in_hand) == 0 && atomic_load(&a->load_paused) == 0 &&
           atomic_load(&a->load_connections) == 0 && atomic_load(&a->load_unread) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    struct server *s = server_new();
    struct api_connection *c = server_accept(s);

    while (input_left(&in) > 0 && !c->closing) {
        struct slice piece = input_piece(&in);
        uint64_t then = input_number(&in, 1);
        uint8_t *copy = input_copy(piece);
        if (piece.len > 0 && c->pause == PAUSE_NONE) {
            connection_feed(c, copy, piece.len);
        }
        free(copy);
        for (uint64_t i = 0; i < then % 4; i++) {
            server_answer(s);
        }
    }
    api_connection_close(c);
    uv_run(&s->api.loop, UV_RUN_NOWAIT);
    while (s->n > 0) {
        server_answer(s);
    }
    uv_run(&s->api.loop, UV_RUN_NOWAIT);
    check_empty(s);
    return 0;
}
