/* check_parts.h - the state of one look at libraft's directory, shared by its files. */
#ifndef DISK_CHECK_PARTS_H
#define DISK_CHECK_PARTS_H

#include <limits.h>

#include "check.h"
#include "segment.h"

struct segment {
    char name[NAME_MAX + 1];
    bool open;
    uint64_t counter;     /* open */
    uint64_t first, last; /* closed */
    struct segment_scan scan;
    bool removed;
};

struct snapshot_pair {
    char name[NAME_MAX + 1]; /* of the data file */
    uint64_t term, index, timestamp;
};

enum metadata_state { METADATA_ABSENT, METADATA_SHORT, METADATA_VALID };

struct metadata {
    enum metadata_state state;
    uint64_t version, term, vote;
};

struct check {
    const struct disk_check *c;
    int fd; /* of the directory */
    char *errbuf;
    size_t errbuf_len;
    struct segment *segments; /* closed by first index, then open by counter */
    size_t n_segments;
    struct snapshot_pair *snapshots; /* oldest first; complete pairs only */
    size_t n_snapshots;
    struct metadata metadata[2];
};

/* Say why it is refused; -1. */
__attribute__((format(printf, 2, 3))) int check_refuse(struct check *k, const char *format, ...);
__attribute__((format(printf, 3, 4))) void check_log(const struct check *k, const char *level,
                                                     const char *format, ...);
/* The whole file. NULL: errno. */
uint8_t *check_read(struct check *k, const char *name, size_t *len);
int check_remove(struct check *k, const char *name, const char *why);
uint64_t check_snapshot_index(const struct check *k); /* 0 = none */

/* check_log.c: the log's segments. 0 or -1, refused. */
int segments_scan(struct check *k);
int segments_undo_truncation(struct check *k);
int segments_finish_install(struct check *k);
int segments_check_closed(struct check *k);
int segments_check_open(struct check *k);
bool segment_is_whole(const struct segment *s);
/* Is there anything of the log at all? Prepared but unused segments do not count. */
bool check_has_log(const struct check *k);

#endif
