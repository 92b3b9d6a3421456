/* settings.c - the table of settings, and how each kind of value is read from text.
 *
 * A new setting is a field of struct config, a row of the table below and a row of
 * docs/configuration.md; flags, file, help and checks follow from the table. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/protocol.h"
#include "../../client/text/units.h"
#include "parts.h"

#define MEBIBYTE (UINT64_C(1024) * 1024)
#define GIBIBYTE (1024 * MEBIBYTE)
#define SECOND_MS UINT64_C(1000)
#define DAY_MS (24 * 3600 * SECOND_MS)

#define DATA_PATH_MAX 800 /* libraft's own limit is 894 bytes, with nothing below it */

#define FIELD(member) \
    .offset = offsetof(struct config, member), .width = sizeof(((struct config *)NULL)->member)

#define PEM_FILE(member) \
    .kind = SETTING_TEXT, FIELD(member), .min = 1, .max = 4095, .argument = "FILE"

static const char *const level_choices[] = {"debug", "info", "warn", "error", NULL};
static const char *const client_choices[] = {"certificate", "token", NULL};
static const char *const format_choices[] = {"logfmt", "json", NULL};

/* Choices are stored as the enum's number. */
_Static_assert(LOG_DEBUG == 0 && LOG_ERROR == 3, "level_choices follows enum log_level");
_Static_assert(LOG_LOGFMT == 0 && LOG_JSON == 1, "format_choices follows enum log_format");
_Static_assert(CONFIG_CLIENTS_TOKEN == 1, "client_choices follows enum config_clients");
_Static_assert(sizeof(enum log_level) == sizeof(unsigned), "choices are stored as unsigned");

