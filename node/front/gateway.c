/* gateway.c - see gateway.h. */
#include "gateway.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include "../../client/base/clocks.h"
#include "../../raft/mutant.h"

#define GATEWAY_WINDOW 32      /* messages in flight to the leader, of a lane */
#define GATEWAY_OPERATIONS 512 /* of a message: a large one is long in coming back */
#define GATEWAY_EAGER 2        /* messages of one caller in flight, beyond which further ones... */
#define GATEWAY_FILL 128 /* ...have so many operations: as the leader's own batches (batcher.h) */

/* One operation of an ask. */
struct gateway_part {
    struct gateway_ask *ask;
    struct call *call; /* NULL: it has ended */
    struct ordersched_answer *answer;
    void *memory; /* the answer's body and text */
};

struct gateway_ask {
    struct gateway_ask *next, **at; /* of all; `at` points here */
    struct gateway_ask *refused_next;
    struct link turn; /* while it waits for its turn to be told */
    struct gateway *gateway;
    enum gateway_lane lane;
    bool beginning, dropped;
    gateway_done done;
    void *arg;
    unsigned n, left;
    size_t bytes;                      /* of what was answered */
    struct ordersched_answer *answers; /* n, behind the parts */
    struct gateway_part parts[];
};

/* --- the world, as the client's logic sees it --- */

static void gateway_random(void *arg, void *out, size_t len)
{
    struct gateway *g = ((struct gateway_way *)arg)->gateway;

    assert(len <= sizeof g->random);
    if (g->random_left < len) {
        for (size_t have = 0; have < sizeof g->random;) {
            ssize_t got = getrandom(g->random + have, sizeof g->random - have, 0);
            assert(got > 0 || errno == EINTR);
            have += got > 0 ? (size_t)got : 0;
        }
        g->random_left = sizeof g->random;
    }
    g->random_left -= len;
    memcpy(out, g->random + g->random_left, len);
}

static bool gateway_is_self(const struct gateway *g, const char *address)
{
    return strcmp(address, g->config.self) == 0;
}

static bool gateway_vouches(void *arg, const char *address)
{
    const struct gateway *g = ((struct gateway_way *)arg)->gateway;

    return gateway_is_self(g, address) || g->config.relay != NULL;
}

static bool gateway_send(void *arg, unsigned number, const char *address, const uint8_t *message,
                         size_t len, uint64_t handle, unsigned timeout_ms)
{
    struct gateway_way *way = arg;
    struct gateway_slot *slot = &way->slots[number];
    const char *outside = gateway_is_self(way->gateway, address) ? NULL : address;
    uint64_t now_ms = clocks_running_ms();

    if (way == &way->gateway->ways[GATEWAY_WAITS]) {
        return sp_lines_send(&way->lines, outside, message, len, handle, now_ms, timeout_ms);
    }
    if (slot->link != NULL &&
        strcmp(slot->address, address) != 0) { /* none of its messages is in flight */
        sp_link_free(slot->link);
        slot->link = NULL;
    }
    if (slot->link == NULL) {
        slot->link = sp_link_new(&way->gateway->links[way - way->gateway->ways], outside);
        if (slot->link == NULL) {
            return false;
        }
        memcpy(slot->address, address, strlen(address) + 1);
    }
    return sp_link_send(slot->link, message, len, handle, now_ms, timeout_ms);
}

static void gateway_reported(void *arg, const struct sp_report *report)
{
    struct gateway_way *way = arg;
    uint64_t now_ms = clocks_running_ms();

    sp_lines_reported(&way->lines, report->handle);
    if (report->answered) {
        client_logic_on_answer(&way->logic, report->handle, report->data, report->len, now_ms);
    } else {
        client_logic_on_send_failed(&way->logic, report->handle, report->failure, now_ms);
    }
}

/* --- asks --- */

