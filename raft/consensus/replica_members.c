/* replica_members.c - changing who belongs to the group, and who leads it. See replica_parts.h. */
#include "replica_parts.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/ordersched.h"
#include "../mutant.h"

/* A new member within so many entries of the log's end may become a voter: that much is in
 * flight anyway. */
#define CHANGE_LAG_MAX 256
/* A member not heard from for so many election timeouts counts as silent. */
#define CHANGE_SILENT_ELECTIONS 4

#define CHANGE_LIST "run orderctl member list to see where it stands"

/* --- ending --- */

__attribute__((format(printf, 3, 4))) static void change_finish(struct replica *r, int error,
                                                                const char *format, ...)
{
    struct change *c = &r->change;
    replica_change_cb cb = c->cb;
    void *arg = c->arg;
    char text[512] = "";

    assert(c->phase != CHANGE_NONE); /* its owner hears of the end once */
    if (format != NULL) {
        va_list args;
        va_start(args, format);
        vsnprintf(text, sizeof text, format, args);
        va_end(args);
    }
    c->phase = CHANGE_NONE;
    free(c->address);
    c->address = NULL;
    cb(arg, error, format != NULL ? text : NULL);
}

/* Refuse at once, leaving the change under way alone. */
__attribute__((format(printf, 4, 5))) static void change_refuse(replica_change_cb cb, void *arg,
                                                                int error, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    cb(arg, error, text);
}

static void change_failed(struct replica *r, const char *what, int rv)
{
    struct change *c = &r->change;

    if (r->raft.legacy.change == &c->request) {
        r->raft.legacy.change = NULL; /* raft_assign leaves it there on some errors */
    }
    change_finish(r, rv == RAFT_NOTLEADER ? ORDERSCHED_NOT_LEADER : ORDERSCHED_MEMBER_CHANGE,
                  "member %" PRIu64 " %s: %s", c->id, what, raft_strerror(rv));
}

/* --- what is known of the members --- */

static bool member_is_silent(const struct replica *r, uint64_t id)
{
    raft_time heard = guard_last_heard(r->guard, id);

    return id != r->raft.id &&
           (heard == 0 || r->io.time((struct raft_io *)&r->io) - heard >
                              CHANGE_SILENT_ELECTIONS * (raft_time)r->raft.election_timeout);
}

uint64_t replica_without(const struct replica *r, uint64_t id)
{
    return r->raft.configuration_uncommitted_index == 0 &&
                   guard_server(r->guard, r->raft.id) != NULL && guard_server(r->guard, id) == NULL
               ? r->raft.configuration_committed_index
               : 0;
}

bool replica_is_removed(const struct replica *r, uint64_t index)
{
    raft_index own = r->raft.configuration_uncommitted_index != 0
                         ? r->raft.configuration_uncommitted_index
                         : r->raft.configuration_committed_index;

    return guard_server(r->guard, r->raft.id) != NULL ? index > own
                                                      : r->raft.configuration.n > 0 && index == own;
}

/* Would a majority of the voters still answer without this one? Silent ones are named. */
static bool members_can_lose(const struct replica *r, uint64_t id, char *silent, size_t len)
{
    unsigned voters = 0, answering = 0;

    silent[0] = '\0';
    for (unsigned i = 0; i < r->raft.configuration.n; i++) {
        const struct raft_server *s = &r->raft.configuration.servers[i];
        size_t n = strlen(silent);
        if (s->role != RAFT_VOTER || s->id == id) {
            continue;
        }
        voters++;
        if (!member_is_silent(r, s->id)) {
            answering++;
        } else {
            snprintf(silent + n, len - n, "%s%llu", n > 0 ? ", " : "", s->id);
        }
    }
    return answering > voters / 2;
}

/* --- what all changes begin with --- */

/* May a change begin now? Else it is refused. */
static bool change_may_begin(struct replica *r, replica_change_cb cb, void *arg)
{
    assert(!r->stepping);
    if (replica_role(r) != REPLICA_LEADER || r->starting) {
        change_refuse(cb, arg, ORDERSCHED_NOT_LEADER, "this node does not lead");
        return false;
    }
    if (r->change.phase != CHANGE_NONE || r->raft.configuration_uncommitted_index != 0 ||
        r->raft.leader_state.promotee_id != 0 || r->raft.legacy.change != NULL ||
        raft_transferee(&r->raft) != 0) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "another change of members or of the leader is under way; try again when "
                      "it is done");
        return false;
    }
    return true;
}

