/* clients_traces.c - the traceparents that the simulated shops state, each with ids of its own, and the routes
 * that carry them. What is drawn here comes from a stream of its own: all else in a run is as it would be
 * without. */
#include <string.h>
#include <xxhash.h>

#include "clients_internal.h"

void traces_init(struct clients *s)
{
    static const char name[] = "traceparents";

    s->traces.random = XXH3_64bits_withSeed(name, sizeof name - 1, s->options->seed);
}

void traces_draw(struct clients *s, struct operation *op, uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE])
{
    op->traceparent = (struct slice){0};
    if (!loop_random_bool(&s->traces, s->options->trace_per_mille)) {
        return;
    }
    for (unsigned i = 0; i < PROTOCOL_TRACEPARENT_SIZE; i++) {
        bytes[i] = (uint8_t)loop_random(&s->traces);
    }
    bytes[0] |= 1; /* neither of the ids is all zeros: */
    bytes[16] |= 1;
    op->traceparent = (struct slice){bytes, PROTOCOL_TRACEPARENT_SIZE};
}

void traces_draw_copy(struct clients *s, struct operation *op,
                      uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE])
{
    if (op->code == OPERATION_SCHEDULE && loop_random_bool(&s->traces, 500)) {
        traces_draw(s, op, bytes);
    }
}

void traces_draw_route(struct clients *s, struct route_settings *settings)
{
    settings->traceparent = loop_random_bool(&s->traces, s->options->carry_per_mille) &&
                            settings->kind != ROUTE_WORKER;
}
