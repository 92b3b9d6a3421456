/* founding.c - see founding.h. */
#include "founding.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <uv.h>

#include "../raft/disk/disk.h"
#include "../raft/consensus/replica.h"
#include "../raft/transport/transport.h"

static_assert(CONFIG_PEERS_MAX <= REPLICA_MEMBERS_MAX, "who is listed can be founded with");

void founding_plan(const struct config *config, struct standing *out)
{
    struct standing_founder founders[CONFIG_PEERS_MAX];

    if (config->join) {
        *out = (struct standing){.state = STANDING_JOINING};
        return;
    }
    for (unsigned i = 0; i < config->n_peers; i++) {
        founders[i] = (struct standing_founder){config->peers[i].id, config->peers[i].address};
    }
    standing_found(out, config->cluster, founders, config->n_peers);
}

bool founding_differs(const struct config *config, const struct standing *standing, char *err,
                      size_t err_len)
{
    struct standing given;
    char difference[256];

    founding_plan(config, &given);
    if (given.state == STANDING_FOUNDING && given.founding == standing->founding) {
        return false;
    }
    standing_difference(given.founders, standing->founders, difference, sizeof difference);
    snprintf(err, err_len,
             "%s began to found a cluster with other flags (--peers %s): %s. Start it with those, "
             "or, if they were wrong, make sure that no node of that list leads a cluster, move "
             "the directory away, and start again: as far as this node knows, no cluster "
             "was founded from that list yet",
             config->data, standing->founders[0] != '\0' ? standing->founders : "too long to show",
             config->join ? "now it is told to --join" : difference);
    return true;
}

/* --- asking --- */

struct survey {
    struct raft_uv_transport transport;
    unsigned waiting;
    char *err; /* the first reason not to found */
    size_t err_len;
    bool refused;
    bool closed;
};

static void answered_cb(void *arg, enum transport_answer answer, const char *sentence)
{
    struct survey *s = arg;

    assert(s->waiting > 0);
    s->waiting--;
    if (!s->refused && (answer == TRANSPORT_REFUSED || answer == TRANSPORT_ELSEWHERE)) {
        s->refused = true;
        snprintf(s->err, s->err_len, "%s", sentence);
    }
}

static void closed_cb(struct raft_uv_transport *transport)
{
    struct survey *s = transport->data;

    s->closed = true;
}

static void survey_run(struct survey *s, uv_loop_t *loop, const struct config *config)
{
    for (unsigned i = 0; i < config->n_peers; i++) {
        const struct config_peer *peer = &config->peers[i];
        if (peer->id != config->id &&
            transport_ask(&s->transport, peer->id, peer->address, 0, answered_cb, s) == 0) {
            s->waiting++;
        }
    }
    while (s->waiting > 0) {
        uv_run(loop, UV_RUN_ONCE);
    }
}

int founding_ask(const struct config *config, struct disk *disk, struct tls_files *tls, char *err,
                 size_t err_len)
{
    struct survey s = {.err = err, .err_len = err_len};
    struct transport_config transport = {
        .cluster = config->cluster,
        .standing = disk_standing(disk),
        .lives = disk_lives(disk),
        .seen = disk_seen(disk),
        .insecure = config->insecure,
        .tls = tls,
    };
    uv_loop_t loop;

    if (config->n_peers < 2) {
        return 0;
    }
    if (uv_loop_init(&loop) != 0 || transport_init(&s.transport, &loop, &transport) != 0) {
        snprintf(err, err_len, "out of memory or descriptors");
        return -1;
    }
    s.transport.data = &s;
    if (s.transport.init(&s.transport, config->id, config->address) == 0) {
        survey_run(&s, &loop, config);
    }
    s.transport.close(&s.transport, closed_cb);
    while (!s.closed) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    transport_free(&s.transport);
    int rv = uv_loop_close(&loop);
    assert(rv == 0);
    return s.refused ? -1 : 0;
}

/* --- comparing --- */

/* Is the list of the flags the present members of the cluster? Then it is only up to date. */
static bool lists_members(const struct config *config, const struct replica_member *members,
                          unsigned n)
{
    unsigned found = 0;

    for (unsigned i = 0; i < n; i++) {
        for (unsigned j = 0; j < config->n_peers; j++) {
            found += config->peers[j].id == members[i].id &&
                     strcasecmp(config->peers[j].address, members[i].address) == 0;
        }
    }
    return found == n && config->n_peers == n;
}

static void compare_address(const struct config *config, const struct replica_member *members,
                            unsigned n, const struct log *log)
{
    for (unsigned i = 0; i < n; i++) {
        if (members[i].id == config->id && strcasecmp(members[i].address, config->address) != 0) {
            log_line(log, LOG_WARN,
                     "this node's address is not the one that its cluster has recorded, where the "
                     "other members go on looking for it; to change an address, remove the "
                     "member and add it empty, under a new id",
                     LOG_STR("recorded", members[i].address), LOG_STR("given", config->address));
        }
    }
}

void founding_compare(const struct config *config, const struct standing *recorded,
                      const struct replica_member *members, unsigned n, const struct log *log)
{
    struct standing given;

    compare_address(config, members, n, log);
    founding_plan(config, &given);
    if (given.state != STANDING_FOUNDING || recorded->founding == given.founding ||
        config->n_peers < 2 || lists_members(config, members, n)) {
        return;
    }
    log_line(log, LOG_WARN,
             "--peers is neither the list that this node's cluster was founded with nor that of "
             "its present members; it changes nothing: members come and go by orderctl member add "
             "and remove",
             LOG_STR("founded_with",
                     recorded->founders[0] != '\0' ? recorded->founders : "unknown"),
             LOG_STR("given", given.founders));
}
