/* trace.c - libraft's trace messages, where some disk errors are told and nowhere else. */
#include "trace.h"

#include <stdio.h>
#include <string.h>

#define RETRIES_A_LINE 60 /* one log line for so many: every 30 s at the retry rate of 500 ms */

static bool begins_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void trace_fatal(struct disk_trace *t, const char *what, const char *message)
{
    char sentence[1200];

    snprintf(sentence, sizeof sentence, "%s (%s); stopping, what is acknowledged is on disk", what,
             message);
    t->fatal(t->arg, sentence);
}

static void trace_retry(struct disk_trace *t, const char *what)
{
    if (t->log != NULL && atomic_fetch_add(&t->n_retries, 1) % RETRIES_A_LINE == 0) {
        t->log(t->arg, "warn", what);
    }
}

static void trace_emit(struct raft_tracer *tracer, int type, const void *info)
{
    struct disk_trace *t = tracer->impl;
    const struct raft_tracer_info *i = info;
    const char *m;

    if (type != RAFT_TRACER_DIAGNOSTIC) {
        return;
    }
    m = i->diagnostic.message;
    if (begins_with(m, "retry failed write")) {
        trace_fatal(t, "a write to the log failed", m);
    } else if (begins_with(m, "truncate segment open-")) {
        trace_fatal(t, "a segment of the log could not be closed", m);
    } else if (begins_with(m, "truncate index ")) {
        trace_fatal(t, "the log could not be truncated", m);
    } else if (begins_with(m, "uv truncate work cb")) {
        atomic_store(&t->truncating, strcmp(m, "uv truncate work cb") == 0);
    } else if (begins_with(m, "uv truncate after work cb")) {
        if (atomic_exchange(&t->truncating, false)) {
            trace_fatal(t, "the log could not be truncated", m);
        }
    } else if (begins_with(m, "retry snapshot write")) {
        trace_retry(t, "a snapshot cannot be written (is the disk full?); trying again");
    } else if (begins_with(m, "retry creating segment")) {
        trace_retry(t, "no new segment of the log can be made (is the disk full?); trying again");
    }
}

void disk_trace_init(struct disk_trace *t, void (*fatal)(void *arg, const char *sentence),
                     void (*log)(void *arg, const char *level, const char *sentence), void *arg)
{
    *t = (struct disk_trace){
        .tracer = {.impl = t, .version = 2, .emit = trace_emit},
        .fatal = fatal,
        .log = log,
        .arg = arg,
    };
}
