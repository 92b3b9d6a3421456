/* fuzz_client.c - the client's logic among nodes that say anything, late, or nothing.
 *
 * The input is a script: what becomes of the oldest message under way, and after how long. Every call
 * ends once, and all memory comes back. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/lib/client_logic.h"
#include "input.h"

#define CALLS 6
#define STEPS_MAX 64
#define UNDER_WAY_MAX 256

struct world {
    struct client_logic logic;
    struct call_budget budget;
    uint64_t under_way[UNDER_WAY_MAX];
    unsigned n;
    unsigned ended;
    uint8_t draws;
};

static bool world_send(void *arg, unsigned slot, const char *address, const uint8_t *message,
                       size_t len, uint64_t handle, unsigned timeout_ms)
{
    struct world *w = arg;
    struct request request;

    assert(slot < CLIENT_ENDPOINTS_MAX && strlen(address) < PROTOCOL_ADDRESS_MAX && timeout_ms > 0);
    int error = request_decode(message, len, &request);
    assert(error == ORDERSCHED_OK);
    if (w->n == UNDER_WAY_MAX) {
        return false;
    }
    w->under_way[w->n++] = handle;
    return true;
}

static void world_random(void *arg, void *out, size_t len)
{
    struct world *w = arg;

    memset(out, w->draws++, len);
}

static void call_ended_cb(void *arg, const struct ordersched_answer *answer)
{
    struct world *w = arg;

    w->ended++;
    assert(answer->text == NULL || strlen(answer->text) < 4096);
}

static void world_submit(struct world *w, unsigned i, const uint8_t *request_id)
{
    static const enum operation_code codes[CALLS] = {OPERATION_PAY,    OPERATION_GET,
                                                     OPERATION_STATUS, OPERATION_RESERVE,
                                                     OPERATION_PAY,    OPERATION_HISTORY};
    struct operation op = {.code = codes[i],
                           .id = {(const uint8_t *)"a", 1},
                           .route = {(const uint8_t *)"r", 1},
                           .worker = {(const uint8_t *)"w", 1},
                           .limit = 1,
                           .time_ms = 100,
                           .request_id = operation_is_logged(codes[i]) ? request_id : NULL};
    struct buffer bytes = {0};
    struct call *call;

    operation_encode(&bytes, &op);
    int error = call_new(&w->budget, bytes.data, bytes.len, false, i == 4 ? "10.0.0.9:1" : NULL,
                         call_ended_cb, w, &call);
    assert(error == ORDERSCHED_OK);
    error = client_logic_submit(&w->logic, call, 1000 + 500 * i);
    assert(error == ORDERSCHED_OK);
    buffer_free(&bytes);
}

static void world_step(struct world *w, struct input *in, uint64_t *now_ms)
{
    uint64_t what = input_number(in, 1);

    *now_ms += (what >> 3) * 8;
    if (w->n > 0) {
        uint64_t handle = w->under_way[0];
        memmove(w->under_way, w->under_way + 1, --w->n * sizeof *w->under_way);
        if ((what & 7) < 5) {
            struct slice piece = input_piece(in);
            uint8_t *answer = input_copy(piece);
            client_logic_on_answer(&w->logic, handle, answer, piece.len, *now_ms);
            free(answer);
        } else {
            client_logic_on_send_failed(&w->logic, handle, (enum client_failure)((what & 7) - 5),
                                        *now_ms);
        }
    }
    client_logic_tick(&w->logic, *now_ms);
    (void)client_logic_next_wake_ms(&w->logic, *now_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    struct input in = input_of(data, size);
    struct world *w = must_have(calloc(1, sizeof *w));
    struct client_logic_config config = {.cluster = "c"};
    struct client_io io = {.arg = w, .send = world_send, .random = world_random};
    uint64_t now_ms = 1;

    w->budget.calls_max = 64;
    w->budget.bytes_max = 1 << 20;
    bool begun = client_logic_init(&w->logic, &config, &io);
    assert(begun);
    for (unsigned i = 0; i < 2; i++) {
        int error = client_logic_add_endpoint(&w->logic, i == 0 ? "10.0.0.1:1" : "10.0.0.2:1");
        assert(error == ORDERSCHED_OK);
    }
    for (unsigned i = 0; i < CALLS; i++) {
        world_submit(w, i, request_id);
    }
    client_logic_tick(&w->logic, now_ms);
    for (unsigned i = 0; i < STEPS_MAX && input_left(&in) > 0; i++) {
        world_step(w, &in, &now_ms);
    }
    client_logic_close(&w->logic);
    assert(w->ended == CALLS);
    assert(atomic_load(&w->budget.calls) == 0 && atomic_load(&w->budget.bytes) == 0);
    free(w);
    return 0;
}
