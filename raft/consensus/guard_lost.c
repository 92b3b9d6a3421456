/* guard_lost.c - a member that lost what it had confirmed.
 *
 * An older copy of its directory was put back, the directory was wiped, or the disk lost writes
 * that it had called durable. libraft's leader goes on counting it, and takes its refusals for
 * stale ones (guard_receive.c): a majority on paper. But a refusal that was overtaken is one
 * among successes. A member that refuses what it confirmed again and again, and confirms
 * nothing in between, no longer has it.
 *
 *   HEALTHY ── refuses what it confirmed, for an election timeout ─► LOST ── has it again ─► HEALTHY
 *
 * When that is seen, the leader takes back what it believed: the match index is set to 0 in
 * libraft's own record, so that nothing is counted, and the member is sent what it lacks like a
 * new one. If it was a false alarm that does no harm: a match index that is too low delays, and
 * decides nothing.
 *
 * What was committed and confirmed by it is remembered by the node that saw it, also when it
 * no longer leads. Until the member shows a log that reaches so far:
 *
 *   - its RequestVote is dropped: a log that ends before is one that may not lead;
 *   - the vote it gives counts only for a log that reaches so far: elsewhere it would help to
 *     forget what is committed. A log that has it all loses nothing by the vote, and must be
 *     able to lead, or nobody could send the member what it lacks. */
#include "guard_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "../mutant.h"

/* So many refusals in a row: a heartbeat each, and the time must have passed, too. */
#define LOST_REFUSALS 5u

/* libraft 0.22.1, src/progress.h. Not public: is_understood() looks whether it is still this. */
struct libraft_progress {
    unsigned short state; /* 0: probe, 1: pipeline, 2: snapshot */
    unsigned short catch_up, features, capacity;
    raft_index next_index, match_index;
    raft_time last_send, last_recv;
    struct {
        raft_index index;
        raft_time last_send;
    } snapshot;
};

static struct libraft_progress *progress_of(const struct guard *g, unsigned i)
{
    assert(g->raft->state == RAFT_LEADER); /* else other state lies in its place */
    return (struct libraft_progress *)(void *)g->raft->leader_state.progress + i;
}

/* Does libraft's record say what libraft says of all members? */
static bool is_understood(const struct guard *g)
{
    raft_index last = raft_last_index((struct raft *)g->raft);

    for (unsigned i = 0; i < g->raft->configuration.n; i++) {
        const struct libraft_progress *p = progress_of(g, i);
        raft_index match = 0;
        if (raft_match_index(g->raft, g->raft->configuration.servers[i].id, &match) != 0 ||
            p->match_index != match || p->state > 2 || p->catch_up > RAFT_CATCH_UP_FINISHED ||
            p->next_index == 0 || p->next_index > last + 1) {
            return false;
        }
    }
    return true;
}

/* The member is to libraft what it was when we were elected, but for where its log ends. */
static bool lost_take_back(struct guard *g, raft_id id, raft_index ends)
{
    const struct raft_server *server = is_understood(g) ? guard_server(g, id) : NULL;

    if (server == NULL) {
        return false;
    }
    struct libraft_progress *p = progress_of(g,
                                             (unsigned)(server - g->raft->configuration.servers));
    p->match_index = 0;
    p->next_index = ends + 1;
    p->state = 0;
    p->snapshot.index = 0;
    return true;
}

/* The term of our entry at `index`: libraft's ring has one record for each term, with its last
 * index. 0: not in the log any more. */
static raft_term log_term(const struct guard *g, raft_index index)
{
    const struct raft_trail *trail = &g->raft->trail;

    if (index == trail->snapshot.index) {
        return trail->snapshot.term;
    }
    if (index <= trail->offset) {
        return 0;
    }
    for (unsigned i = trail->front; i != trail->back; i = (i + 1) % trail->size) {
        if (index <= trail->records[i].index) {
            return trail->records[i].term;
        }
    }
    return 0;
}

static bool log_reaches(raft_term term, raft_index index, const struct guard_peer *p)
{
    return term > p->lost_term || (term == p->lost_term && index >= p->lost_index);
}

