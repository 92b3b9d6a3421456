/* machine_clock.c - what operators have said of the voters' wall clocks: whose counts where no majority
 * agrees on a time (docs/semantics.md, "Time"). The machine only keeps it; a leader goes by it. */
#include "machine_parts.h"

bool machine_clock_is_in_vain(const struct machine *m, const struct operation *op)
{
    return m->clock_trusted == op->node_id;
}

void machine_apply_clock(struct machine *m, const struct operation *op, struct result *result)
{
    bool changes = !machine_clock_is_in_vain(m, op);

    if (machine_answer_early(m, NULL, op->request_id, result)) {
        return;
    }
    if (!machine_recent_has_room(m, changes)) {
        result->error = ORDERSCHED_BUSY;
        return;
    }
    m->clock_trusted = op->node_id;
    result->error = ORDERSCHED_OK;
    machine_record_recent(m, op->request_id, changes, result);
}
