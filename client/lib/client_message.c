/* client_message.c - the messages in flight. */
#include <assert.h>
#include <stdlib.h>

#include "client_internal.h"

struct message *client_message_send(struct client_logic *l, enum message_kind kind, unsigned slot,
                                    uint32_t n_calls, unsigned timeout_ms)
{
    struct client_endpoint *e = &l->endpoints[slot];
    struct message *m = NULL;

    if (!l->out.failed) {
        m = calloc(1, sizeof *m + n_calls * sizeof m->calls[0]);
    }
    assert(l->out.len <= PROTOCOL_MESSAGE_MAX);
    if (m == NULL || !l->io.send(l->io.arg, slot, e->address, l->out.data, l->out.len,
                                 l->last_handle + 1, timeout_ms)) {
        free(m);
        l->starved = true;
        return NULL;
    }
    m->handle = ++l->last_handle;
    m->kind = kind;
    m->slot = slot;
    m->leadership = l->search.leadership;
    m->n_calls = n_calls;
    m->next = l->messages;
    l->messages = m;
    e->in_flight++;
    e->targeted_in_flight += kind == MESSAGE_TARGET;
    e->used_at = ++l->sequence;
    l->in_flight += kind == MESSAGE_LEADER;
    return m;
}

struct message *client_message_take(struct client_logic *l, uint64_t handle)
{
    struct message **at = &l->messages;

    while (*at != NULL && (*at)->handle != handle) {
        at = &(*at)->next;
    }
    struct message *m = *at;
    if (m != NULL) {
        *at = m->next;
        assert(l->endpoints[m->slot].in_flight > 0);
        l->endpoints[m->slot].in_flight--;
        l->endpoints[m->slot].targeted_in_flight -= m->kind == MESSAGE_TARGET;
        if (m->kind == MESSAGE_LEADER && m->leadership == l->search.leadership && !m->polls) {
            assert(l->in_flight > 0);
            l->in_flight--;
        }
    }
    return m;
}
