/* guard_admit.c - who is heard, and with which terms.
 *
 * A follower must hear a leader and a candidate that it does not know: their configuration may be
 * in the very entries that it lacks (Ongaro 2014, 4.1). Whoever else is in none of ours has
 * nothing to say. So of one that is not a member
 *
 *   answers and TimeoutNow        are dropped: we asked members only, and only who has our whole
 *                                 log, with its configuration, is told to take over
 *   RequestVote                   counts when its log is ahead of ours, which that of a member whom
 *                                 we do not know always is, and no member leads us; it may not
 *                                 disrupt one that does
 *   AppendEntries, snapshots      count while no member is heard as a leader, and as long as they
 *                                 bring us on: a real leader soon brings the configuration in which
 *                                 it is. One that only keeps us quiet is barred for a while, so
 *                                 that we can elect one; and it is no reason to refuse a member's vote
 *
 * Terms: each message can raise ours, and what is raised is stored. So a message whose term is too
 * far ahead is dropped. */
#include "guard_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../mutant.h"

#define ADMIT_COMPLAINT_MS 30000

/* --- terms --- */

static raft_term message_term(const struct raft_message *m)
{
    switch (m->type) {
        case RAFT_APPEND_ENTRIES: return m->append_entries.term;
        case RAFT_APPEND_ENTRIES_RESULT: return m->append_entries_result.term;
        case RAFT_REQUEST_VOTE: return m->request_vote.term;
        case RAFT_REQUEST_VOTE_RESULT: return m->request_vote_result.term;
        case RAFT_INSTALL_SNAPSHOT: return m->install_snapshot.term;
        default: return m->timeout_now.term;
    }
}

/* Forget what has leapt long ago. */
static void leap_forget(struct guard *g)
{
    raft_time now = g->inner->time(g->inner);
    uint64_t gone = (now - g->leapt_ms) / 1000 * GUARD_TERM_LEAP_PER_S;

    if (gone > 0) {
        g->leapt = g->leapt > gone ? g->leapt - gone : 0;
        g->leapt_ms = now;
    }
}

void guard_count_leap(struct guard *g, raft_term from, raft_term to)
{
    bool empty = from == 0; /* a new member takes the cluster's term, whatever it is */

    leap_forget(g);
    g->leapt += empty || to < from ? 0 : to - from;
}

static const char *admit_term(struct guard *g, const struct raft_message *m)
{
    raft_term term = message_term(m);
    raft_term own = g->raft->current_term;

    if (MUTANT(TERM_LEAP)) {
        return NULL;
    }
    if (term > GUARD_TERM_MAX) {
        return "its term is higher than any cluster reaches";
    }
    if (term <= own + 1 || own == 0) {
        return NULL;
    }
    leap_forget(g);
    if (term - own >
        GUARD_TERM_LEAP_MAX - (g->leapt < GUARD_TERM_LEAP_MAX ? g->leapt : GUARD_TERM_LEAP_MAX)) {
        return "its term leaps: more elections than can have passed while this node was away. If "
               "they did, remove this node, and add it with an empty directory under a new id";
    }
    return NULL;
}

/* --- whoever is not a member --- */

/* Are we led by a member, or lead ourselves? */
static bool hears_member(const struct guard *g)
{
    const struct raft *r = g->raft;
    raft_id leader;

    if (r->state != RAFT_FOLLOWER) {
        return r->state == RAFT_LEADER;
    }
    leader = r->follower_state.current_leader.id;
    return leader != 0 && guard_server(g, leader) != NULL &&
           g->inner->time(g->inner) - guard_last_heard(g, leader) < r->election_timeout;
}

/* libraft keeps the log's terms in a ring of records; the last of them ends the log. */
static raft_term last_log_term(const struct raft_trail *trail)
{
    if (trail->front == trail->back) {
        return trail->snapshot.term;
    }
    return trail->records[(trail->back + trail->size - 1) % trail->size].term;
}

static const char *admit_unknown_candidate(const struct guard *g, struct raft_request_vote *vote)
{
    raft_index last = raft_last_index((struct raft *)g->raft);
    raft_term last_term = last_log_term(&g->raft->trail);

    if (hears_member(g)) {
        return "it is not a member, and asks for a vote although a member leads";
    }
    if (vote->last_log_term < last_term ||
        (vote->last_log_term == last_term && vote->last_log_index <= last)) {
        return "it is not a member, and asks for a vote with a log that is not ahead of ours";
    }
    vote->disrupt_leader = false;
    return NULL;
}

