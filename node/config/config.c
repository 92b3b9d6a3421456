/* config.c - see config.h. Defaults, then the file, then the flags, then the rules that tie
 * settings together. */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../../client/text/units.h"
#include "../../client/wire/certificate_name.h"
#include "../../raft/transport/transport.h"
#include "parts.h"

#define DEFAULT_ADDRESS "127.0.0.1:7400"
#define PORT_MAX 65533    /* PORT+1 for clients, PORT+2 for HTTP */
#define TRAILING_MIN 1024 /* fewer, and a follower that blinks needs a whole snapshot */
#define ELECTION_HEARTBEATS_MIN 3

static enum config_status take_defaults(struct config_draft *draft)
{
    unsigned n;
    const struct setting *settings = config_settings(&n);
    for (unsigned i = 0; i < n; i++) {
        struct config_origin nowhere = {0};
        if (settings[i].fallback != NULL &&
            config_set(draft, &settings[i], settings[i].fallback, nowhere) != CONFIG_OK) {
            return CONFIG_ERROR;
        }
    }
    return CONFIG_OK;
}

static enum config_status take_flags(struct config_draft *draft, const struct config_flags *flags)
{
    for (unsigned i = 0; i < flags->n; i++) {
        struct config_origin flag = {NULL, 1};
        if (config_set(draft, flags->list[i].setting, flags->list[i].text, flag) != CONFIG_OK) {
            return CONFIG_ERROR;
        }
    }
    return CONFIG_OK;
}

/* "--peers" or "FILE:LINE: peers", of one member. */
static void peer_origin(const struct config_draft *draft, unsigned i, char *out, size_t len)
{
    if (draft->peer_lines[i] > 0) {
        snprintf(out, len, "%s:%u: peers", draft->file, draft->peer_lines[i]);
    } else {
        config_origin_format(draft, "peers", out, len);
    }
}

static enum config_status check_address(const char *origin, const char *address)
{
    char host[256];
    unsigned port;
    if (!units_split_address(address, host, sizeof host, &port)) {
        return config_complain("%s: must be HOST:PORT, not \"%s\"", origin, address);
    }
    if (port > PORT_MAX) {
        return config_complain("%s: the port must be from 1 to %d, not %u: PORT+1 is for clients, "
                               "PORT+2 for HTTP",
                               origin, PORT_MAX, port);
    }
    if (strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0) {
        return config_complain(
            "%s: the host must be one that others can connect to, not %s; name it "
            "here, and listen everywhere with --bind %s",
            origin, host, host);
    }
    return CONFIG_OK;
}

/* Each node takes three ports in a row. */
static bool ports_collide(const char *a, const char *b)
{
    char a_host[256], b_host[256];
    unsigned a_port, b_port;
    return units_split_address(a, a_host, sizeof a_host, &a_port) &&
           units_split_address(b, b_host, sizeof b_host, &b_port) &&
           strcasecmp(a_host, b_host) == 0 && a_port < b_port + 3 && b_port < a_port + 3;
}

static enum config_status check_peers(const struct config_draft *draft)
{
    const struct config *c = draft->config;
    for (unsigned i = 0; i < c->n_peers; i++) {
        const struct config_peer *peer = &c->peers[i];
        char origin[1024];
        peer_origin(draft, i, origin, sizeof origin);
        if (check_address(origin, peer->address) != CONFIG_OK) {
            return CONFIG_ERROR;
        }
        for (unsigned j = 0; j < i; j++) {
            const struct config_peer *other = &c->peers[j];
            if (other->id == peer->id) {
                return config_complain("%s: id %" PRIu64 " is given twice", origin, peer->id);
            }
            if (strcasecmp(other->address, peer->address) == 0) {
                return config_complain("%s: %" PRIu64 " and %" PRIu64 " have the same address %s",
                                       origin, other->id, peer->id, peer->address);
            }
            if (ports_collide(other->address, peer->address)) {
                return config_complain("%s: the ports of %" PRIu64 " (%s) and %" PRIu64
                                       " (%s) overlap: each node takes PORT, PORT+1 and PORT+2",
                                       origin, other->id, other->address, peer->id, peer->address);
            }
        }
    }
    return CONFIG_OK;
}

static const struct config_peer *find_peer(const struct config *c, uint64_t id)
{
    for (unsigned i = 0; i < c->n_peers; i++) {
        if (c->peers[i].id == id) {
            return &c->peers[i];
        }
    }
    return NULL;
}