static const struct setting settings[] = {
    {.name = "id",
     .kind = SETTING_NUMBER,
     FIELD(id),
     .min = 1,
     .max = INT64_MAX,
     .argument = "N",
     .group = "This node",
     .help = "number of this node in the cluster, never used for another node or after its\n"
             "data was lost (default 1 for a cluster of one, otherwise required)"},
    {.name = "data",
     .kind = SETTING_TEXT,
     FIELD(data),
     .min = 1,
     .max = DATA_PATH_MAX,
     .argument = "DIR",
     .help = "directory of the log and the snapshots (required)"},
    {.name = "address",
     .kind = SETTING_TEXT,
     FIELD(address),
     .min = 1,
     .max = PROTOCOL_ADDRESS_MAX - 1,
     .argument = "HOST:PORT",
     .help = "where the others reach this node: PORT is for the other nodes, PORT+1 for clients,\n"
             "PORT+2 for HTTP (default: from --peers, or 127.0.0.1:7400)"},
    {.name = "bind",
     .kind = SETTING_TEXT,
     FIELD(bind),
     .min = 1,
     .max = 255,
     .argument = "HOST",
     .help = "listen on this address instead of the address's own host, such as 0.0.0.0"},
    {.name = "http",
     .kind = SETTING_TEXT,
     FIELD(http),
     .min = 1,
     .max = PROTOCOL_ADDRESS_MAX - 1,
     .argument = "HOST:PORT|off",
     .help = "where to serve HTTP (default: PORT+2, where the other two listen), or off"},
    {.name = "http-origin",
     .kind = SETTING_WEB_ORIGINS,
     FIELD(web_origins),
     .argument = "ORIGIN",
     .help =
         "pages of this site may ask over HTTP, too, as in https://shop.example (CORS); may be\n"
         "repeated (default: the node's own pages alone)"},

    {.name = "cluster",
     .kind = SETTING_TEXT,
     FIELD(cluster),
     .min = 1,
     .max = PROTOCOL_CLUSTER_MAX,
     .fallback = "orderschedd",
     .argument = "NAME",
     .group = "Cluster",
     .help = "name that nodes and clients must agree on (default orderschedd)"},
    {.name = "peers",
     .kind = SETTING_PEERS,
     FIELD(peers),
     .argument = "1=HOST:PORT,...",
     .help = "all first members, this node too; the same list on each of them\n"
             "(default: this node alone)"},
    {.name = "join",
     .kind = SETTING_SWITCH,
     FIELD(join),
     .help = "start empty, and wait to be added to a running cluster (orderctl member add)"},
    {.name = "insecure",
     .kind = SETTING_SWITCH,
     FIELD(insecure),
     .help =
         "allow addresses off the loopback without TLS: whoever reaches them may do everything"},
    {.name = "tls-cert",
     PEM_FILE(tls_cert),
     .help = "TLS on every connection: this node's certificate, PEM (orderctl cert node)"},
    {.name = "tls-key", PEM_FILE(tls_key), .help = "its private key"},
    {.name = "tls-ca",
     PEM_FILE(tls_ca),
     .help =
         "the authorities of nodes and clients, PEM; all three are read again when they change"},
    {.name = "tls-clients",
     .kind = SETTING_CHOICE,
     FIELD(tls_clients),
     .choices = client_choices,
     .fallback = "certificate",
     .argument = "certificate|token",
     .help = "what a client must show: a certificate, or, with token, that or a token (default\n"
             "certificate)"},
    {.name = "tls-max-age",
     .kind = SETTING_DURATION,
     FIELD(tls_max_age_ms),
     .min = SECOND_MS,
     .max = 400 * DAY_MS,
     .fallback = "24h",
     .argument = "DURATION",
     .help = "a TLS connection is made anew before it is as old as this (default 24h)"},
    {.name = "election-timeout",
     .kind = SETTING_DURATION,
     FIELD(election_timeout_ms),
     .min = 100,
     .max = 60 * SECOND_MS,
     .fallback = "500ms",
     .argument = "DURATION",
     .help = "silence of the leader after which another is elected; a multiple of the heartbeat\n"
             "(default 500ms)"},
    {.name = "heartbeat",
     .kind = SETTING_DURATION,
     FIELD(heartbeat_ms),
     .min = 10,
     .max = 10 * SECOND_MS,
     .fallback = "50ms",
     .argument = "DURATION",
     .help = "how often the leader shows that it is alive (default 50ms)"},

    {.name = "max-clock-error",
     .kind = SETTING_DURATION,
     FIELD(max_clock_error_ms),
     .min = 10,
     .max = 400 * DAY_MS,
     .fallback = "500ms",
     .argument = "DURATION",
     .help = "by how much the wall clocks of voters may differ and count as one time\n"
             "(default 500ms)"},
    {.name = "clock-wait",
     .kind = SETTING_DURATION,
     FIELD(clock_wait_ms),
     .min = 0,
     .max = 3600 * SECOND_MS,
     .fallback = "10s",
     .argument = "DURATION",
     .help =
         "of a cluster of one: how long it waits, after a boot, for the kernel to say that the\n"
         "clock is synchronized (default 10s)"},
    {.name = "max-clock-jump",
     .kind = SETTING_DURATION,
     FIELD(max_clock_jump_ms),
     .min = 60 * SECOND_MS,
     .max = 400 * DAY_MS,
     .fallback = "7d",
     .argument = "DURATION",
     .help = "of a cluster of one: a clock further ahead of its last entry needs --accept-clock\n"
             "(default 7d)"},
    {.name = "accept-clock",
     .kind = SETTING_SWITCH,
     FIELD(accept_clock),
     .help = "of a cluster of one: the wall clock is right as it is, however far from its last\n"
             "entry; for one start"},

    {.name = "retention",
     .kind = SETTING_DURATION,
     FIELD(retention_ms),
     .min = SECOND_MS,
     .max = 400 * DAY_MS,
     .fallback = "24h",
     .argument = "DURATION",
     .group = "Orders",
     .help = "how long a decided order stays known (default 24h)"},
    {.name = "max-orders",
     .kind = SETTING_NUMBER,
     FIELD(max_orders),
     .min = 1,
     .max = UINT32_MAX,
     .fallback = "20000000",
     .argument = "N",
     .help = "orders kept, decided ones included; beyond that FULL (default 20000000)"},
    {.name = "max-bytes",
     .kind = SETTING_SIZE,
     FIELD(max_bytes),
     .min = MEBIBYTE,
     .max = 1024 * GIBIBYTE,
     .fallback = "8GiB",
     .argument = "SIZE",
     .help = "memory for orders; beyond that FULL (default 8GiB)"},
    {.name = "max-requests",
     .kind = SETTING_NUMBER,
     FIELD(max_requests),
     .min = 1,
     .max = 1000000,
     .fallback = "4096",
     .argument = "N",
     .help = "client messages in flight; beyond that BUSY (default 4096)"},
    {.name = "max-deliveries",
     .kind = SETTING_NUMBER,
     FIELD(max_deliveries),
     .min = 1,
     .max = 65536,
     .fallback = "1024",
     .argument = "N",
     .help = "callbacks in flight, all routes together (default 1024)"},
    {.name = "max-delivery-bytes",
     .kind = SETTING_SIZE,
     FIELD(max_delivery_bytes),
     .min = MEBIBYTE,
     .max = 64 * GIBIBYTE,
     .fallback = "64MiB",
     .argument = "SIZE",
     .help = "memory for callbacks in flight, all routes together (default 64MiB)"},
    {.name = "allow-exec",
     .kind = SETTING_SWITCH,
     FIELD(allow_exec),
     .help = "let routes of kind exec run programs here, as this node's user (default false)"},
    {.name = "max-exec",
     .kind = SETTING_NUMBER,
     FIELD(max_exec),
     .min = 1,
     .max = 1024,
     .fallback = "64",
     .argument = "N",
     .help = "programs of such routes running at a time (default 64)"},
    {.name = "allow-private-callbacks",
     .kind = SETTING_SWITCH,
     FIELD(allow_private_callbacks),
     .help = "let callbacks go to loopback, private and other addresses that are not public\n"
             "(default: only when all peers are on the loopback)"},

    {.name = "canary",
     .kind = SETTING_DURATION,
     FIELD(canary_ms),
     .min = SECOND_MS,
     .max = 3600 * SECOND_MS,
     .may_be_off = true,
     .fallback = "5s",
     .argument = "DURATION|off",
     .help = "how often a leader sends something due through log, wheel and dispatcher, so that\n"
             "metrics show a cluster that silently stops (default 5s)"},

    {.name = "min-free",
     .kind = SETTING_SIZE,
     FIELD(min_free_bytes),
     .min = 0,
     .max = 1024 * 1024 * GIBIBYTE,
     .fallback = "256MiB",
     .argument = "SIZE",
     .group = "Disk",
     .help = "free space of the data disk below which writes get NO_SPACE (default 256MiB)"},
    {.name = "snapshot-threshold",
     .kind = SETTING_NUMBER,
     FIELD(snapshot_threshold),
     .min = 0,
     .max = 100000000,
     .fallback = "0",
     .argument = "N",
     .help = "log entries between two snapshots (default 0: chosen by the node)"},
    {.name = "snapshot-trailing",
     .kind = SETTING_NUMBER,
     FIELD(snapshot_trailing),
     .min = 0,
     .max = 100000000,
     .fallback = "0",
     .argument = "N",
     .help = "log entries kept behind a snapshot for followers that lag, at least 1024\n"
             "(default 0: chosen by the node)"},
    {.name = "snapshot-slice",
     .kind = SETTING_NUMBER,
     FIELD(snapshot_slice),
     .min = 0,
     .max = 100000,
     .fallback = "0",
     .argument = "N",
     .help = "orders written into a snapshot at a time, at most (default 0: 2000); a low\n"
             "number makes snapshots of a small state take long, for tests"},

    {.name = "log-level",
     .kind = SETTING_CHOICE,
     FIELD(log_level),
     .fallback = "info",
     .choices = level_choices,
     .argument = "LEVEL",
     .group = "Logs, on stderr",
     .help = "debug, info, warn or error (default info)"},
    {.name = "log-format",
     .kind = SETTING_CHOICE,
     FIELD(log_format),
     .fallback = "logfmt",
     .choices = format_choices,
     .argument = "FORMAT",
     .help = "logfmt or json (default logfmt)"},
};