static void lost_say(const struct guard *g, const char *level, const char *sentence)
{
    if (g->judge.log != NULL) {
        g->judge.log(g->judge.arg, level, sentence);
    }
}

static void lost_begin(struct guard *g, struct guard_peer *p, raft_index match, raft_index ends)
{
    const struct raft_server *server = guard_server(g, p->id);
    raft_index commit = g->raft->commit_index;
    bool again = lost_take_back(g, p->id, ends);
    char sentence[640];

    if (!p->lost || match > p->lost_index) {
        p->lost_index = match < commit ? match : commit;
        p->lost_term = log_term(g, p->lost_index);
    }
    p->lost = true;
    snprintf(
        sentence, sizeof sentence,
        "member %llu at %.100s has lost what it had confirmed: its log ends at %llu, it had "
        "confirmed %llu. An older copy of its data directory was put back, the directory was "
        "wiped, or its disk lost writes. %s; if its disk cannot be trusted, remove it (orderctl "
        "member remove %llu), and add a node with an empty directory under a new id",
        p->id, server != NULL ? server->address : "?", ends, match,
        again ? "It counts for nothing until it has been sent all of it again"
              : "It cannot be sent it again by this version of libraft: remove it",
        p->id);
    lost_say(g, "error", sentence);
}

static void lost_end(const struct guard *g, struct guard_peer *p)
{
    char sentence[128];

    p->lost = false;
    snprintf(sentence, sizeof sentence, "member %llu has again what it had lost", p->id);
    lost_say(g, "warn", sentence);
}

/* What ends in front of what it confirmed, in a refusal. */
static bool lost_is_refused(const struct raft_append_entries_result *result, raft_index match)
{
    return result->rejected > 0 && match > 0 && result->last_log_index < match;
}

void guard_lost_answered(struct guard *g, raft_id id,
                         const struct raft_append_entries_result *result)
{
    struct guard_peer *p = guard_peer_find(g, id);
    raft_time now = g->inner->time(g->inner);
    raft_index match = 0;

    if (p == NULL || g->raft->state != RAFT_LEADER || result->term != g->raft->current_term ||
        raft_match_index(g->raft, id, &match) != 0) {
        return;
    }
    if (p->lost && match >= p->lost_index) {
        lost_end(g, p);
    }
    if (!lost_is_refused(result, match) || p->transfer != 0) {
        p->refusals = 0;
        return;
    }
    if (p->refusals++ == 0) {
        p->refused_ms = now;
        p->refused_ends = result->last_log_index;
    }
    if (result->last_log_index > p->refused_ends) {
        p->refused_ends = result->last_log_index;
    }
    if (p->refusals >= LOST_REFUSALS && now - p->refused_ms >= g->raft->election_timeout &&
        !MUTANT(LOST_UNNOTICED)) {
        lost_begin(g, p, match, p->refused_ends);
        p->refusals = 0;
    }
}

const char *guard_lost_vote(struct guard *g, const struct raft_message *m)
{
    struct guard_peer *p = guard_peer_find(g, m->server_id);
    const struct raft_request_vote *vote = &m->request_vote;

    if (p == NULL || !p->lost) {
        return NULL;
    }
    if (m->type == RAFT_REQUEST_VOTE) {
        if (!log_reaches(vote->last_log_term, vote->last_log_index, p)) {
            return "it has lost what it had confirmed, and may not lead before it has it again";
        }
        if (g->raft->state != RAFT_LEADER) {
            lost_end(g, p);
        }
    } else if (m->type == RAFT_REQUEST_VOTE_RESULT && m->request_vote_result.vote_granted) {
        raft_index last = raft_last_index((struct raft *)g->raft);
        if (!log_reaches(log_term(g, last), last, p)) {
            return "it has lost what it had confirmed, and its vote would help to forget that";
        }
    }
    return NULL;
}

bool guard_has_lost(const struct guard *g, raft_id id)
{
    const struct guard_peer *p = guard_peer_find(g, id);

    return p != NULL && p->lost;
}