/* Which node of which cluster this is: fills what follows from the rest. */
static enum config_status settle_identity(struct config_draft *draft)
{
    struct config *c = draft->config;
    bool peers = c->n_peers > 0;
    if (c->id == 0 && (peers || c->join)) {
        return config_complain("--id is required with %s: which node is this?",
                               peers ? "--peers" : "--join");
    }
    const struct config_peer *self = find_peer(c, c->id);
    if (peers && self == NULL && !c->join) {
        return config_complain_of(draft, "peers",
                                  "this node (--id %" PRIu64 ") is not among them; a node that "
                                  "is added to a running cluster starts with --join",
                                  c->id);
    }
    if (peers && self != NULL && c->join) {
        return config_complain_of(draft, "join",
                                  "node %" PRIu64 " is among the first members (--peers), which "
                                  "do not join",
                                  c->id);
    }
    if (self != NULL && c->address != NULL && strcasecmp(c->address, self->address) != 0) {
        return config_complain_of(draft, "address", "%s, but --peers has %s for node %" PRIu64,
                                  c->address, self->address, c->id);
    }
    if (c->join && c->address == NULL) {
        return config_complain("--address HOST:PORT is required with --join: the others must be "
                               "able to reach this node");
    }
    c->id = c->id > 0 ? c->id : 1;
    if (c->address == NULL) {
        c->address = strdup(self != NULL ? self->address : DEFAULT_ADDRESS);
        if (c->address == NULL) {
            return config_complain("out of memory");
        }
    }
    if (!peers && !c->join) {
        c->peers[0] = (struct config_peer){.id = c->id, .address = strdup(c->address)};
        if (c->peers[0].address == NULL) {
            return config_complain("out of memory");
        }
        c->n_peers = 1;
    }
    return CONFIG_OK;
}

static enum config_status complain_insecure(const char *origin, const char *host)
{
    return config_complain("%s: %s is not on the loopback, and without TLS anyone who reaches it "
                           "can read and forge messages: give --tls-cert, --tls-key and --tls-ca "
                           "(orderctl cert makes the files); --insecure allows this in a network "
                           "you trust",
                           origin, host);
}

/* All three files, or none. */
static enum config_status check_tls(const struct config_draft *draft)
{
    static const char *const names[] = {"tls-cert", "tls-key", "tls-ca"};
    const struct config *c = draft->config;
    const char *const given[] = {c->tls_cert, c->tls_key, c->tls_ca};
    const char *one = NULL, *missing = NULL;
    for (unsigned i = 0; i < 3; i++) {
        one = given[i] != NULL ? names[i] : one;
        missing = given[i] == NULL ? names[i] : missing;
    }
    if (one != NULL && missing != NULL) {
        return config_complain_of(draft, one,
                                  "TLS needs --tls-cert, --tls-key and --tls-ca; --%s is missing",
                                  missing);
    }
    if (one != NULL && c->insecure) {
        return config_complain_of(draft, "insecure",
                                  "with TLS nothing is insecure: leave out one of the two");
    }
    const char *vain = config_is_set(draft, "tls-max-age")   ? "tls-max-age"
                       : config_is_set(draft, "tls-clients") ? "tls-clients"
                                                             : NULL;
    if (one == NULL && vain != NULL) {
        return config_complain_of(draft, vain,
                                  "there is no TLS without --tls-cert, --tls-key and --tls-ca");
    }
    return CONFIG_OK;
}

static enum config_status check_loopback(const struct config_draft *draft)
{
    const struct config *c = draft->config;
    char origin[1024];
    if (c->insecure || c->tls_cert != NULL) {
        return CONFIG_OK;
    }
    if (c->bind != NULL) {
        char address[300];
        snprintf(address, sizeof address, "%s:1", c->bind);
        if (!transport_is_loopback(address)) {
            config_origin_format(draft, "bind", origin, sizeof origin);
            return complain_insecure(origin, c->bind);
        }
    }
    if (c->http != NULL && strcmp(c->http, "off") != 0 && !transport_is_loopback(c->http)) {
        config_origin_format(draft, "http", origin, sizeof origin);
        return complain_insecure(origin, c->http);
    }
    for (unsigned i = 0; i < c->n_peers && config_is_set(draft, "peers"); i++) {
        if (!transport_is_loopback(c->peers[i].address)) {
            peer_origin(draft, i, origin, sizeof origin);
            return complain_insecure(origin, c->peers[i].address);
        }
    }
    if (!transport_is_loopback(c->address)) {
        config_origin_format(draft, "address", origin, sizeof origin);
        return complain_insecure(origin, c->address);
    }
    return CONFIG_OK;
}

/* A cluster on one machine tells receivers on that machine; any other is told so. */
static void settle_callbacks(const struct config_draft *draft)
{
    struct config *c = draft->config;
    bool loopback = transport_is_loopback(c->address);
    if (config_is_set(draft, "allow-private-callbacks")) {
        return;
    }
    for (unsigned i = 0; i < c->n_peers; i++) {
        loopback = loopback && transport_is_loopback(c->peers[i].address);
    }
    c->allow_private_callbacks = loopback;
}