#define N_SETTINGS (sizeof settings / sizeof settings[0])
_Static_assert(N_SETTINGS <= CONFIG_SETTINGS_MAX, "room for every origin");

const struct setting *config_settings(unsigned *n)
{
    *n = N_SETTINGS;
    return settings;
}

const struct setting *config_setting_find(const char *name)
{
    for (unsigned i = 0; i < N_SETTINGS; i++) {
        if (strcmp(settings[i].name, name) == 0) {
            return &settings[i];
        }
    }
    return NULL;
}

/* Letters to insert, delete or replace to make b of a (Levenshtein), up to NAME_SIZE. */
#define NAME_SIZE 32
static unsigned edit_distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len >= NAME_SIZE || b_len >= NAME_SIZE) {
        return NAME_SIZE;
    }
    unsigned row[NAME_SIZE];
    for (unsigned j = 0; j <= b_len; j++) {
        row[j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            unsigned shifted = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = replaced < shifted ? replaced : shifted;
        }
    }
    return row[b_len];
}

const char *config_setting_guess(const char *name)
{
    const char *best = NULL;
    unsigned best_distance = 3;
    for (unsigned i = 0; i < N_SETTINGS; i++) {
        unsigned distance = edit_distance(name, settings[i].name);
        bool begins = strlen(name) >= 3 && strncmp(name, settings[i].name, strlen(name)) == 0;
        if (begins && best_distance > 1) {
            distance = 1;
        }
        if (distance < best_distance && distance < strlen(settings[i].name)) {
            best = settings[i].name;
            best_distance = distance;
        }
    }
    return best;
}

