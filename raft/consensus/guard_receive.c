/* guard_receive.c - what may come in: the guards between the network and libraft. */
#include "guard_parts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../mutant.h"

/* --- InstallSnapshot --- */

/* Keep it until our own snapshot is stored; a later one takes its place. */
static void guard_hold(struct guard *g, struct raft_message *message)
{
    struct raft_message kept;

    if (!guard_keep_message(&kept, message)) {
        return;
    }
    if (g->held) {
        guard_forget_kept(&g->held_message);
    }
    g->held = true;
    g->held_message = kept;
}

/* libraft refuses a snapshot of a past term with an answer that says it is taken, up to an index that
 * it has not filled in (hazard 40). Such a leader hears of the later term when its entries are refused. */
static bool install_is_past(const struct guard *g, const struct raft_message *message)
{
    return message->install_snapshot.term < g->raft->current_term;
}

static void install_verified(struct guard *g, struct raft_message *message)
{
    if (install_is_past(g, message)) {
        guard_discard_message(message);
    } else if (g->install.busy) {
        /* libraft would keep neither it nor a reference to it. */
        guard_discard_message(message);
    } else if (g->own.busy) {
        guard_hold(g, message);
    } else {
        g->recv(g->outer, message);
    }
}

void guard_release_held(struct guard *g)
{
    struct raft_message message;

    if (!g->held || g->closing || g->own.busy || g->install.busy) {
        return;
    }
    message = g->held_message;
    g->held = false;
    install_verified(g, &message);
    free((void *)message.server_address);
}

void guard_install_more(struct guard *g)
{
    struct raft_message *m = guard_verify_more(g);

    if (m != NULL) {
        const char *address =
            m->server_address; /* the copy's: the message is libraft's from here */
        install_verified(g, m);
        free((void *)address);
    }
}

/* --- AppendEntries --- */

/* The first configuration change that has entries in front of it, or n_entries. */
static unsigned entries_find_change(const struct raft_append_entries *args)
{
    unsigned i = 1;

    while (i < args->n_entries && args->entries[i].type != RAFT_CHANGE) {
        i++;
    }
    return i;
}

/* The entries from `from` on in a batch of their own. 0 or RAFT_NOMEM. */
static int entries_copy(const struct raft_append_entries *args, unsigned from,
                        struct raft_append_entries *out)
{
    unsigned n = args->n_entries - from;
    size_t size = 0;
    uint8_t *batch;

    assert(from > 0 && from < args->n_entries); /* the entry in front of them gives its term */
    for (unsigned i = 0; i < n; i++) {
        size += args->entries[from + i].buf.len;
    }
    *out = *args;
    out->n_entries = n;
    out->prev_log_index = args->prev_log_index + from;
    out->prev_log_term = args->entries[from - 1].term;
    out->entries = raft_malloc(n * sizeof *out->entries);
    batch = raft_malloc(size);
    if (out->entries == NULL || batch == NULL) {
        raft_free(out->entries);
        raft_free(batch);
        return RAFT_NOMEM;
    }
    size = 0;
    for (unsigned i = 0; i < n; i++) {
        struct raft_entry *e = &out->entries[i];
        *e = args->entries[from + i];
        memcpy(batch + size, e->buf.base, e->buf.len);
        e->buf.base = batch + size;
        e->batch = batch;
        size += e->buf.len;
    }
    return 0;
}

/* What lies before our log is committed, and in our snapshot. But libraft does not know its terms:
 * it refuses a message that begins there, so that a leader that must go back so far never gets on;
 * and one that begins with the first entry it takes for new, and cuts the log off in front of it.
 * So the message is made to begin behind the snapshot. */
static void entries_skip_known(const struct guard *g, struct raft_append_entries *args)
{
    const struct raft_trail *trail = &g->raft->trail;
    raft_index skip = trail->snapshot.index - args->prev_log_index;

    if (g->install.busy || trail->offset == 0 || args->prev_log_index > trail->offset ||
        args->prev_log_index >= trail->snapshot.index || MUTANT(HAZARD_BEFORE_SNAPSHOT)) {
        return;
    }
    args->prev_log_index = trail->snapshot.index;
    args->prev_log_term = trail->snapshot.term;
    if (skip < args->n_entries) {
        args->n_entries -= (unsigned)skip; /* all in one batch: it is freed with any of them */
        memmove(args->entries, args->entries + skip, args->n_entries * sizeof args->entries[0]);
    } else if (args->n_entries > 0) {
        guard_discard_entries(args->entries, args->n_entries);
        args->entries = NULL;
        args->n_entries = 0;
    }
}

