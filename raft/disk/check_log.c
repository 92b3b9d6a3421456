/* check_log.c - are the segments of libraft's log whole, and all there? */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "check_parts.h"

int segments_scan(struct check *k)
{
    for (size_t i = 0; i < k->n_segments; i++) {
        struct segment *s = &k->segments[i];
        size_t len;
        uint8_t *data = check_read(k, s->name, &len);

        if (k->c->progress != NULL) {
            k->c->progress(k->c->arg, "checking the log's segments", i, k->n_segments);
        }
        if (data == NULL) {
            return check_refuse(k, "%s cannot be read: %s", s->name, strerror(errno));
        }
        s->scan = segment_scan(data, len);
        free(data);
    }
    return 0;
}

bool segment_is_whole(const struct segment *s)
{
    return s->scan.state == SEGMENT_WHOLE && s->first > 0 && s->last >= s->first &&
           s->scan.n_entries == s->last - s->first + 1;
}

static int segment_refuse(struct check *k, const struct segment *s)
{
    if (s->scan.state == SEGMENT_BROKEN && s->scan.valid_offset == 0) {
        return check_refuse(k, "%s does not begin like a segment of the log", s->name);
    }
    if (s->scan.state == SEGMENT_BROKEN) {
        return check_refuse(k,
                            "%s is damaged: the entries at byte %zu are bad, and valid ones "
                            "follow at byte %zu, so this is not an interrupted write",
                            s->name, s->scan.bad_offset, s->scan.valid_offset);
    }
    if (s->scan.state == SEGMENT_TORN) {
        return check_refuse(k, "%s is damaged: the entries at byte %zu are bad", s->name,
                            s->scan.bad_offset);
    }
    return check_refuse(k, "%s is damaged: it holds %" PRIu64 " entries", s->name,
                        s->scan.n_entries);
}

/* libraft truncates a closed segment by writing the shorter one beside it and removing the longer
 * one then. Both there: it was interrupted, and nothing was appended since. Undo it. */
int segments_undo_truncation(struct check *k)
{
    for (size_t i = 0; i + 1 < k->n_segments; i++) {
        struct segment *s = &k->segments[i];
        const struct segment *longer = &k->segments[i + 1];

        if (s->open || longer->open || s->first != longer->first || !segment_is_whole(longer)) {
            continue;
        }
        if (check_remove(k, s->name, "a truncation of the log was interrupted") != 0) {
            return -1;
        }
        s->removed = true;
    }
    return 0;
}

/* When a snapshot of the leader is installed, the log before it goes. Interrupted before that,
 * libraft would try to load the old log and give up. */
int segments_finish_install(struct check *k)
{
    uint64_t snapshot = check_snapshot_index(k);
    bool behind = false;

    for (size_t i = 0; i < k->n_segments; i++) {
        const struct segment *s = &k->segments[i];
        if (s->removed) {
            continue;
        }
        if (s->open ? s->scan.n_entries > 0 || s->scan.state != SEGMENT_WHOLE
                    : s->last >= snapshot) {
            return 0;
        }
        behind = behind || !s->open;
    }
    for (size_t i = 0; behind && i < k->n_segments; i++) {
        struct segment *s = &k->segments[i];
        if (!s->removed && !s->open) {
            if (check_remove(k, s->name, "the snapshot holds all of it") != 0) {
                return -1;
            }
            s->removed = true;
        }
    }
    return 0;
}

int segments_check_closed(struct check *k)
{
    const struct segment *previous = NULL;
    uint64_t snapshot = check_snapshot_index(k);

    for (size_t i = 0; i < k->n_segments && !k->segments[i].open; i++) {
        const struct segment *s = &k->segments[i];
        if (s->removed) {
            continue;
        }
        if (!segment_is_whole(s)) {
            return segment_refuse(k, s);
        }
        /* A gap is harmless only when the snapshot holds all that is before this segment. */
        if (s->first != (previous != NULL ? previous->last + 1 : 1) && s->first > snapshot + 1) {
            return check_refuse(k,
                                "the log is not whole: entries %" PRIu64 " to %" PRIu64
                                " are missing in front of %s",
                                previous != NULL && previous->last > snapshot ? previous->last + 1
                                                                              : snapshot + 1,
                                s->first - 1, s->name);
        }
        if (previous != NULL && s->first <= previous->last) {
            return check_refuse(k, "%s and %s hold the same entries", previous->name, s->name);
        }
        previous = s;
    }
    return 0;
}

int segments_check_open(struct check *k)
{
    const struct segment *torn = NULL;

    for (size_t i = 0; i < k->n_segments; i++) {
        const struct segment *s = &k->segments[i];
        if (!s->open) {
            continue;
        }
        if (s->scan.state == SEGMENT_BROKEN) {
            return segment_refuse(k, s);
        }
        if (torn != NULL && s->scan.n_entries > 0) {
            return check_refuse(k,
                                "%s is damaged: the entries at byte %zu are bad, and %s has valid "
                                "ones that were written later, so this is not an interrupted write",
                                torn->name, torn->scan.bad_offset, s->name);
        }
        if (s->scan.state == SEGMENT_TORN) {
            torn = s;
            check_log(k, "warn",
                      "%s ends with an interrupted write at byte %zu, which was never "
                      "acknowledged and will be cut off",
                      s->name, s->scan.bad_offset);
        }
    }
    return 0;
}

bool check_has_log(const struct check *k)
{
    for (size_t i = 0; i < k->n_segments; i++) {
        const struct segment *s = &k->segments[i];
        if (!s->open || s->scan.n_entries > 0 || s->scan.state != SEGMENT_WHOLE) {
            return true;
        }
    }
    return false;
}