static void change_barrier_cb(struct raft_barrier *req, int status);

/* Commit an entry of this term, then go on with `then`. */
static void change_begin(struct replica *r, enum change_phase then, uint64_t id, char *address,
                         replica_change_cb cb, void *arg)
{
    struct change *c = &r->change;
    int rv;

    assert(c->phase == CHANGE_NONE && (then == CHANGE_ADDING || then == CHANGE_REMOVING));
    *c = (struct change){
        .phase = CHANGE_BARRIER,
        .then = then,
        .id = id,
        .address = address,
        .term = replica_term(r),
        .cb = cb,
        .arg = arg,
    };
    c->barrier.data = r;
    c->request.data = r;
    c->transfer.data = r;
    if (MUTANT(CHANGE_WITHOUT_BARRIER)) {
        change_barrier_cb(&c->barrier, 0);
        return;
    }
    rv = raft_barrier(&r->raft, &c->barrier, change_barrier_cb);
    if (rv == RAFT_NOTLEADER) {
        change_failed(r, "was not changed", rv);
    } else if (rv != 0) {
        r->callbacks.fatal(r->callbacks.arg, "a barrier could not be proposed");
    }
}

static void change_cb(struct raft_change *req, int status);

static void change_add(struct replica *r)
{
    struct change *c = &r->change;
    int rv;

    assert(c->phase == CHANGE_BARRIER && c->address != NULL);
    c->phase = CHANGE_ADDING;
    rv = raft_add(&r->raft, &c->request, c->id, c->address, change_cb);
    if (rv != 0) {
        change_failed(r, "was not added", rv);
    }
}

static void change_stand_by(struct replica *r)
{
    struct change *c = &r->change;
    int rv;

    assert(c->phase == CHANGE_BARRIER || c->phase == CHANGE_ADDING);
    c->phase = CHANGE_STANDING_BY;
    rv = raft_assign(&r->raft, &c->request, c->id, RAFT_STANDBY, change_cb);
    if (rv != 0) {
        change_failed(r,
                      "was added, but as a non-voter that is not sent the log. Run the add "
                      "again",
                      rv);
    }
}

static void change_catch_up(struct replica *r)
{
    struct change *c = &r->change;

    assert(c->phase == CHANGE_BARRIER || c->phase == CHANGE_STANDING_BY);
    c->phase = CHANGE_CATCHING_UP;
    c->moved_ms = r->io.time(&r->io);
    c->match = 0;
}

static void change_make_voter(struct replica *r)
{
    struct change *c = &r->change;
    int rv;

    assert(c->phase == CHANGE_CATCHING_UP);
    c->phase = CHANGE_MAKING_VOTER;
    rv = raft_assign(&r->raft, &c->request, c->id, RAFT_VOTER, change_cb);
    if (rv != 0) {
        change_failed(r, "was added, but is a non-voter still. Run the add again", rv);
    }
}

static void change_remove(struct replica *r)
{
    struct change *c = &r->change;
    int rv;

    assert(c->phase == CHANGE_BARRIER && c->id != r->raft.id);
    c->phase = CHANGE_REMOVING;
    rv = raft_remove(&r->raft, &c->request, c->id, change_cb);
    if (rv != 0) {
        change_failed(r, "was not removed", rv);
    }
}

static void change_barrier_cb(struct raft_barrier *req, int status)
{
    struct replica *r = req->data;
    const struct raft_server *member = guard_server(r->guard, r->change.id);

    assert(r->change.phase == CHANGE_BARRIER);
    if (status != 0 || replica_role(r) != REPLICA_LEADER) {
        change_finish(r, ORDERSCHED_NOT_LEADER,
                      "this node lost its leadership before anything was changed");
    } else if (r->change.then == CHANGE_REMOVING) {
        change_remove(r);
    } else if (member == NULL) {
        change_add(r);
    } else if (member->role == RAFT_SPARE) {
        change_stand_by(r);
    } else {
        change_catch_up(r);
    }
}

/* --- the steps of a change --- */

