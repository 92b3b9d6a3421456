/* forge.c - see forge.h. */
#include "forge.h"

#include <stdlib.h>
#include <string.h>

#include "../../raft/consensus/guard.h"

static void *forge_alloc(size_t len)
{
    void *p = raft_malloc(len);

    if (p == NULL) {
        abort();
    }
    memset(p, 0, len);
    return p;
}

/* A snapshot of nothing, for a cluster of one. */
static void forge_install(const struct forge_view *view, struct raft_install_snapshot *out)
{
    *out = (struct raft_install_snapshot){.last_index = view->last + 1000,
                                          .last_term = out->term,
                                          .term = out->term};
    raft_configuration_init(&out->conf);
    if (raft_configuration_add(&out->conf, FORGE_STRANGER, "stranger:7400", RAFT_VOTER) != 0) {
        abort();
    }
    out->data.len = 64;
    out->data.base = forge_alloc(out->data.len);
}

/* A heartbeat that would commit all there is, or one that would cut the log off. */
static void forge_entries(struct sim_loop *l, const struct forge_view *view,
                          struct raft_append_entries *out)
{
    out->leader_commit = view->last + 1000;
    if (loop_random_bool(l, 500)) {
        out->prev_log_index = view->last;
        out->prev_log_term = view->last_term;
        return;
    }
    out->n_entries = 1;
    out->entries = forge_alloc(sizeof *out->entries);
    out->entries[0] = (struct raft_entry){.term = 1,
                                          .type = RAFT_COMMAND,
                                          .buf = {.base = forge_alloc(64), .len = 64}};
    out->entries[0].batch = out->entries[0].buf.base;
}

static raft_term forge_term(struct sim_loop *l, const struct forge_view *view, bool leaps)
{
    if (leaps) { /* over all magnitudes, up to what a wire format lets through */
        return view->term + GUARD_TERM_LEAP_MAX + 2 + (UINT64_C(1) << loop_between(l, 1, 56));
    }
    return view->term + loop_below(l, 3);
}

void forge_message(struct sim_loop *l, const struct forge_view *view, struct raft_message *out)
{
    static const enum raft_message_type types[] = {
        RAFT_APPEND_ENTRIES,      RAFT_APPEND_ENTRIES_RESULT, RAFT_REQUEST_VOTE,
        RAFT_REQUEST_VOTE_RESULT, RAFT_INSTALL_SNAPSHOT,      RAFT_TIMEOUT_NOW,
    };
    bool leaps = loop_random_bool(l, 500);
    raft_term term = forge_term(l, view, leaps);

    *out = (struct raft_message){.type = types[loop_below(l, 6)]};
    out->server_id = leaps && loop_random_bool(l, 700) ? loop_between(l, 1, view->nodes)
                                                       : FORGE_STRANGER + loop_below(l, 3);
    out->server_address = "stranger:7400";
    switch (out->type) {
        case RAFT_APPEND_ENTRIES:
            out->append_entries.term = term;
            forge_entries(l, view, &out->append_entries);
            break;
        case RAFT_APPEND_ENTRIES_RESULT:
            out->append_entries_result = (struct raft_append_entries_result){
                .version = 2, .term = term, .last_log_index = view->last};
            break;
        case RAFT_REQUEST_VOTE:
            out->request_vote = (struct raft_request_vote){.version = 2,
                                                           .term = term,
                                                           .candidate_id = out->server_id,
                                                           .last_log_index = view->last,
                                                           .last_log_term = view->last_term,
                                                           .disrupt_leader = loop_random_bool(l,
                                                                                              700),
                                                           .pre_vote = loop_random_bool(l, 200)};
            break;
        case RAFT_REQUEST_VOTE_RESULT:
            out->request_vote_result = (struct raft_request_vote_result){.version = 2,
                                                                         .term = term,
                                                                         .vote_granted = true};
            break;
        case RAFT_INSTALL_SNAPSHOT:
            out->install_snapshot.term = term;
            forge_install(view, &out->install_snapshot);
            break;
        default:
            out->timeout_now = (struct raft_timeout_now){.version = 1,
                                                         .term = term,
                                                         .last_log_index = view->last,
                                                         .last_log_term = view->last_term};
            break;
    }
}

static void damage(struct sim_loop *l, const struct raft_buffer *buf)
{
    ((uint8_t *)buf->base)[loop_below(l, buf->len)] ^= (uint8_t)loop_between(l, 1, 255);
}

bool forge_damage(struct sim_loop *l, struct raft_message *message)
{
    const struct raft_append_entries *args = &message->append_entries;

    if (message->type == RAFT_INSTALL_SNAPSHOT) {
        damage(l, &message->install_snapshot.data);
        return true;
    }
    if (message->type != RAFT_APPEND_ENTRIES || args->n_entries == 0) {
        return false;
    }
    const struct raft_entry *e = &args->entries[loop_below(l, args->n_entries)];
    if (e->type == RAFT_COMMAND) {
        damage(l, &e->buf);
    }
    return e->type == RAFT_COMMAND;
}
