/* guard_window.c - entries that were sent to a member and are not confirmed are not sent again.
 *
 * libraft probes a member of which it does not know where its log ends with all entries that may be
 * in flight, and again at each heartbeat until one is confirmed; and once more when the answer to
 * a heartbeat makes it pipeline. Where the entries take longer than a heartbeat to travel and to be
 * stored, each copy delays the answer to the first: a log of 250 MB was sent 20 to 60 times over.
 *
 * Messages to a member keep their order on its connection. So what a message repeats is cut off its
 * front, down to a heartbeat; it then follows the entries that are on their way. If they do not
 * arrive, the member refuses what follows, or confirms nothing for as long as sending them may
 * take: either ends the window, and libraft's next message is sent whole. */
#include "guard_parts.h"

#include <assert.h>

#define WINDOW_BYTES_PER_MS 1024 /* slower than that, and entries are sent again */

static size_t entries_bytes(const struct raft_append_entries *args)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < args->n_entries; i++) {
        bytes += args->entries[i].buf.len;
    }
    return bytes;
}

static bool window_is_over(const struct guard *g, const struct guard_window *w, raft_term term,
                           raft_time now_ms)
{
    return w->term != term || w->last == 0 ||
           now_ms - w->moved_ms >=
               2 * (raft_time)g->raft->election_timeout + w->bytes / WINDOW_BYTES_PER_MS;
}

/* Its first n entries are on their way: they are in front of the rest now. */
static void skip_entries(struct raft_append_entries *args, unsigned n)
{
    if (n > 0) {
        args->prev_log_index += n;
        args->prev_log_term = args->entries[n - 1].term;
        args->entries += n;
        args->n_entries -= n;
    }
}

void guard_window_cut(struct guard *g, raft_id id, struct raft_append_entries *args)
{
    struct guard_peer *p = args->n_entries > 0 ? guard_peer_get(g, id) : NULL;

    if (p == NULL) {
        return;
    }
    struct guard_window *w = &p->window;
    raft_time now_ms = g->inner->time(g->inner);
    raft_index first = args->prev_log_index + 1;
    raft_index last = args->prev_log_index + args->n_entries;
    if (window_is_over(g, w, args->term, now_ms) || first < w->first || first > w->last + 1) {
        *w = (struct guard_window){.term = args->term, .first = first};
    } else if (last <= w->last) {
        args->n_entries = 0; /* nothing new in it: it shows that we are there */
        return;
    } else {
        skip_entries(args, (unsigned)(w->last + 1 - first));
    }
    /* Whatever was cut off, what is left ends where the message ended, and leaves no gap. */
    assert(args->n_entries > 0 && args->prev_log_index + args->n_entries == last);
    assert(w->first <= last);
    w->last = last;
    w->bytes += entries_bytes(args);
    w->moved_ms = now_ms;
}

void guard_window_lost(struct guard *g, raft_id id)
{
    struct guard_peer *p = guard_peer_find(g, id);

    if (p != NULL) {
        p->window.last = 0;
    }
}

void guard_window_answered(struct guard *g, raft_id id,
                           const struct raft_append_entries_result *result)
{
    struct guard_peer *p = guard_peer_find(g, id);

    if (p == NULL || result->term != g->raft->current_term) {
        return;
    }
    struct guard_window *w = &p->window;
    if (result->rejected != 0 || result->last_log_index >= w->last) {
        w->last = 0;
    } else if (result->last_log_index >= w->first) {
        w->first = result->last_log_index + 1;
        w->moved_ms = g->inner->time(g->inner);
    }
}
