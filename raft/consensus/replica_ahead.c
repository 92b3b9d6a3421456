/* replica_ahead.c - what is known to be committed is applied before the node takes part.
 *
 * At a start libraft knows nothing to be committed behind the snapshot. It learns of all of it at
 * once, with the first entry that a new leader commits, and applies it in one go: seconds, for a
 * long log, in which that leader is silent and loses its leadership, and so does the next.
 *
 * But each of our entries tells how far its proposer knew the log to be committed (entry.h). That
 * was true then, committed entries are never changed, and a log that holds the proposer's entry
 * holds what was in front of it (Ongaro and Ousterhout 2014, Log Matching). So all that the
 * entries of our log name is committed, and is applied here, while nobody waits for this node yet;
 * libraft comes to it later, and is told that it is done. */
#include "replica_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "../core/entry.h"
#include "../mutant.h"

struct ahead_entry {
    uint64_t index;
    const uint8_t *data; /* libraft's log's, and so valid until the start is over */
    size_t len;
};

static uint64_t known_committed(raft_index start, const struct raft_entry *entries, size_t n)
{
    uint64_t known = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t committed = entries[i].type != RAFT_COMMAND
                                 ? 0
                                 : entry_committed(entries[i].buf.base, entries[i].buf.len,
                                                   start + i);
        known = committed > known ? committed : known;
    }
    return MUTANT(APPLY_UNCOMMITTED) && n > 0 ? start + n - 1 : known;
}

void replica_ahead_loaded(void *arg, raft_index start, const struct raft_entry *entries, size_t n)
{
    struct replica *r = arg;
    uint64_t known = known_committed(start, entries, n);

    assert(r->starting && r->ahead.entries == NULL);
    if (known < start || (r->ahead.entries = calloc(n, sizeof *r->ahead.entries)) == NULL) {
        return; /* nothing, or no memory: libraft's way is the slower one, not a wrong one */
    }
    r->ahead.known = known;
    for (size_t i = 0; i < n && start + i <= known; i++) {
        if (entries[i].type == RAFT_COMMAND) {
            r->ahead.entries[r->ahead.n++] = (struct ahead_entry){start + i, entries[i].buf.base,
                                                                  entries[i].buf.len};
        }
    }
}

void replica_ahead_apply(struct replica *r)
{
    assert(r->starting && r->ahead.index == 0);
    for (size_t i = 0; i < r->ahead.n; i++) {
        const struct ahead_entry *e = &r->ahead.entries[i];
        if (e->index > r->raft.last_applied) { /* else it is in the snapshot, or a lone voter led */
            r->stepping = true;
            r->callbacks.apply(r->callbacks.arg, e->index, e->data, e->len);
            r->stepping = false;
        }
    }
    r->ahead.index = r->ahead.known;
    guard_keep_applied(r->guard, r->ahead.index);
    replica_ahead_free(r);
}

void replica_ahead_free(struct replica *r)
{
    free(r->ahead.entries);
    r->ahead.entries = NULL;
    r->ahead.n = 0;
}

bool replica_is_ahead(const struct replica *r, uint64_t index)
{
    return index <= r->ahead.index;
}