static void ask_leave_turn(struct gateway_ask *ask)
{
    if (link_linked(&ask->turn)) {
        link_remove(&ask->turn);
        ask->gateway->long_bytes -= ask->bytes;
    }
}

static void ask_free(struct gateway_ask *ask)
{
    ask_leave_turn(ask);
    *ask->at = ask->next;
    if (ask->next != NULL) {
        ask->next->at = ask->at;
    }
    for (unsigned i = 0; i < ask->n; i++) {
        free(ask->parts[i].memory);
    }
    free(ask);
}

/* All parts have ended. */
static void ask_end(struct gateway_ask *ask)
{
    ask_leave_turn(ask);
    ask->done(ask->arg, ask->answers, ask->n);
    ask_free(ask);
}

bool gateway_has_more(const struct gateway *g)
{
    return !link_empty(&g->long_answers);
}

void gateway_tell_next(struct gateway *g)
{
    if (gateway_has_more(g)) {
        struct link *first = g->long_answers.next;
        ask_end((struct gateway_ask *)(void *)((char *)first - offsetof(struct gateway_ask, turn)));
    }
}

/* Long ones come many at once, in one message, and each takes long to be made JSON of. */
static void ask_wait_turn(struct gateway_ask *ask)
{
    struct gateway *g = ask->gateway;

    link_append(&g->long_answers, &ask->turn);
    g->long_bytes += ask->bytes;
    while (g->long_bytes > GATEWAY_LONG_MAX) {
        gateway_tell_next(g);
    }
}

static void part_ended(struct gateway_part *part)
{
    struct gateway_ask *ask = part->ask;
    struct gateway *g = ask->gateway;

    part->call = NULL;
    assert(ask->left > 0);
    if (--ask->left > 0) {
        return;
    }
    if (ask->beginning) {
        *g->refused_last = ask;
        g->refused_last = &ask->refused_next;
    } else if (ask->bytes > GATEWAY_LONG) {
        ask_wait_turn(ask);
    } else {
        ask_end(ask);
    }
}

/* What was answered; a mutant tells it wrong. */
static int error_to_tell(const struct ordersched_answer *answer)
{
    static unsigned answers;
    bool unknown = ordersched_error_class(answer->error) == ORDERSCHED_UNKNOWN;

    if (MUTANT(HTTP_UNKNOWN_IS_DEFINITE) && unknown) {
        return ORDERSCHED_NOT_LEADER;
    }
    if (MUTANT(HTTP_LOSES_ANSWERS) && ++answers % 100 == 0) {
        return ORDERSCHED_UNKNOWN_OUTCOME;
    }
    return answer->error;
}

/* The answer lives as long as this call of the logic's: it is copied. */
static void part_answered_cb(void *arg, const struct ordersched_answer *answer)
{
    struct gateway_part *part = arg;
    struct ordersched_answer *to = part->answer;
    size_t text_len = answer->text != NULL ? strlen(answer->text) + 1 : 0;

    *to = *answer;
    to->error = error_to_tell(answer);
    to->body = NULL;
    to->text = NULL;
    if (answer->body_len + text_len > 0) {
        part->memory = malloc(answer->body_len + text_len);
    }
    if (part->memory == NULL &&
        answer->body_len > 0) { /* it was decided, but what cannot be said */
        to->error = ORDERSCHED_UNKNOWN_OUTCOME;
        to->body_len = 0;
    }
    if (part->memory != NULL) {
        uint8_t *body = part->memory;
        part->ask->bytes += answer->body_len + text_len;
        if (answer->body_len > 0) {
            memcpy(body, answer->body, answer->body_len);
            to->body = body;
        }
        if (text_len > 0) {
            memcpy(body + answer->body_len, answer->text, text_len);
            to->text = (char *)body + answer->body_len;
        }
    }
    part_ended(part);
}

static void part_refuse(struct gateway_part *part, int error)
{
    *part->answer = (struct ordersched_answer){.error = error,
                                               .text = ordersched_error_text(error)};
    part_ended(part);
}

