/* verify.c - may what a leader sends be stored? It must be whole, and of this cluster. */
#include <string.h>

#include "internal.h"

bool scheduler_told_check_entry(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    return machine_can_apply(data, len);
}

static const char *verify_reason(enum snapshot_error error)
{
    switch (error) {
        case SNAPSHOT_OK: return NULL;
        case SNAPSHOT_TOO_NEW: return "the snapshot was written by a newer version of orderschedd";
        case SNAPSHOT_NO_MEMORY: return "there is not enough memory to verify the snapshot";
        default: return "the snapshot is damaged (its checksum or structure is wrong)";
    }
}

/* The handshake has compared the two nodes; this is what the snapshot itself says. */
static bool is_of_another_cluster(const struct scheduler *s)
{
    uint8_t identity[PROTOCOL_IDENTITY_SIZE];

    return scheduler_knows_identity(s) && snapshot_envelope_identity(&s->verifying, identity) &&
           memcmp(identity, s->machine.identity, sizeof identity) != 0;
}

const char *scheduler_told_check_snapshot(void *arg, const uint8_t *data, size_t len, size_t max,
                                          size_t *done)
{
    struct scheduler *s = arg;
    struct snapshot_envelope *e = &s->verifying;
    enum snapshot_error error = SNAPSHOT_OK;

    if (*done == 0) {
        snapshot_envelope_close(e); /* one that was given up */
        error = snapshot_envelope_open(e, data, len);
    }
    if (error == SNAPSHOT_OK && !snapshot_envelope_step(e, max, &error)) {
        *done = e->summed;
        return NULL;
    }
    bool another = error == SNAPSHOT_OK && is_of_another_cluster(s);
    snapshot_envelope_close(e);
    *done = len;
    return another ? "the snapshot is of another cluster than this node" : verify_reason(error);
}
