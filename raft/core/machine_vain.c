/* machine_vain.c - would a request change nothing? */
#include "machine_parts.h"

static bool is_on_order(enum operation_code code)
{
    return !operation_is_on_route(code) && !operation_is_on_clock(code) &&
           !operation_is_on_principal(code);
}

bool machine_is_in_vain(const struct machine *m, const struct operation *op)
{
    struct result copy;
    const struct order *o = is_on_order(op->code) ? store_find(&m->store, op->id) : NULL;

    if (machine_answer_early(m, o, op, &copy)) {
        return false;
    }
    if (operation_is_on_clock(op->code)) {
        return machine_clock_is_in_vain(m, op);
    }
    if (operation_is_on_principal(op->code)) {
        return machine_grant_is_in_vain(m, op);
    }
    return operation_is_on_route(op->code) ? machine_route_is_in_vain(m, op)
                                           : machine_order_is_in_vain(m, op);
}
