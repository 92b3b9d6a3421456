/* check.c - is what libraft will find in its directory whole? See check.h. */
#include "check_parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc.h"

#define METADATA_SIZE 32
#define SNAPSHOT_CONFIGURATION_MAX (1024 * 1024)

/* --- the directory's list --- */

static int segment_compare(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;

    if (x->open != y->open) {
        return x->open ? 1 : -1;
    }
    if (x->open) {
        return x->counter < y->counter ? -1 : x->counter > y->counter;
    }
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    return x->last < y->last ? -1 : x->last > y->last;
}

static int snapshot_compare(const void *a, const void *b)
{
    const struct snapshot_pair *x = a, *y = b;

    if (x->term != y->term) {
        return x->term < y->term ? -1 : 1;
    }
    if (x->index != y->index) {
        return x->index < y->index ? -1 : 1;
    }
    return x->timestamp < y->timestamp ? -1 : x->timestamp > y->timestamp;
}

static bool segment_parse(const char *name, struct segment *s)
{
    int used = 0;

    *s = (struct segment){0};
    if (sscanf(name, "%16" SCNu64 "-%16" SCNu64 "%n", &s->first, &s->last, &used) == 2 &&
        name[used] == '\0') {
        s->open = false;
    } else if (sscanf(name, "open-%" SCNu64 "%n", &s->counter, &used) == 1 && name[used] == '\0') {
        s->open = true;
    } else {
        return false;
    }
    snprintf(s->name, sizeof s->name, "%s", name);
    return true;
}

/* A meta file whose data file has something in it; the rest is what a crash may leave, and
 * libraft tidies it up itself. */
static bool snapshot_parse(struct check *k, const char *name, struct snapshot_pair *s)
{
    int used = 0;
    struct stat st;

    *s = (struct snapshot_pair){0};
    if (sscanf(name, "snapshot-%" SCNu64 "-%" SCNu64 "-%" SCNu64 ".meta%n", &s->term, &s->index,
               &s->timestamp, &used) != 3 ||
        used == 0 || name[used] != '\0') {
        return false;
    }
    snprintf(s->name, sizeof s->name, "%.*s", used - (int)strlen(".meta"), name);
    return fstatat(k->fd, s->name, &st, 0) == 0 && st.st_size > 0;
}

