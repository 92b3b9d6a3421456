/* identity.c - see identity.h. */
#include "identity.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "replace.h"

#define IDENTITY "identity"
#define IDENTITY_FORMAT 2
#define IDENTITY_SIZE_MAX 4096

static const char *const state_names[] = {
    [STANDING_MEMBER] = "member",
    [STANDING_FOUNDING] = "founding",
    [STANDING_JOINING] = "joining",
};

static_assert(sizeof state_names / sizeof *state_names == STANDING_JOINING + 1, "each has one");

/* --- read --- */

static bool take_state(const char *text, enum standing_state *state)
{
    for (unsigned i = 0; text != NULL && i < sizeof state_names / sizeof *state_names; i++) {
        if (strcmp(text, state_names[i]) == 0) {
            *state = (enum standing_state)i;
            return true;
        }
    }
    return false;
}

/* What format 2 has beside format 1. */
static bool take_standing(const json_t *json, struct standing *standing)
{
    const char *state = json_string_value(json_object_get(json, "state"));
    const char *identity = json_string_value(json_object_get(json, "identity"));
    const char *founding = json_string_value(json_object_get(json, "founding"));
    const char *founders = json_string_value(json_object_get(json, "founders"));
    char *end;

    if (!take_state(state, &standing->state) || identity == NULL || founding == NULL ||
        founders == NULL || strlen(founders) > STANDING_FOUNDERS_MAX ||
        (identity[0] != '\0' && !standing_identity_parse(identity, standing->identity))) {
        return false;
    }
    snprintf(standing->founders, sizeof standing->founders, "%s", founders);
    standing->founding = strtoull(founding, &end, 16);
    return strlen(founding) == 16 && *end == '\0';
}

static int identity_compare(const json_t *json, const char *dir, const char *cluster, uint64_t id,
                            struct standing *standing, char *errbuf, size_t errbuf_len)
{
    const json_t *format = json_object_get(json, "format");
    const char *its_cluster = json_string_value(json_object_get(json, "cluster"));
    const json_t *its_id = json_object_get(json, "id");

    *standing = (struct standing){.state = STANDING_MEMBER};
    if (json_is_integer(format) && json_integer_value(format) > IDENTITY_FORMAT) {
        snprintf(errbuf, errbuf_len,
                 "%s/" IDENTITY " has format %" JSON_INTEGER_FORMAT ", and this orderschedd knows "
                 "format %d only: it was written by a newer version. Start that one.",
                 dir, json_integer_value(format), IDENTITY_FORMAT);
        return -1;
    }
    if (!json_is_integer(format) || its_cluster == NULL || !json_is_integer(its_id) ||
        json_integer_value(its_id) <= 0 ||
        (json_integer_value(format) > 1 && !take_standing(json, standing))) {
        snprintf(errbuf, errbuf_len,
                 "%s/" IDENTITY " is damaged: what it must say is missing or "
                 "malformed. " DISK_READD,
                 dir);
        return -1;
    }
    if (strcmp(its_cluster, cluster) != 0) {
        snprintf(errbuf, errbuf_len,
                 "%s belongs to cluster \"%s\", not \"%s\". Start with --cluster %s, or with "
                 "another --data directory.",
                 dir, its_cluster, cluster, its_cluster);
        return -1;
    }
    if ((uint64_t)json_integer_value(its_id) != id) {
        snprintf(errbuf, errbuf_len,
                 "%s belongs to node %" JSON_INTEGER_FORMAT ", not to node %" PRIu64
                 ". Start with --id %" JSON_INTEGER_FORMAT ", or with another --data directory.",
                 dir, json_integer_value(its_id), id, json_integer_value(its_id));
        return -1;
    }
    return 1;
}

int disk_identity_read(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                       struct standing *standing, char *errbuf, size_t errbuf_len)
{
    char text[IDENTITY_SIZE_MAX];
    long n = disk_read_whole(dir_fd, IDENTITY, text, sizeof text);
    json_error_t error;
    json_t *json;
    int rv;

    if (n < 0 && errno == ENOENT) {
        return 0;
    }
    if (n < 0) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " cannot be read: %s", dir, strerror(errno));
        return -1;
    }
    json = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " is damaged: %s. " DISK_READD, dir,
                 error.text);
        return -1;
    }
    rv = identity_compare(json, dir, cluster, id, standing, errbuf, errbuf_len);
    json_decref(json);
    return rv;
}

/* --- write --- */

static char *identity_text(const char *cluster, uint64_t id, const struct standing *standing)
{
    char identity[STANDING_IDENTITY_TEXT] = "", founding[17];
    json_t *json;
    char *text;

    if (standing_has_identity(standing)) {
        standing_identity_text(standing->identity, identity);
    }
    snprintf(founding, sizeof founding, "%016" PRIx64, standing->founding);
    json = json_pack("{s:i, s:s, s:I, s:s, s:s, s:s, s:s}", "format", IDENTITY_FORMAT, "cluster",
                     cluster, "id", (json_int_t)id, "state", state_names[standing->state],
                     "identity", identity, "founding", founding, "founders", standing->founders);
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

int disk_identity_write(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                        const struct standing *standing, char *errbuf, size_t errbuf_len)
{
    char *text;
    int rv;

    if (id == 0 || id > INT64_MAX) {
        snprintf(errbuf, errbuf_len, "the id must be from 1 to 2^63-1");
        return -1;
    }
    text = identity_text(cluster, id, standing);
    if (text == NULL) {
        snprintf(errbuf, errbuf_len,
                 "%s/" IDENTITY " cannot be written: the cluster's name is no "
                 "UTF-8, or memory is short",
                 dir);
        return -1;
    }
    rv = disk_replace(dir_fd, IDENTITY, text);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " cannot be written: %s", dir, strerror(errno));
    }
    free(text);
    return rv;
}