static bool number_parse(const char *text, uint64_t *value)
{
    size_t len = strlen(text);
    if (len == 0 || strspn(text, "0123456789") != len) {
        return false; /* strtoull would take signs and spaces */
    }
    errno = 0;
    *value = strtoull(text, NULL, 10);
    return errno == 0;
}

/* A number in the setting's own unit, for the message about its range. */
static void number_format(const struct setting *setting, uint64_t value, char *out, size_t len)
{
    if (setting->kind == SETTING_DURATION) {
        units_format_duration(value, out, len);
    } else if (setting->kind == SETTING_SIZE && value >= GIBIBYTE) {
        snprintf(out, len, "%" PRIu64 "GiB", value / GIBIBYTE);
    } else if (setting->kind == SETTING_SIZE && value >= MEBIBYTE) {
        snprintf(out, len, "%" PRIu64 "MiB", value / MEBIBYTE);
    } else {
        snprintf(out, len, "%" PRIu64, value);
    }
}

static enum config_status set_number(struct config_draft *draft, const struct setting *setting,
                                     const char *text)
{
    uint64_t value = 0;
    bool read;
    const char *wanted;
    switch (setting->kind) {
        case SETTING_DURATION:
            read = units_parse_duration(text, &value);
            wanted = "a duration such as 500ms, 30m or 24h";
            break;
        case SETTING_SIZE:
            read = units_parse_size(text, &value);
            wanted = "a size such as 256MiB, 8GiB or a number of bytes";
            break;
        default:
            read = number_parse(text, &value);
            wanted = "a whole number";
            break;
    }
    bool off = setting->may_be_off && strcmp(text, "off") == 0;
    if (!read && !off) {
        return config_complain_of(draft, setting->name, "must be %s%s, not \"%s\"", wanted,
                                  setting->may_be_off ? ", or off" : "", text);
    }
    if (!off && (value < setting->min || value > setting->max)) {
        char min[40], max[40];
        number_format(setting, setting->min, min, sizeof min);
        number_format(setting, setting->max, max, sizeof max);
        return config_complain_of(draft, setting->name, "must be from %s to %s, not %s", min, max,
                                  text);
    }
    char *field = (char *)draft->config + setting->offset;
    if (setting->width == sizeof(uint64_t)) {
        memcpy(field, &value, sizeof value);
    } else {
        unsigned narrow = (unsigned)value; /* within max, which the table keeps below 2^32 */
        memcpy(field, &narrow, sizeof narrow);
    }
    return CONFIG_OK;
}

static enum config_status set_text(struct config_draft *draft, const struct setting *setting,
                                   const char *text)
{
    size_t len = strlen(text);
    if (len < setting->min) {
        return config_complain_of(draft, setting->name, "must not be empty");
    }
    if (len > setting->max) {
        return config_complain_of(draft, setting->name, "longer than %" PRIu64 " bytes",
                                  setting->max);
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        return config_complain("out of memory");
    }
    char **field = (char **)((char *)draft->config + setting->offset);
    free(*field);
    *field = copy;
    return CONFIG_OK;
}