/* libraft sets its commit index to the last entry of the message, if that is before the leader's:
 * also when it is before its own. That is so when the leader has to send again what was
 * confirmed in vain. The commit index would go back, and the next snapshot be stamped with an
 * index before entries that are in it: after a restart they would be applied again. */
static void entries_keep_commit(const struct guard *g, struct raft_append_entries *args)
{
    raft_index commit = g->raft->commit_index;

    if (args->leader_commit > commit && args->prev_log_index + args->n_entries < commit &&
        !MUTANT(HAZARD_COMMIT_BACK)) {
        args->leader_commit = commit;
    }
}

/* A leader that is in no configuration of ours commits nothing here: first it brings the one. */
static void entries_bound_commit(const struct guard *g, struct raft_message *message)
{
    struct raft_append_entries *args = &message->append_entries;

    if (args->leader_commit > g->raft->commit_index && g->raft->configuration.n > 0 &&
        guard_server(g, message->server_id) == NULL) {
        args->leader_commit = g->raft->commit_index;
    }
}

/* A follower's libraft records a configuration change under the index of its batch's first new
 * entry: anywhere else in the batch the change never counts as committed there, and the
 * follower's next snapshot carries the configuration before it. So the message is cut in front
 * of each change. */
/* libraft refuses entries of a past term with an answer that it has not filled in: `rejected` is the
 * index before them, so that a refusal of the very first entries looks like a success, and the last
 * index is what the stack held (hazard 40). It is a refusal as long as that index is none. */
static void entries_mark_past(const struct guard *g, struct raft_append_entries *args)
{
    if (args->term < g->raft->current_term && args->prev_log_index == 0) {
        args->prev_log_index = 1;
    }
}

/* For whoever wants to know how far this node is behind. */
static void entries_hear_commit(struct guard *g, const struct raft_append_entries *args)
{
    if (args->term >= g->raft->current_term) {
        g->heard_commit = args->leader_commit;
    }
}

static void guard_receive_entries(struct guard *g, struct raft_message *message)
{
    struct raft_message part = *message;
    const char *reason = guard_check_entries(g, &message->append_entries);

    if (reason != NULL) {
        guard_refuse(g, message, reason);
        return;
    }
    entries_mark_past(g, &part.append_entries);
    entries_bound_commit(g, &part);
    entries_hear_commit(g, &part.append_entries);
    entries_skip_known(g, &part.append_entries);
    for (;;) {
        struct raft_append_entries *args = &part.append_entries;
        struct raft_message rest = part;
        unsigned n = entries_find_change(args);
        bool more = n < args->n_entries;
        bool copied = more && entries_copy(args, n, &rest.append_entries) == 0;

        if (more) {
            args->n_entries = n; /* without a copy the leader sends the rest again */
        }
        entries_keep_commit(g, args);
        g->recv(g->outer, &part);
        if (!copied) {
            return;
        }
        part = rest;
    }
}

/* --- AppendEntries' results --- */

/* A follower never refuses what it once confirmed: such an answer is one that was overtaken. But
 * libraft, when it probes, would go back to an index before the follower's match index, take the
 * difference for a huge number of entries in flight, and send it none any more. The answer still
 * is a sign of life. */
static void answer_forget_stale(const struct guard *g, raft_id id,
                                struct raft_append_entries_result *result)
{
    raft_index match = 0;

    if (result->rejected == 0 || g->raft->state != RAFT_LEADER ||
        result->term != g->raft->current_term || guard_server(g, id) == NULL ||
        raft_match_index(g->raft, id, &match) != 0 || MUTANT(HAZARD_STALE_REFUSAL)) {
        return;
    }
    if (result->rejected <= match) {
        result->rejected = 0;
        result->last_log_index = 0;
    } else if (result->last_log_index < match) {
        result->last_log_index = match;
    }
}

/* Nobody has of a leader what it has not: libraft would count it for entries that are yet to come. */
static bool answer_is_impossible(const struct guard *g,
                                 const struct raft_append_entries_result *result)
{
    return g->raft->state == RAFT_LEADER && result->term == g->raft->current_term &&
           result->rejected == 0 &&
           result->last_log_index > raft_last_index((struct raft *)g->raft);
}