static void change_lost(struct replica *r)
{
    const struct change *c = &r->change;

    if (c->phase == CHANGE_REMOVING) {
        change_finish(r, ORDERSCHED_UNKNOWN_OUTCOME,
                      "this node lost its leadership meanwhile: member %" PRIu64
                      " may be removed or not; " CHANGE_LIST,
                      c->id);
    } else {
        change_finish(r, ORDERSCHED_UNKNOWN_OUTCOME,
                      "this node lost its leadership meanwhile: member %" PRIu64
                      " may be a voter, a non-voter or not there; " CHANGE_LIST
                      ", and run the add again if it is not a voter",
                      c->id);
    }
}

static void change_cb(struct raft_change *req, int status)
{
    struct replica *r = req->data;
    struct change *c = &r->change;

    if (status == RAFT_NOCONNECTION && c->phase == CHANGE_MAKING_VOTER) {
        change_finish(r, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " was added as a non-voter, but fell behind before it "
                      "became a voter. Run the add again",
                      c->id);
        return;
    }
    /* raft_close() ends what is pending, in a state in which libraft can be asked for nothing more. */
    if (status != 0 || r->closing) {
        change_lost(r);
        return;
    }
    switch (c->phase) {
        case CHANGE_ADDING: change_stand_by(r); break;
        case CHANGE_STANDING_BY: change_catch_up(r); break;
        case CHANGE_MAKING_VOTER:
        case CHANGE_REMOVING: change_finish(r, 0, NULL); break;
        default: assert(false);
    }
}

static void change_stuck(struct replica *r)
{
    const struct change *c = &r->change;
    const char *address = c->address;

    if (c->match == 0) {
        change_finish(r, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " is added as a non-voter, but nothing has come from %s. "
                      "Start it there with --id %" PRIu64 " --join and run the add again, or give "
                      "it up: orderctl member remove %" PRIu64,
                      c->id, address, c->id, c->id);
    } else {
        change_finish(r, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " is added as a non-voter, but stands still at log index "
                      "%llu of %llu. Run the add again, or give it up: orderctl member remove "
                      "%" PRIu64,
                      c->id, c->match, raft_last_index(&r->raft), c->id);
    }
}

/* CATCHING_UP has no request in libraft that would end: look after each event. */
void replica_change_review(struct replica *r)
{
    struct change *c = &r->change;
    raft_time now = r->io.time(&r->io);
    raft_index match = 0;

    if (c->phase != CHANGE_CATCHING_UP) {
        return;
    }
    if (replica_role(r) != REPLICA_LEADER || replica_term(r) != c->term ||
        raft_match_index(&r->raft, c->id, &match) != 0) {
        change_lost(r);
        return;
    }
    if (match != c->match || guard_is_installing(r->guard, c->id)) {
        c->moved_ms = now;
        c->match = match;
    }
    /* It must know that it is a member: else it would not vote for whoever makes it a voter. */
    if (match > 0 && match >= r->raft.configuration_committed_index &&
        match + CHANGE_LAG_MAX >= raft_last_index(&r->raft) && raft_transferee(&r->raft) == 0) {
        change_make_voter(r);
    } else if (now - c->moved_ms >= r->add_patience_ms) {
        change_stuck(r);
    }
}

void replica_change_close(struct replica *r)
{
    if (r->change.phase != CHANGE_NONE) {
        change_lost(r);
    }
}

/* --- add --- */

bool replica_may_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                     void *arg)
{
    const struct raft_configuration *conf = &r->raft.configuration;
    const struct raft_server *member;

    if (!change_may_begin(r, cb, arg)) {
        return false;
    }
    if (id == 0 || id > INT64_MAX || address == NULL || address[0] == '\0') {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "a member needs an id from 1 to 2^63-1 and an address");
        return false;
    }
    member = guard_server(r->guard, id);
    if (member != NULL && strcmp(member->address, address) != 0) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " is known already, at %s; give the new one an id that "
                      "was never used",
                      id, member->address);
        return false;
    }
    if (member != NULL && member->role == RAFT_VOTER) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " at %s is a voter already", id, address);
        return false;
    }
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].id != id && strcmp(conf->servers[i].address, address) == 0) {
            change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                          "%s belongs to member %llu; remove that one first: orderctl member "
                          "remove %llu",
                          address, conf->servers[i].id, conf->servers[i].id);
            return false;
        }
    }
    if (member == NULL && conf->n >= REPLICA_MEMBERS_MAX) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE, "a cluster has at most %d members",
                      REPLICA_MEMBERS_MAX);
        return false;
    }
    return true;
}