static enum config_status set_switch(struct config_draft *draft, const struct setting *setting,
                                     const char *text)
{
    bool *field = (bool *)((char *)draft->config + setting->offset);
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) {
        return config_complain_of(draft, setting->name, "must be true or false, not \"%s\"", text);
    }
    *field = text[0] == 't';
    return CONFIG_OK;
}

static enum config_status set_choice(struct config_draft *draft, const struct setting *setting,
                                     const char *text)
{
    char known[128] = "";
    for (unsigned i = 0; setting->choices[i] != NULL; i++) {
        if (strcmp(setting->choices[i], text) == 0) {
            memcpy((char *)draft->config + setting->offset, &i, sizeof i);
            return CONFIG_OK;
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "", setting->choices[i]);
    }
    return config_complain_of(draft, setting->name, "must be one of %s, not \"%s\"", known, text);
}

void config_peers_clear(struct config *c)
{
    for (unsigned i = 0; i < c->n_peers; i++) {
        free(c->peers[i].address);
        c->peers[i].address = NULL;
    }
    c->n_peers = 0;
}

enum config_status config_peer_add(struct config_draft *draft, const char *id, const char *address,
                                   struct config_origin origin)
{
    struct config *c = draft->config;
    char where[1024], host[256];
    unsigned port;
    uint64_t number;
    config_origin_name(&origin, "peers", where, sizeof where);
    if (c->n_peers == CONFIG_PEERS_MAX) {
        return config_complain("%s: more than %d members", where, CONFIG_PEERS_MAX);
    }
    if (!number_parse(id, &number) || number < 1 || number > INT64_MAX) {
        return config_complain("%s: an id must be a number from 1 to %" PRId64 ", not \"%s\"",
                               where, INT64_MAX, id);
    }
    if (strlen(address) >= PROTOCOL_ADDRESS_MAX ||
        !units_split_address(address, host, sizeof host, &port)) {
        return config_complain("%s: an address must be HOST:PORT, not \"%s\"", where, address);
    }
    struct config_peer *peer = &c->peers[c->n_peers];
    peer->id = number;
    peer->address = strdup(address);
    if (peer->address == NULL) {
        return config_complain("out of memory");
    }
    draft->peer_lines[c->n_peers] = origin.file != NULL ? origin.line : 0;
    c->n_peers++;
    return CONFIG_OK;
}

/* "1=HOST:PORT,2=HOST:PORT" */
static enum config_status set_peers(struct config_draft *draft, const char *text,
                                    struct config_origin origin)
{
    char *copy = strdup(text);
    if (copy == NULL) {
        return config_complain("out of memory");
    }
    config_peers_clear(draft->config);
    enum config_status status = CONFIG_OK;
    char *rest = copy;
    while (status == CONFIG_OK && rest != NULL) {
        char *one = strsep(&rest, ",");
        char *equals = strchr(one, '=');
        if (equals == NULL) {
            status = config_complain_of(draft, "peers",
                                        "must be ID=HOST:PORT, as in 1=127.0.0.1:7400, not \"%s\"",
                                        one);
        } else {
            *equals = '\0';
            status = config_peer_add(draft, one, equals + 1, origin);
        }
    }
    free(copy);
    return status;
}

enum config_status config_set(struct config_draft *draft, const struct setting *setting,
                              const char *text, struct config_origin origin)
{
    struct config_origin before = draft->origins[setting - settings];
    draft->origins[setting - settings] = origin;
    switch (setting->kind) {
        case SETTING_TEXT: return set_text(draft, setting, text);
        case SETTING_SWITCH: return set_switch(draft, setting, text);
        case SETTING_CHOICE: return set_choice(draft, setting, text);
        case SETTING_PEERS: return set_peers(draft, text, origin);
        case SETTING_WEB_ORIGINS:
            if (before.file != origin.file) { /* flags win over the file's */
                config_web_origins_clear(draft->config);
            }
            return config_web_origin_add(draft, text, origin);
        case SETTING_NUMBER:
        case SETTING_DURATION:
        case SETTING_SIZE: break;
    }
    return set_number(draft, setting, text);
}
