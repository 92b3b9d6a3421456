/* disk_identity.c - whose data directory it is: DIR/identity, written once. */
#include "disk_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk_check.h"

#define IDENTITY "identity"
#define IDENTITY_TEMPORARY "identity.tmp"
#define IDENTITY_FORMAT 1
#define IDENTITY_SIZE_MAX 4096

static int identity_compare(const json_t *json, const char *dir, const char *cluster, uint64_t id,
                            char *errbuf, size_t errbuf_len)
{
    const json_t *format = json_object_get(json, "format");
    const char *its_cluster = json_string_value(json_object_get(json, "cluster"));
    const json_t *its_id = json_object_get(json, "id");

    if (!json_is_integer(format) || its_cluster == NULL || !json_is_integer(its_id) ||
        json_integer_value(its_id) <= 0) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " is damaged: format, cluster or id is "
                 "missing. " DISK_READD, dir);
        return -1;
    }
    if (json_integer_value(format) != IDENTITY_FORMAT) {
        snprintf(errbuf, errbuf_len,
                 "%s/" IDENTITY " has format %" JSON_INTEGER_FORMAT ", and this orderschedd knows "
                 "format %d only: it was written by a newer version. Start that one.",
                 dir, json_integer_value(format), IDENTITY_FORMAT);
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

int disk_identity_check(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                        char *errbuf, size_t errbuf_len)
{
    int fd = openat(dir_fd, IDENTITY, O_RDONLY | O_CLOEXEC);
    char text[IDENTITY_SIZE_MAX];
    json_error_t error;
    json_t *json;
    ssize_t n;
    int rv;

    if (fd < 0 && errno == ENOENT) {
        return 0;
    }
    n = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (n < 0) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " cannot be read: %s", dir, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    if (n < 0) {
        return -1;
    }
    json = json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " is damaged: %s. " DISK_READD, dir,
                 error.text);
        return -1;
    }
    rv = identity_compare(json, dir, cluster, id, errbuf, errbuf_len);
    json_decref(json);
    return rv;
}

/* Write all of it and sync. 0 or -1 (errno). */
static int file_write(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -1;
        }
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd);
}

int disk_identity_write(int dir_fd, const char *dir, const char *cluster, uint64_t id,
                        char *errbuf, size_t errbuf_len)
{
    json_t *json;
    char *text = NULL;
    int fd = -1;
    int rv = -1;

    if (id == 0 || id > INT64_MAX) {
        snprintf(errbuf, errbuf_len, "the id must be from 1 to 2^63-1");
        return -1;
    }
    json = json_pack("{s:i, s:s, s:I}", "format", IDENTITY_FORMAT, "cluster", cluster, "id",
                     (json_int_t)id);
    text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL) {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " cannot be written: the cluster's name is no "
                                     "UTF-8, or memory is short", dir);
        return -1;
    }
    fd = openat(dir_fd, IDENTITY_TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0 && file_write(fd, text, strlen(text)) == 0 &&
        renameat(dir_fd, IDENTITY_TEMPORARY, dir_fd, IDENTITY) == 0 && fsync(dir_fd) == 0) {
        rv = 0;
    } else {
        snprintf(errbuf, errbuf_len, "%s/" IDENTITY " cannot be written: %s", dir,
                 strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    free(text);
    return rv;
}