bool gateway_changes(enum operation_code code)
{
    return !operation_is_read(code) && code != OPERATION_MEMBER_LIST && code != OPERATION_RESERVE &&
           code != OPERATION_LEASE;
}

/* Submit an operation for whoever asks. Returns the error; on ORDERSCHED_OK its cb will be called. */
static int part_submit(struct gateway_part *part, const struct gateway_question *q,
                       const struct front_operation *operation, const char *node, ordersched_cb cb,
                       struct call **out)
{
    struct gateway *g = part->ask->gateway;
    struct client_logic *l = &g->ways[part->ask->lane].logic;
    struct call *call;

    int error = call_new(&g->budget, operation->bytes, operation->len,
                         gateway_changes(operation->code), node, cb, part, &call);
    if (error == ORDERSCHED_OK && !call_ask_for(call, q->caller)) {
        call_free(call);
        error = ORDERSCHED_NO_MEMORY;
    }
    if (error == ORDERSCHED_OK && MUTANT(HTTP_FORGETS_COPIES)) {
        call->keyed = false; /* then all of its id is made here */
    }
    if (error == ORDERSCHED_OK) {
        error = client_logic_submit(l, call, q->until_ms);
        if (error != ORDERSCHED_OK) {
            call_free(call);
        }
    }
    if (error == ORDERSCHED_OK) {
        *out = call;
    }
    return error;
}

/* --- a mutant's: what a pay is told is what this node's own state makes of it, the leader's answer nobody hears --- */

static void unheard_cb(void *arg, const struct ordersched_answer *answer)
{
    (void)arg;
    (void)answer;
}

static void paid_at_once_cb(void *arg, const struct ordersched_answer *answer)
{
    struct ordersched_answer paid = *answer;

    if (paid.error == ORDERSCHED_OK && paid.state == ORDERSCHED_PENDING) {
        paid.state = ORDERSCHED_PAID;
    } else if (paid.error == ORDERSCHED_OK && paid.state != ORDERSCHED_PAID) {
        paid.error = ORDERSCHED_TOO_LATE;
    }
    part_answered_cb(arg, &paid);
}

static int pay_at_once(struct gateway_part *part, const struct gateway_question *q,
                       const struct front_operation *pay, struct call **out)
{
    struct operation op;
    struct buffer b = {0};
    struct call *unheard;

    int error = operation_decode(pay->bytes, pay->len, &op);
    op.code = OPERATION_GET;
    operation_encode(&b, &op);
    if (error == ORDERSCHED_OK) {
        error = part_submit(part, q, pay, q->node, unheard_cb, &unheard);
    }
    if (error == ORDERSCHED_OK) {
        error = part_submit(part, q, &(struct front_operation){op.code, b.data, b.len},
                            part->ask->gateway->config.self, paid_at_once_cb, out);
    }
    buffer_free(&b);
    return error;
}

static void part_begin(struct gateway_part *part, const struct gateway_question *q,
                       const struct front_operation *operation)
{
    struct gateway *g = part->ask->gateway;
    const char *node = MUTANT(HTTP_READS_ITSELF) && operation->code == OPERATION_GET
                           ? g->config.self
                           : q->node;
    int error;

    if (MUTANT(HTTP_PAID_AT_ONCE) && operation->code == OPERATION_PAY) {
        error = pay_at_once(part, q, operation, &part->call);
    } else {
        error = part_submit(part, q, operation, node, part_answered_cb, &part->call);
    }
    if (error != ORDERSCHED_OK) {
        part_refuse(part, error);
    }
}

/* All operations of a question go the same way, in their order: what is written is there when it is read. */
static enum gateway_lane question_lane(const struct gateway_question *q)
{
    enum gateway_lane lane = GATEWAY_READS;