/* Kept in the form that stands before ":PORT": an IPv6 address gets its brackets. */
static enum config_status settle_bind(struct config_draft *draft)
{
    struct config *c = draft->config;
    char address[300], host[256];
    unsigned port;
    if (c->bind == NULL) {
        return CONFIG_OK;
    }
    const char *colon = strchr(c->bind, ':'); /* an IPv6 address has two at least */
    bool bare_v6 = c->bind[0] != '[' && colon != NULL && strchr(colon + 1, ':') != NULL;
    snprintf(address, sizeof address, bare_v6 ? "[%s]:1" : "%s:1", c->bind);
    if (!units_split_address(address, host, sizeof host, &port)) {
        return config_complain_of(draft, "bind", "must be a host, without a port, not \"%s\"",
                                  c->bind);
    }
    address[strlen(address) - strlen(":1")] = '\0';
    char *settled = strdup(address);
    if (settled == NULL) {
        return config_complain("out of memory");
    }
    free(c->bind);
    c->bind = settled;
    return CONFIG_OK;
}

static enum config_status check_http(const struct config_draft *draft)
{
    const char *http = draft->config->http;
    char host[256];
    unsigned port;
    bool off = http != NULL && strcmp(http, "off") == 0;
    if (off && draft->config->n_web_origins > 0) {
        return config_complain_of(draft, "http-origin", "no page may ask where HTTP is off");
    }
    if (http == NULL || off || units_split_address(http, host, sizeof host, &port)) {
        return CONFIG_OK;
    }
    return config_complain_of(draft, "http", "must be HOST:PORT, or off, not \"%s\"", http);
}

/* The cluster's name appears in handshakes, certificates, logs and URLs: one plain word. */
static enum config_status check_cluster(const struct config_draft *draft)
{
    const char *name = draft->config->cluster;
    if (certificate_cluster_is_good(name, strlen(name))) {
        return CONFIG_OK;
    }
    return config_complain_of(draft, "cluster",
                              "must be letters, digits, '-', '_' and '.', not \"%s\"", name);
}

static enum config_status check_timing(const struct config_draft *draft)
{
    const struct config *c = draft->config;
    const char *given = config_is_set(draft, "election-timeout") ||
                                !config_is_set(draft, "heartbeat")
                            ? "election-timeout"
                            : "heartbeat";
    if (c->election_timeout_ms % c->heartbeat_ms != 0 ||
        c->election_timeout_ms / c->heartbeat_ms < ELECTION_HEARTBEATS_MIN) {
        return config_complain_of(draft, given,
                                  "the election timeout must be a multiple of the heartbeat of "
                                  "%u ms, three times or more, not %u ms",
                                  c->heartbeat_ms, c->election_timeout_ms);
    }
    if (c->snapshot_trailing > 0 && c->snapshot_trailing < TRAILING_MIN) {
        return config_complain_of(draft, "snapshot-trailing",
                                  "must be at least %d entries, or 0 for the default, not %u",
                                  TRAILING_MIN, c->snapshot_trailing);
    }
    return CONFIG_OK;
}

static enum config_status config_check(struct config_draft *draft)
{
    char origin[1024];
    const struct config *c = draft->config;
    if (c->data == NULL) {
        return config_complain("--data DIR is required: where shall the orders be kept?");
    }
    config_origin_format(draft, "address", origin, sizeof origin);
    if ((c->address != NULL && check_address(origin, c->address) != CONFIG_OK) ||
        check_peers(draft) != CONFIG_OK || settle_bind(draft) != CONFIG_OK ||
        check_http(draft) != CONFIG_OK || check_cluster(draft) != CONFIG_OK ||
        check_timing(draft) != CONFIG_OK || check_tls(draft) != CONFIG_OK ||
        settle_identity(draft) != CONFIG_OK) {
        return CONFIG_ERROR;
    }
    settle_callbacks(draft);
    return check_loopback(draft);
}

enum config_status config_parse(struct config *c, int argc, char **argv)
{
    memset(c, 0, sizeof *c);
    struct config_draft draft = {.config = c};
    struct config_flags flags;
    enum config_status status = config_flags_read(&flags, argc, argv);
    if (status == CONFIG_OK) {
        status = take_defaults(&draft);
    }
    if (status == CONFIG_OK && flags.file != NULL) {
        draft.file = flags.file;
        status = config_file_read(&draft);
    }
    if (status == CONFIG_OK) {
        status = take_flags(&draft, &flags);
    }
    if (status == CONFIG_OK) {
        status = config_check(&draft);
    }
    free(flags.list);
    if (status != CONFIG_OK) {
        config_free(c);
    }
    return status;
}

void config_free(struct config *c)
{
    config_peers_clear(c);
    config_web_origins_clear(c);
    free(c->data);
    free(c->cluster);
    free(c->address);
    free(c->bind);
    free(c->http);
    free(c->tls_cert);
    free(c->tls_key);
    free(c->tls_ca);
    memset(c, 0, sizeof *c);
}
