/* silence.c - see silence.h. */
#include "silence.h"

bool silence_lasts(struct silence *s, bool on_the_way, uint64_t last_ack_ago_ms, uint64_t now_ms,
                   uint64_t limit_ms)
{
    if (!on_the_way) {
        s->since_ms = 0;
        return false;
    }
    if (s->since_ms == 0 || last_ack_ago_ms < now_ms - s->since_ms) {
        s->since_ms = now_ms; /* an idle connection's last acknowledgement may be old */
        return false;
    }
    return now_ms - s->since_ms >= limit_ms;
}