static int check_list(struct check *k)
{
    int fd = dup(k->fd);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    int rv = 0;

    if (d == NULL) {
        rv = check_refuse(k, "cannot be read: %s", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        return rv;
    }
    rewinddir(d);
    while (rv == 0 && (errno = 0, e = readdir(d)) != NULL) {
        struct segment segment;
        struct snapshot_pair snapshot;
        if (segment_parse(e->d_name, &segment)) {
            void *p = realloc(k->segments, (k->n_segments + 1) * sizeof segment);
            if (p == NULL) {
                rv = check_refuse(k, "not enough memory to look at it");
                break;
            }
            k->segments = p;
            k->segments[k->n_segments++] = segment;
        } else if (snapshot_parse(k, e->d_name, &snapshot)) {
            void *p = realloc(k->snapshots, (k->n_snapshots + 1) * sizeof snapshot);
            if (p == NULL) {
                rv = check_refuse(k, "not enough memory to look at it");
                break;
            }
            k->snapshots = p;
            k->snapshots[k->n_snapshots++] = snapshot;
        }
    }
    if (rv == 0 && errno != 0) {
        rv = check_refuse(k, "cannot be read: %s", strerror(errno));
    }
    closedir(d);
    if (k->n_segments > 0) {
        qsort(k->segments, k->n_segments, sizeof *k->segments, segment_compare);
    }
    if (k->n_snapshots > 0) {
        qsort(k->snapshots, k->n_snapshots, sizeof *k->snapshots, snapshot_compare);
    }
    return rv;
}

/* --- metadata1 and metadata2: term and vote, written in turn --- */

static int metadata_read(struct check *k, int i)
{
    const char *name = i == 0 ? "metadata1" : "metadata2";
    struct metadata *m = &k->metadata[i];
    size_t len;
    uint8_t *data = check_read(k, name, &len);
    int rv = 0;

    *m = (struct metadata){.state = METADATA_ABSENT};
    if (data == NULL) {
        return errno == ENOENT ? 0
                               : check_refuse(k, "%s cannot be read: %s", name, strerror(errno));
    }
    if (len < METADATA_SIZE) {
        m->state = METADATA_SHORT;
    } else if (len > METADATA_SIZE || disk_get64(data) != 1 || disk_get64(data + 8) == 0) {
        rv = check_refuse(k, "%s is damaged (%s), so the term and vote of this node are not known",
                          name,
                          len > METADATA_SIZE     ? "it has more than 32 bytes"
                          : disk_get64(data) != 1 ? "unknown format"
                                                  : "its version is 0");
    } else {
        m->state = METADATA_VALID;
        m->version = disk_get64(data + 8);
        m->term = disk_get64(data + 16);
        m->vote = disk_get64(data + 24);
    }
    free(data);
    return rv;
}

/* Odd versions are in metadata1, even ones in metadata2, each overwritten in place: apart from
 * the very first two writes, one without the other is a loss, perhaps of the newest vote. */
static int metadata_check(struct check *k)
{
    const struct metadata *a = &k->metadata[0], *b = &k->metadata[1];

    if (a->state == METADATA_VALID && b->state == METADATA_VALID) {
        uint64_t step = a->version > b->version ? a->version - b->version : b->version - a->version;
        if (a->version % 2 != 1 || b->version % 2 != 0 || step != 1) {
            return check_refuse(k,
                                "metadata1 (version %" PRIu64 ") and metadata2 (version %" PRIu64
                                ") do not belong together",
                                a->version, b->version);
        }
    } else if (a->state == METADATA_VALID && a->version != 1) {
        return check_refuse(k, "metadata2 is %s, and it may have held the last vote",
                            b->state == METADATA_ABSENT ? "missing" : "cut short");
    } else if (b->state == METADATA_VALID) {
        return check_refuse(k, "metadata1 is %s, and it may have held the last vote",
                            a->state == METADATA_ABSENT ? "missing" : "cut short");
    }
    return 0;
}

static const struct metadata *metadata_newest(const struct check *k)
{
    const struct metadata *a = &k->metadata[0], *b = &k->metadata[1];

    if (a->state != METADATA_VALID) {
        return NULL;
    }
    return b->state == METADATA_VALID && b->version > a->version ? b : a;
}

/* --- snapshots --- */

/* NULL when whole, else what is wrong. */
static const char *snapshot_verify(const uint8_t *data, size_t len)
{
    uint64_t n;
    uint32_t crc;

    if (len < 32) {
        return "it is cut short";
    }
    if (disk_get64(data) != 1) {
        return "unknown format";
    }
    n = disk_get64(data + 24);
    if (n == 0 || n > SNAPSHOT_CONFIGURATION_MAX || n != len - 32) {
        return "its length is wrong";
    }
    crc = disk_crc32(data + 16, 16, 0);
    crc = disk_crc32(data + 32, n, crc);
    return crc != (uint32_t)disk_get64(data + 8) ? "its checksum is wrong" : NULL;
}

static int snapshots_check(struct check *k)
{
    for (size_t i = k->n_snapshots; i-- > 0;) {
        char name[NAME_MAX + 8];
        size_t len;
        uint8_t *data;
        const char *wrong;

        snprintf(name, sizeof name, "%s.meta", k->snapshots[i].name);
        data = check_read(k, name, &len);
        wrong = data != NULL ? snapshot_verify(data, len) : strerror(errno);
        free(data);
        if (wrong == NULL) {
            continue;
        }
        if (i == k->n_snapshots - 1) {
            return check_refuse(k, "%s, of the newest snapshot, is damaged: %s", name, wrong);
        }
        check_log(k, "warn", "%s, of an older snapshot, is damaged: %s", name, wrong);
    }
    return 0;
}

/* Founding a cluster writes term 1, which no election ever has, and then the first segment with
 * the first entry. Interrupted in between nothing has happened yet: begin again. */
static int check_undo_founding(struct check *k)
{
    const struct metadata *m = metadata_newest(k);
    const struct segment *first = k->n_segments > 0 ? &k->segments[0] : NULL;

    if (m == NULL || m->term != 1 || m->vote != 0 || m->version != 1 || k->n_snapshots > 0) {
        return 0;
    }
    if (first != NULL && !first->open) {
        if (k->n_segments > 1 || first->first != 1 || first->last != 1 || segment_is_whole(first)) {
            return 0;
        }
        if (check_remove(k, first->name, "the founding of the cluster was interrupted") != 0) {
            return -1;
        }
        k->n_segments = 0;
    } else if (check_has_log(k)) {
        return 0;
    }
    k->metadata[0].state = METADATA_ABSENT;
    return check_remove(k, "metadata1", "the founding of the cluster was interrupted");
}

static int check_all(struct check *k, bool *pristine)
{
    if (check_list(k) != 0 || metadata_read(k, 0) != 0 || metadata_read(k, 1) != 0 ||
        metadata_check(k) != 0 || segments_scan(k) != 0 || check_undo_founding(k) != 0) {
        return -1;
    }
    if (metadata_newest(k) == NULL) {
        if (check_has_log(k) || k->n_snapshots > 0) {
            return check_refuse(k,
                                "it holds %s but no metadata, so the term and vote of this "
                                "node are not known",
                                k->n_snapshots > 0 ? "snapshots" : "a log");
        }
        *pristine = true;
        return 0;
    }
    *pristine = false;
    if (snapshots_check(k) != 0 || segments_undo_truncation(k) != 0 ||
        segments_finish_install(k) != 0 || segments_check_closed(k) != 0) {
        return -1;
    }
    return segments_check_open(k);
}

int disk_check(const struct disk_check *c, bool *pristine, char *errbuf, size_t errbuf_len)
{
    struct check k = {.c = c, .errbuf = errbuf, .errbuf_len = errbuf_len};
    int rv;

    k.fd = open(c->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (k.fd < 0) {
        return check_refuse(&k, "cannot be opened: %s", strerror(errno));
    }
    rv = check_all(&k, pristine);
    if (rv == 0 && fsync(k.fd) != 0) {
        rv = check_refuse(&k, "cannot be synced: %s", strerror(errno));
    }
    close(k.fd);
    free(k.segments);
    free(k.snapshots);
    return rv;
}