void replica_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                 void *arg)
{
    if (!replica_may_add(r, id, address, cb, arg)) {
        return;
    }
    char *copy = strdup(address);
    if (copy == NULL) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE, "out of memory");
        return;
    }
    change_begin(r, CHANGE_ADDING, id, copy, cb, arg);
}

/* --- remove --- */

void replica_remove(struct replica *r, uint64_t id, replica_change_cb cb, void *arg)
{
    const struct raft_server *member;
    char silent[128];

    /* It is being added, and only waited for: whoever removes it has given it up. */
    if (r->change.phase == CHANGE_CATCHING_UP && r->change.id == id &&
        replica_role(r) == REPLICA_LEADER) {
        change_finish(r, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " was removed before it had caught up", id);
    }
    if (!change_may_begin(r, cb, arg)) {
        return;
    }
    member = guard_server(r->guard, id);
    if (member == NULL) {
        change_refuse(cb, arg, ORDERSCHED_NOT_FOUND, "there is no member %" PRIu64, id);
        return;
    }
    if (id == r->raft.id) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " leads, and a leader is not removed: transfer the "
                      "leadership first, then remove it",
                      id);
        return;
    }
    if (member->role == RAFT_VOTER && !members_can_lose(r, id, silent, sizeof silent)) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "without member %" PRIu64 " no majority would answer, and the cluster would "
                      "stop: nothing is heard from %s",
                      id, silent);
        return;
    }
    change_begin(r, CHANGE_REMOVING, id, NULL, cb, arg);
}

/* --- transfer --- */

uint64_t replica_choose(const struct replica *r, bool (*fits)(void *arg, uint64_t id), void *arg)
{
    raft_index best = 0;
    uint64_t id = 0;

    for (unsigned i = 0; i < r->raft.configuration.n; i++) {
        const struct raft_server *s = &r->raft.configuration.servers[i];
        raft_index match = 0;
        if (s->id == r->raft.id || s->role != RAFT_VOTER || member_is_silent(r, s->id) ||
            raft_match_index(&r->raft, s->id, &match) != 0 || !fits(arg, s->id)) {
            continue;
        }
        if (id == 0 || match > best) {
            id = s->id;
            best = match;
        }
    }
    return id;
}

static bool transfer_fits(void *arg, uint64_t id)
{
    (void)arg;
    (void)id;
    return true;
}

static void transfer_cb(struct raft_transfer *req)
{
    struct replica *r = req->data;
    uint64_t target = r->change.id;
    const char *address;
    uint64_t leader = replica_leader(r, &address);

    assert(r->change.phase == CHANGE_TRANSFERRING);
    if (r->closing || leader == 0) {
        change_finish(r, ORDERSCHED_UNKNOWN_OUTCOME,
                      "this node does not know who leads now; " CHANGE_LIST);
    } else if (leader == target) {
        change_finish(r, 0, NULL);
    } else {
        change_finish(r, ORDERSCHED_MEMBER_CHANGE,
                      "member %" PRIu64 " did not take over in time; member %" PRIu64 " leads",
                      target, leader);
    }
}

void replica_transfer(struct replica *r, uint64_t id, replica_change_cb cb, void *arg)
{
    const struct raft_server *member;
    int rv;

    if (!change_may_begin(r, cb, arg)) {
        return;
    }
    if (id == r->raft.id) {
        cb(arg, 0, "it leads already");
        return;
    }
    if (id == 0 && (id = replica_choose(r, transfer_fits, NULL)) == 0) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE,
                      "there is no other voter that answers and could lead");
        return;
    }
    member = guard_server(r->guard, id);
    if (member == NULL) {
        change_refuse(cb, arg, ORDERSCHED_NOT_FOUND, "there is no member %" PRIu64, id);
        return;
    }
    if (member->role != RAFT_VOTER || member_is_silent(r, id)) {
        change_refuse(cb, arg, ORDERSCHED_MEMBER_CHANGE, "member %" PRIu64 " %s", id,
                      member->role != RAFT_VOTER ? "is not a voter and cannot lead"
                                                 : "does not answer");
        return;
    }
    r->change = (struct change){
        .phase = CHANGE_TRANSFERRING,
        .id = id,
        .term = replica_term(r),
        .cb = cb,
        .arg = arg,
    };
    r->change.transfer.data = r;
    rv = raft_transfer(&r->raft, &r->change.transfer, id, transfer_cb);
    if (rv != 0) {
        change_failed(r, "cannot take over", rv);
    }
}
