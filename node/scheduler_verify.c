/* scheduler_verify.c - is what a leader sends whole? Asked before it is stored. */
#include "scheduler_internal.h"

bool scheduler_told_check_entry(void *arg, const uint8_t *data, size_t len)
{
    (void)arg;
    return machine_can_apply(data, len);
}

static const char *verify_reason(enum snapshot_error error)
{
    switch (error) {
        case SNAPSHOT_OK:
            return NULL;
        case SNAPSHOT_TOO_NEW:
            return "the snapshot was written by a newer version of orderschedd";
        case SNAPSHOT_NO_MEMORY:
            return "there is not enough memory to verify the snapshot";
        default:
            return "the snapshot is damaged (its checksum or structure is wrong)";
    }
}

const char *scheduler_told_check_image(void *arg, const uint8_t *data, size_t len, size_t max,
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
    snapshot_envelope_close(e);
    *done = len;
    return verify_reason(error);
}