/* It has not come to be a member in our configuration: does it at least bring us on? */
static const char *admit_unknown_leader(struct guard *g)
{
    struct guard_unknown *u = &g->unknown;
    raft_time now = g->inner->time(g->inner);
    raft_time timeout = g->raft->election_timeout;
    raft_index last = raft_last_index((struct raft *)g->raft);

    if (g->raft->configuration.n == 0) {
        return NULL; /* a node that is being added: it knows nobody */
    }
    if (hears_member(g)) {
        return "it is not a member, and sends entries although a member leads";
    }
    if (now < u->barred_ms) {
        return "it is not a member, and has brought no configuration in which it is one";
    }
    if (u->since_ms == 0 || u->last != last || g->install.busy || g->verifying ||
        now - u->heard_ms >= 2 * timeout) { /* so long a pause is enough for an election */
        u->since_ms = now;
        u->last = last;
    }
    u->heard_ms = now;
    if (now - u->since_ms >= GUARD_UNKNOWN_LEADER_ELECTIONS * timeout) {
        u->barred_ms = now + GUARD_UNKNOWN_LEADER_ELECTIONS * timeout;
        u->since_ms = 0;
        return "it is not a member, and has brought no configuration in which it is one";
    }
    return NULL;
}

static const char *admit_sender(struct guard *g, struct raft_message *m)
{
    if (m->server_id == g->raft->id) {
        return "it claims this node's own id";
    }
    if (guard_server(g, m->server_id) != NULL) {
        return NULL;
    }
    switch (m->type) {
        case RAFT_APPEND_ENTRIES:
        case RAFT_INSTALL_SNAPSHOT: return admit_unknown_leader(g);
        case RAFT_REQUEST_VOTE:
            return g->raft->configuration.n == 0
                       ? "it asks a node that is not a member yet for a vote"
                       : admit_unknown_candidate(g, &m->request_vote);
        default: return "it is not a member";
    }
}

const char *guard_admit(struct guard *g, struct raft_message *message)
{
    const char *reason = admit_term(g, message);

    if (reason == NULL) {
        reason = admit_sender(g, message);
    }
    return reason != NULL ? reason : guard_lost_vote(g, message);
}

/* --- saying so --- */

static const char *message_name(const struct raft_message *m)
{
    static const char *const names[] = {
        [RAFT_APPEND_ENTRIES] = "AppendEntries",
        [RAFT_APPEND_ENTRIES_RESULT] = "an answer to AppendEntries",
        [RAFT_REQUEST_VOTE] = "RequestVote",
        [RAFT_REQUEST_VOTE_RESULT] = "an answer to RequestVote",
        [RAFT_INSTALL_SNAPSHOT] = "InstallSnapshot",
        [RAFT_TIMEOUT_NOW] = "TimeoutNow",
    };

    return names[m->type];
}

static struct guard_complaint *complaint_of(struct guard *g, const char *reason)
{
    struct guard_complaint *oldest = &g->complaints[0];

    for (unsigned i = 0; i < GUARD_COMPLAINTS; i++) {
        struct guard_complaint *c = &g->complaints[i];
        if (c->reason != NULL && strcmp(c->reason, reason) == 0) {
            return c;
        }
        if (c->reason == NULL || (oldest->reason != NULL && c->told_ms < oldest->told_ms)) {
            oldest = c;
        }
    }
    *oldest = (struct guard_complaint){.reason = reason};
    return oldest;
}

static void guard_complain(struct guard *g, const struct raft_message *m, const char *reason)
{
    struct guard_complaint *c = complaint_of(g, reason);
    raft_time now = g->inner->time(g->inner) + 1; /* 0 = never */
    char sentence[512], more[64] = "";

    if (c->told_ms != 0 && now - c->told_ms < ADMIT_COMPLAINT_MS) {
        c->untold++;
        return;
    }
    if (c->untold > 0) {
        snprintf(more, sizeof more, " (and %" PRIu64 " more since the last such line)", c->untold);
    }
    c->told_ms = now;
    c->untold = 0;
    snprintf(sentence, sizeof sentence, "%s of term %llu from node %llu at %.100s is dropped: %s%s",
             message_name(m), message_term(m), m->server_id, m->server_address, reason, more);
    g->judge.log(g->judge.arg, "warn", sentence);
}

void guard_refuse(struct guard *g, struct raft_message *message, const char *reason)
{
    g->refusals++;
    if (g->judge.log != NULL) {
        guard_complain(g, message, reason);
    }
    guard_discard_message(message);
}

uint64_t guard_refusals(const struct guard *g)
{
    return g->refusals;
}

void guard_judge_by(struct guard *g, const struct guard_judge *judge)
{
    g->judge = *judge;
}