    for (unsigned i = 0; i < q->n; i++) {
        enum operation_code code = q->operations[i].code;
        if (code == OPERATION_RESERVE) {
            return GATEWAY_WAITS;
        }
        lane = operation_is_read(code) || code == OPERATION_MEMBER_LIST ? lane : GATEWAY_WRITES;
    }
    return lane;
}

struct gateway_ask *gateway_ask(struct gateway *g, const struct gateway_question *q)
{
    assert(q->n > 0);
    struct gateway_ask *ask = calloc(1, sizeof *ask +
                                            q->n * (sizeof ask->parts[0] + sizeof ask->answers[0]));

    if (ask == NULL) {
        return NULL;
    }
    ask->gateway = g;
    ask->lane = question_lane(q);
    ask->done = q->done;
    ask->arg = q->arg;
    ask->n = ask->left = q->n;
    ask->answers = (struct ordersched_answer *)&ask->parts[q->n];
    ask->next = g->asks;
    ask->at = &g->asks;
    if (ask->next != NULL) {
        ask->next->at = &ask->next;
    }
    g->asks = ask;
    ask->beginning = true;
    for (unsigned i = 0; i < q->n; i++) {
        ask->parts[i].ask = ask;
        ask->parts[i].answer = &ask->answers[i];
        part_begin(&ask->parts[i], q, &q->operations[i]);
    }
    ask->beginning = false;
    return ask;
}

void gateway_drop(struct gateway *g, struct gateway_ask *ask)
{
    for (unsigned i = 0; i < ask->n; i++) {
        if (ask->parts[i].call != NULL) {
            struct gateway_way *way = &g->ways[ask->lane];
            uint64_t handle = client_logic_drop(&way->logic, ask->parts[i].call);
            if (handle != 0) {
                sp_lines_drop(&way->lines, handle);
            }
            ask->left--;
        }
    }
    if (ask->left == 0 && ask->n > 0) {
        ask->dropped = true;
    }
    for (struct gateway_ask *r = g->refused_first; r != NULL; r = r->refused_next) {
        if (r == ask) {
            return; /* freed in the tick */
        }
    }
    ask_free(ask);
}

static void gateway_tell_refused(struct gateway *g)
{
    struct gateway_ask *ask = g->refused_first;

    g->refused_first = NULL;
    g->refused_last = &g->refused_first;
    while (ask != NULL) {
        struct gateway_ask *next = ask->refused_next;
        if (ask->dropped) {
            ask_free(ask);
        } else {
            ask_end(ask);
        }
        ask = next;
    }
}

/* --- life --- */

static bool way_init(struct gateway_way *way, const struct gateway *g)
{
    struct client_logic_config config = {.window = GATEWAY_WINDOW,
                                         .operations_max = GATEWAY_OPERATIONS,
                                         .eager = GATEWAY_EAGER,
                                         .fill = GATEWAY_FILL,
                                         .token_anywhere = g->config.relay != NULL};
    struct client_io io = {.arg = way,
                           .send = gateway_send,
                           .random = gateway_random,
                           .vouches = gateway_vouches};

    memcpy(config.cluster, g->config.cluster, strlen(g->config.cluster) + 1);
    if (!client_logic_init(&way->logic, &config, &io)) {
        return false;
    }
    int error = client_logic_add_endpoint(&way->logic, g->config.self);
    for (unsigned i = 0; i < g->config.n_others && error == ORDERSCHED_OK; i++) {
        error = client_logic_add_endpoint(&way->logic, g->config.others[i]);
    }
    assert(error == ORDERSCHED_OK); /* there are fewer members than places */
    return true;
}

