/* front_ask.c - what resources ask the cluster, on behalf of whoever sent the request. */
#include <stdlib.h>

#include "../../client/base/must.h"
#include "../../client/wire/audit.h"
#include "front_internal.h"

static void ask_done(void *arg, const struct ordersched_answer *answers, unsigned n)
{
    struct exchange_ask *a = arg;
    struct front_exchange *e = a->exchange;
    struct exchange_ask **at = &e->asks;

    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    a->on_done(&e->x, answers, n);
    free(a);
}

/* It goes into the audit trail, with the address? (Reads and what is no operator's do not tell it: so those of
 * one principal can share a message wherever they come from.) */
static bool is_audited(const struct front_operation *operations, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct operation op;
        if (operation_decode(operations[i].bytes, operations[i].len, &op) == ORDERSCHED_OK &&
            audit_covers(op.code)) {
            return true;
        }
    }
    return false;
}

static void
ask(struct exchange *x, const struct front_operation *operations, unsigned n, const char *node,
    void (*on_done)(struct exchange *x, const struct ordersched_answer *answers, unsigned n))
{
    struct front_exchange *e = exchange_of(x);
    struct call_caller caller = e->caller;
    struct exchange_ask *a = must_have(calloc(1, sizeof *a));

    if (!is_audited(operations, n)) {
        caller.from[0] = '\0';
    }
    struct gateway_question q = {.caller = &caller,
                                 .operations = operations,
                                 .n = n,
                                 .until_ms = x->patience_until_ms,
                                 .node = node,
                                 .done = ask_done,
                                 .arg = a};
    a->exchange = e;
    a->on_done = on_done;
    a->next = e->asks;
    e->asks = a;
    a->ask = must_have(gateway_ask(&e->front->gateway, &q));
}

void front_ask(struct exchange *x, const struct front_operation *operations, unsigned n,
               void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                               unsigned n))
{
    ask(x, operations, n, NULL, on_done);
}

void front_ask_node(struct exchange *x, uint64_t node, const struct front_operation *operation,
                    void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                                    unsigned n))
{
    struct front *f = exchange_of(x)->front;
    const char *address = node == 0 || node == f->config.node
                              ? f->config.self
                              : gateway_address_of(&f->gateway, node);

    ask(x, operation, 1, address, on_done);
}
