/* owner.c - what the scheduler tells who runs it: how far a start is, which cluster this is, and that
 * it cannot go on. */
#include "internal.h"

void scheduler_fatal(struct scheduler *s, const char *sentence)
{
    s->config.fatal(s->config.fatal_arg, sentence);
}

void scheduler_progress(const struct scheduler *s, const char *what, uint64_t done, uint64_t total)
{
    if (s->config.progress != NULL && s->starting) {
        s->config.progress(s->config.progress_arg, what, done, total);
    }
}

bool scheduler_knows_identity(const struct scheduler *s)
{
    return identity_is_known(s->machine.identity);
}

bool scheduler_identify(struct scheduler *s)
{
    if (s->identified || s->config.identified == NULL || !scheduler_knows_identity(s)) {
        return true;
    }
    s->identified = true;
    return s->config.identified(s->config.cluster_arg, s->machine.identity) == 0;
}
