/* machine_vain.c - would a request change nothing? */
#include "machine_parts.h"

bool machine_is_in_vain(const struct machine *m, const struct operation *op)
{
    struct result copy;
    const struct order *o = operation_is_on_route(op->code) ? NULL : store_find(&m->store, op->id);

    if (machine_answer_early(m, o, op->request_id, &copy)) {
        return false;
    }
    return operation_is_on_route(op->code) ? machine_route_is_in_vain(m, op)
                                           : machine_order_is_in_vain(m, op);
}
