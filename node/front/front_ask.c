/* front_ask.c - what resources ask the cluster, on behalf of whoever sent the request. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/text/units.h"
#include "../../client/wire/audit.h"
#include "front_internal.h"

typedef void (*front_done)(struct exchange *x, const struct ordersched_answer *answers, unsigned n);

/* It goes into the audit trail, with the address? (Reads and what is no operator's do not tell it: so those of
 * one principal can share a message wherever they come from.) */
static bool is_audited(const struct front_operation *operations, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (audit_covers(operations[i].code)) {
            return true;
        }
    }
    return false;
}

/* --- asks --- */

static struct exchange_ask *ask_new(struct front_exchange *e, front_done on_done)
{
    struct exchange_ask *a = must_have(calloc(1, sizeof *a));

    a->exchange = e;
    a->on_done = on_done;
    a->next = e->asks;
    e->asks = a;
    return a;
}

static void ask_free(struct exchange_ask *a)
{
    buffer_free(&a->operation);
    free(a);
}

/* It has its answers. */
static void ask_end(struct exchange_ask *a, const struct ordersched_answer *answers, unsigned n)
{
    struct front_exchange *e = a->exchange;
    struct exchange_ask **at = &e->asks;

    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    a->on_done(&e->x, answers, n);
    ask_free(a);
}

static void ask_done(void *arg, const struct ordersched_answer *answers, unsigned n)
{
    ask_end(arg, answers, n);
}

static void ask_begin(struct exchange_ask *a, const struct front_operation *operations, unsigned n,
                      const char *node, gateway_done done)
{
    struct front_exchange *e = a->exchange;
    struct call_caller caller = e->caller;

    for (unsigned i = 0; i < n && !e->changes; i++) {
        e->changes = gateway_changes(operations[i].code);
    }
    if (!is_audited(operations, n)) {
        caller.from[0] = '\0';
    }
    struct gateway_question q = {.caller = &caller,
                                 .operations = operations,
                                 .n = n,
                                 .until_ms = e->x.patience_until_ms,
                                 .node = node,
                                 .done = done,
                                 .arg = a};
    a->ask = must_have(gateway_ask(&e->front->gateway, &q));
}

void exchange_drop_asks(struct front_exchange *e)
{
    while (e->asks != NULL) {
        struct exchange_ask *a = e->asks;
        e->asks = a->next;
        gateway_drop(&e->front->gateway, a->ask);
        ask_free(a);
    }
}

void front_ask(struct exchange *x, const struct front_operation *operations, unsigned n,
               front_done on_done)
{
    struct front_exchange *e = exchange_of(x);

    if (operations[0].code == OPERATION_RESERVE) {
        assert(n == 1);
        if (!visitor_waits(e->visitor)) {
            exchange_problem(x, ORDERSCHED_BUSY, visitor_no_wait, NULL);
            return;
        }
        e->waits = true;
    }
    ask_begin(ask_new(e, on_done), operations, n, NULL, ask_done);
}

/* --- a node by its number --- */

/* The client server of this node, by what MEMBER_LIST says. */
static bool find_member(const struct ordersched_answer *answer, uint64_t node,
                        char out[PROTOCOL_ADDRESS_MAX])
{
    struct cursor c;
    char raft[PROTOCOL_ADDRESS_MAX];

    cursor_init(&c, answer->body, answer->body_len);
    for (uint32_t left = cursor_array(&c); left > 0 && cursor_ok(&c); left--) {
        struct slice row = cursor_skip(&c);
        struct cursor r;
        cursor_init(&r, row.data, row.len);
        (void)cursor_array(&r);
        uint64_t id = cursor_uint(&r);
        struct slice address = cursor_bytes(&r);
        if (cursor_ok(&r) && id == node && address.len < sizeof raft) {
            memcpy(raft, address.data, address.len);
            raft[address.len] = '\0';
            return units_move_port(raft, 1, out, PROTOCOL_ADDRESS_MAX);
        }
    }
    return false;
}

static void members_done(void *arg, const struct ordersched_answer *answers, unsigned n)
{
    struct exchange_ask *a = arg;
    struct front_operation operation = {a->code, a->operation.data, a->operation.len};
    char address[PROTOCOL_ADDRESS_MAX];

    if (answers[0].error != ORDERSCHED_OK) {
        ask_end(a, answers, n);
    } else if (find_member(&answers[0], a->node, address)) {
        ask_begin(a, &operation, 1, address, ask_done);
    } else {
        struct ordersched_answer none = {.error = ORDERSCHED_NOT_FOUND,
                                         .text = "no member has this number"};
        ask_end(a, &none, 1);
    }
}

void front_ask_node(struct exchange *x, uint64_t node, const struct front_operation *operation,
                    front_done on_done)
{
    struct front_exchange *e = exchange_of(x);
    struct front *f = e->front;
    struct exchange_ask *a = ask_new(e, on_done);
    const char *address = node == 0 || node == f->config.node
                              ? f->config.self
                              : gateway_address_of(&f->gateway, node);

    if (address != NULL) {
        ask_begin(a, operation, 1, address, ask_done);
        return;
    }
    struct operation op = {.code = OPERATION_MEMBER_LIST};
    struct buffer b = {0};
    operation_encode(&b, &op);
    buffer_append(&a->operation, operation->bytes, operation->len);
    must_hold(!b.failed && !a->operation.failed);
    a->code = operation->code;
    a->node = node;
    struct front_operation members = {op.code, b.data, b.len};
    ask_begin(a, &members, 1, f->config.self,
              members_done); /* it knows them without a leader, too */
    buffer_free(&b);
}