/* --- RequestVote --- */

/* Who hears its leader keeps to it: for the minimum election timeout after it has heard of it
 * (Ongaro 2014, 4.2.3). libraft keeps to it until its own, longer timeout is over, so that an
 * election waits for the last of those that it needs. Votes are as safe whatever the answer is: the
 * flag says only that the leader is no reason to refuse. A fifth less, because the candidate counts
 * from when it heard of the leader itself. And a leader that asks for votes no longer leads: a
 * member that is not a voter has no timeout of its own, and would keep to it for ever. */
static void vote_forget_silent_leader(const struct guard *g, struct raft_message *message)
{
    const struct raft *r = g->raft;
    raft_time limit_ms = r->election_timeout - r->election_timeout / 5;

    if (r->state != RAFT_FOLLOWER || r->follower_state.current_leader.id == 0) {
        return;
    }
    if (r->follower_state.current_leader.id == message->server_id ||
        guard_server(g, r->follower_state.current_leader.id) == NULL || /* no member leads */
        guard_is_gone(g, r->follower_state.current_leader.id) ||
        g->inner->time(g->inner) - guard_last_heard(g, r->follower_state.current_leader.id) >=
            limit_ms) {
        message->request_vote.disrupt_leader = true;
    }
}

/* Whoever asks counts the votes by its own configuration, which may be newer than ours: a leader that fell
 * when nobody but itself had the entry that makes us a voter needs our vote to come back, and a
 * cluster that grows from one to two has no other. So a vote is given whatever we are by our own
 * configuration (Ongaro 2014, 4.1); libraft gives none unless that says voter. Whom it does not
 * count for ignores it. */
static void guard_receive_vote(struct guard *g, struct raft_message *message)
{
    struct raft_server *own = guard_server(g, g->raft->id);
    bool lifted = own != NULL && own->role == RAFT_STANDBY && !MUTANT(HAZARD_NON_VOTERS_VOTE);

    vote_forget_silent_leader(g, message);
    if (lifted) {
        own->role = RAFT_VOTER;
    }
    g->recv(g->outer, message);
    own = guard_server(g, g->raft->id);
    if (lifted && own != NULL) {
        own->role = RAFT_STANDBY; /* a vote changes no configuration */
    }
}

void guard_receive(struct guard *g, struct raft_message *message)
{
    const char *reason = guard_admit(g, message);

    if (reason != NULL) {
        guard_refuse(g, message, reason);
        return;
    }
    if (guard_server(g, message->server_id) != NULL) {
        struct guard_peer *peer = guard_peer_get(g, message->server_id);
        if (peer != NULL) {
            peer->heard_ms = g->inner->time(g->inner);
        }
    }
    guard_gone_heard(g, message->server_id);
    switch (message->type) {
        case RAFT_INSTALL_SNAPSHOT:
            if (guard_verify_install(g, message)) {
                install_verified(g, message);
            }
            break;
        case RAFT_APPEND_ENTRIES: guard_receive_entries(g, message); break;
        case RAFT_APPEND_ENTRIES_RESULT:
            if (guard_is_deaf(g)) {
                return;
            }
            if (answer_is_impossible(g, &message->append_entries_result)) {
                guard_refuse(g, message, "it confirms entries that this leader does not have");
                return;
            }
            guard_window_answered(g, message->server_id, &message->append_entries_result);
            guard_lost_answered(g, message->server_id, &message->append_entries_result);
            answer_forget_stale(g, message->server_id, &message->append_entries_result);
            guard_install_answered(g, message->server_id, &message->append_entries_result);
            g->recv(g->outer, message);
            break;
        case RAFT_REQUEST_VOTE: guard_receive_vote(g, message); break;
        case RAFT_REQUEST_VOTE_RESULT:
            /* libraft asks whether it is in a pre-vote before it asks whether it stands at all: of
             * anyone else it reads a byte of a pointer, and by it takes the term over or not
             * (hazard 42). Who does not stand has no use for a vote. */
            if (g->raft->state == RAFT_CANDIDATE) {
                g->recv(g->outer, message);
            }
            break;
        case RAFT_TIMEOUT_NOW:
            if (!guard_timeout_now_keep(g, message)) {
                g->recv(g->outer, message);
            }
            break;
        default: g->recv(g->outer, message); break;
    }
}
