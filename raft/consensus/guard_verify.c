/* guard_verify.c - is what a leader sends whole? Before any of it is stored.
 *
 * A checksum that is wrong on arrival would be found when the entry is applied or the snapshot
 * restored: by then it is on the disk, and the node ends at each start. Entries are looked at one
 * message at a time. A snapshot may have gigabytes: it is verified in slices, at each event,
 * and meanwhile the follower gives signs of life, as it does while it installs one. */
#include "guard_parts.h"

#include <stdlib.h>

#include "../peer/configuration_check.h"
#include "../mutant.h"

/* --- entries --- */

static bool has_voter(const struct raft_configuration *conf)
{
    for (unsigned i = 0; i < conf->n; i++) {
        if (conf->servers[i].role == RAFT_VOTER) {
            return true;
        }
    }
    return false;
}

static const char *check_change(const struct raft_buffer *buf)
{
    struct raft_configuration conf;
    const char *reason = configuration_check(buf->base, buf->len);

    if (reason != NULL) {
        return reason;
    }
    raft_configuration_init(&conf);
    if (raft_configuration_decode(buf, &conf) != 0) {
        return "a configuration is malformed";
    }
    reason = has_voter(&conf) ? NULL : "a configuration has no voter";
    raft_configuration_close(&conf);
    return reason;
}

static const char *check_entry(const struct guard *g, const struct raft_entry *e)
{
    if (e->buf.base == NULL || e->buf.len == 0 || e->buf.len % 8 != 0 || e->batch == NULL) {
        return "an entry is of impossible length";
    }
    switch (e->type) {
        case RAFT_BARRIER: return NULL;
        case RAFT_CHANGE: return check_change(&e->buf);
        case RAFT_COMMAND:
            if (g->judge.command == NULL || MUTANT(STORE_UNVERIFIED)) {
                return NULL;
            }
            return g->judge.command(g->judge.arg, e->buf.base, e->buf.len)
                       ? NULL
                       : "an entry is damaged, or of a newer version";
        default: return "an entry is of an unknown type";
    }
}

const char *guard_check_entries(const struct guard *g, const struct raft_append_entries *args)
{
    raft_term term = args->prev_log_term;

    if (args->n_entries > 0 && args->prev_log_index >= UINT64_MAX - args->n_entries) {
        return "its entries have impossible indexes";
    }
    if (args->prev_log_term > args->term) {
        return "its entries have impossible terms";
    }
    for (unsigned i = 0; i < args->n_entries; i++) {
        const struct raft_entry *e = &args->entries[i];
        const char *reason = check_entry(g, e);
        if (reason != NULL) {
            return reason;
        }
        if (e->term == 0 || e->term < term || e->term > args->term) {
            return "its entries have impossible terms";
        }
        term = e->term;
    }
    return NULL;
}

/* --- snapshots --- */

static const char *check_install(const struct raft_install_snapshot *args)
{
    const struct raft_configuration *conf = &args->conf;

    if (args->last_index == 0 || args->last_term == 0 || args->last_term > args->term ||
        args->conf_index > args->last_index) {
        return "a snapshot of impossible index or term";
    }
    for (unsigned i = 0; i < conf->n; i++) {
        for (unsigned j = 0; j < i; j++) {
            if (conf->servers[i].id == conf->servers[j].id) {
                return "a snapshot's configuration is malformed";
            }
        }
    }
    return has_voter(conf) ? NULL : "a snapshot's configuration has no voter";
}

bool guard_verify_install(struct guard *g, struct raft_message *message)
{
    const char *reason = check_install(&message->install_snapshot);

    if (reason != NULL) {
        guard_refuse(g, message, reason);
    } else if (g->judge.snapshot == NULL || MUTANT(STORE_UNVERIFIED)) {
        return true;
    } else if (g->verifying) {
        guard_discard_message(message); /* one at a time, as when it is being installed */
    } else if (guard_keep_message(&g->verify_message, message)) {
        g->verifying = true;
        g->verified = 0; /* the first slice is taken behind this event */
    }
    return false;
}

struct raft_message *guard_verify_more(struct guard *g)
{
    struct raft_message *m = &g->verify_message;
    const struct raft_buffer *snapshot = &m->install_snapshot.data;
    const char *reason;

    if (!g->verifying || g->closing) {
        return NULL;
    }
    if (m->install_snapshot.term < g->raft->current_term) { /* there is another leader */
        guard_verify_close(g);
        return NULL;
    }
    reason = g->judge.snapshot(g->judge.arg, snapshot->base, snapshot->len, GUARD_VERIFY_SLICE,
                               &g->verified);
    if (reason == NULL && g->verified < snapshot->len) {
        return NULL;
    }
    g->verifying = false;
    if (reason == NULL) {
        return m;
    }
    const char *address = m->server_address;
    guard_refuse(g, m, reason);
    free((void *)address);
    return NULL;
}

void guard_verify_close(struct guard *g)
{
    if (g->verifying) {
        g->verifying = false;
        guard_forget_kept(&g->verify_message);
    }
}