bool gateway_init(struct gateway *g, uv_loop_t *loop, const struct gateway_config *config)
{
    memset(g, 0, sizeof *g);
    g->config = *config;
    g->budget.calls_max = GATEWAY_CALLS_MAX;
    g->budget.bytes_max = GATEWAY_BYTES_MAX;
    g->refused_last = &g->refused_first;
    link_head_init(&g->long_answers);
    for (unsigned i = 0; i < GATEWAY_LANES; i++) {
        g->ways[i].gateway = g;
        g->links[i] = (struct sp_links){.loop = loop,
                                        .relay = config->relay,
                                        .inside = config->inside,
                                        .inside_arg = config->inside_arg,
                                        .report = gateway_reported,
                                        .report_arg = &g->ways[i]};
        g->ways[i].lines.links = &g->links[i];
        if (!way_init(&g->ways[i], g)) {
            return false;
        }
    }
    return true;
}

void gateway_close(struct gateway *g)
{
    for (unsigned i = 0; i < GATEWAY_LANES; i++) {
        client_logic_close(&g->ways[i].logic);
        for (unsigned j = 0; j < CLIENT_ENDPOINTS_MAX; j++) {
            if (g->ways[i].slots[j].link != NULL) {
                sp_link_free(g->ways[i].slots[j].link);
                g->ways[i].slots[j].link = NULL;
            }
        }
        sp_lines_close(&g->ways[i].lines);
    }
    gateway_tell_refused(g);
    while (gateway_has_more(g)) {
        gateway_tell_next(g);
    }
}

bool gateway_is_closed(const struct gateway *g)
{
    unsigned open = 0;

    for (unsigned i = 0; i < GATEWAY_LANES; i++) {
        open += g->links[i].open;
    }
    return open == 0;
}

void gateway_free(struct gateway *g)
{
    assert(gateway_is_closed(g) && g->asks == NULL && g->refused_first == NULL);
    (void)g;
}

static uint64_t links_tick(struct gateway_way *way, uint64_t now_ms)
{
    uint64_t wake_ms = sp_lines_tick(&way->lines, now_ms);

    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        if (way->slots[i].link != NULL) {
            uint64_t link_ms = sp_link_tick(way->slots[i].link, now_ms);
            wake_ms = link_ms < wake_ms ? link_ms : wake_ms;
        }
    }
    return wake_ms;
}

static uint64_t way_tick(struct gateway_way *way, uint64_t now_ms)
{
    (void)links_tick(way, now_ms); /* their reports come before what they lead to */
    client_logic_tick(&way->logic, now_ms);
    uint64_t logic_ms = client_logic_next_wake_ms(&way->logic, now_ms);
    uint64_t links_ms = links_tick(way, now_ms);
    return logic_ms < links_ms ? logic_ms : links_ms;
}

uint64_t gateway_tick(struct gateway *g)
{
    uint64_t now_ms = clocks_running_ms();
    uint64_t wake_ms = UINT64_MAX;

    gateway_tell_refused(g);
    for (unsigned i = 0; i < GATEWAY_LANES; i++) {
        uint64_t way_ms = way_tick(&g->ways[i], now_ms);
        wake_ms = way_ms < wake_ms ? way_ms : wake_ms;
    }
    return wake_ms;
}

const char *gateway_address_of(const struct gateway *g, uint64_t node)
{
    for (unsigned i = 0; i < GATEWAY_LANES; i++) {
        for (unsigned j = 0; j < CLIENT_ENDPOINTS_MAX; j++) {
            const struct client_endpoint *e = &g->ways[i].logic.endpoints[j];
            if (e->address[0] != '\0' && e->node_id == node) {
                return e->address;
            }
        }
    }
    return NULL;
}

bool gateway_knows_host(const struct gateway *g, const char *host)
{
    size_t len = strlen(host);

    for (unsigned i = 0; i < GATEWAY_LANES; i++) {
        for (unsigned j = 0; j < CLIENT_ENDPOINTS_MAX; j++) {
            const char *address = g->ways[i].logic.endpoints[j].address;
            if (strncasecmp(address, host, len) == 0 && address[len] == ':') {
                return true;
            }
        }
    }
    return false;
}
