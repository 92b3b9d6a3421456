/* disk.c - the data directory: whose it is, whether it is whole, and the raft_io on it. */
#include "disk.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "aio.h"
#include "check.h"
#include "directory.h"
#include "identity.h"
#include "disk_lives.h"
#include "trace.h"

#define DISK_RETRY_MS 500
#define DISK_CONNECT_RETRY_MS 100

struct disk {
    char *dir;
    char *raft_dir;
    int dir_fd;
    int lock_fd;
    bool pristine;
    char *cluster;
    uint64_t id;
    struct standing standing;
    struct lives lives;
    struct lives_seen seen;
    bool started;
    struct disk_trace trace;
    struct disk_aio aio;
    struct raft_io io;
};

/* Make `path` durable in its parent. */
static int sync_parent(const char *path)
{
    char *copy = strdup(path);
    char *slash;
    int fd, rv;

    if (copy == NULL) {
        return -1;
    }
    slash = strrchr(copy, '/');
    if (slash == copy) {
        slash[1] = '\0';
    } else if (slash != NULL) {
        *slash = '\0';
    }
    fd = open(slash != NULL ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (fd < 0) {
        return -1;
    }
    rv = fsync(fd);
    close(fd);
    return rv;
}

static int make_one(const char *path)
{
    if (mkdir(path, 0700) == 0) {
        return sync_parent(path);
    }
    return errno == EEXIST ? 0 : -1;
}

/* The directory and, when that is missing too, the one it lies in. */
static int make_directory(const char *path)
{
    char *parent;
    char *slash;
    int rv;

    if (make_one(path) == 0) {
        return 0;
    }
    if (errno != ENOENT || (parent = strdup(path)) == NULL) {
        return -1;
    }
    slash = strrchr(parent, '/');
    if (slash == NULL || slash == parent) {
        free(parent);
        errno = ENOENT;
        return -1;
    }
    *slash = '\0';
    rv = make_one(parent);
    free(parent);
    return rv != 0 ? -1 : make_one(path);
}

static int disk_lock(struct disk *d, char *errbuf, size_t errbuf_len)
{
    d->lock_fd = openat(d->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        snprintf(errbuf, errbuf_len, "%s/lock cannot be opened: %s", d->dir, strerror(errno));
        return -1;
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        return 0;
    }
    if (errno == EWOULDBLOCK) {
        snprintf(errbuf, errbuf_len,
                 "%s is in use: another orderschedd holds %s/lock. Stop that one, or give this "
                 "one a --data directory of its own.",
                 d->dir, d->dir);
    } else {
        snprintf(errbuf, errbuf_len, "%s/lock cannot be locked: %s", d->dir, strerror(errno));
    }
    return -1;
}

/* How the node is told to come to its cluster. */
static const struct standing *told_standing(const struct disk_config *config)
{
    static const struct standing of_old = {.state = STANDING_MEMBER};

    return config->standing != NULL ? config->standing : &of_old;
}

static int disk_identify(struct disk *d, const struct disk_config *config, char *errbuf,
                         size_t errbuf_len)
{
    int known = disk_identity_read(d->dir_fd, d->dir, config->cluster, config->id, &d->standing,
                                   errbuf, errbuf_len);
    struct stat st;

    if (known != 0) {
        return known < 0 ? -1 : 0;
    }
    if (fstatat(d->dir_fd, "raft", &st, 0) == 0) {
        snprintf(errbuf, errbuf_len,
                 "%s/identity is missing, but %s exists, and it may be another node's. " DISK_READD,
                 d->dir, d->raft_dir);
        return -1;
    }
    return disk_set_standing(d, told_standing(config), errbuf, errbuf_len);
}

/* A node that is in no cluster yet comes to it as it is told to now; whoever was in one must still
 * have what it was there for. */
static int disk_settle_standing(struct disk *d, const struct disk_config *config, char *errbuf,
                                size_t errbuf_len)
{
    if (!d->pristine) {
        return 0;
    }
    if (!standing_has_identity(&d->standing)) {
        return disk_set_standing(d, told_standing(config), errbuf, errbuf_len);
    }
    if (d->standing.state == STANDING_JOINING) {
        return 0; /* addressed by a member, and nothing has come yet */
    }
    char identity[9];
    snprintf(errbuf, errbuf_len,
             "%s is of a member of cluster %s, but %s is empty: what this node had confirmed is "
             "lost. " DISK_READD,
             d->dir, standing_brief(d->standing.identity, identity), d->raft_dir);
    return -1;
}

static int disk_prepare(struct disk *d, const struct disk_config *config, char *errbuf,
                        size_t errbuf_len)
{
    struct disk_check check = {.dir = d->raft_dir,
                               .log = config->log,
                               .progress = config->progress,
                               .arg = config->arg};

    if (make_directory(d->dir) != 0 ||
        (d->dir_fd = open(d->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        snprintf(errbuf, errbuf_len, "%s cannot be made or opened: %s", d->dir, strerror(errno));
        return -1;
    }
    if (disk_directory_check(d->dir_fd, d->dir, errbuf, errbuf_len) != 0) {
        return -1;
    }
    if (disk_lock(d, errbuf, errbuf_len) != 0 ||
        disk_identify(d, config, errbuf, errbuf_len) != 0) {
        return -1;
    }
    if (make_one(d->raft_dir) != 0) {
        snprintf(errbuf, errbuf_len, "%s cannot be made: %s", d->raft_dir, strerror(errno));
        return -1;
    }
    if (disk_check(&check, &d->pristine, errbuf, errbuf_len) != 0) {
        return -1;
    }
    if (disk_settle_standing(d, config, errbuf, errbuf_len) != 0) {
        return -1;
    }
    disk_lives_begin(d->dir_fd, d->dir, &d->lives, config->log, config->arg);
    disk_lives_recall(d->dir_fd, d->dir, &d->seen, config->log, config->arg);
    return 0;
}

struct disk *disk_open(const struct disk_config *config, char *errbuf, size_t errbuf_len)
{
    struct disk *d = calloc(1, sizeof *d);

    if (d == NULL) {
        snprintf(errbuf, errbuf_len, "out of memory");
        return NULL;
    }
    d->dir_fd = -1;
    d->lock_fd = -1;
    d->dir = strdup(config->dir);
    if (d->dir != NULL) {
        size_t n = strlen(d->dir);
        while (n > 1 && d->dir[n - 1] == '/') {
            d->dir[--n] = '\0';
        }
    }
    d->cluster = strdup(config->cluster);
    d->id = config->id;
    if (d->dir == NULL || d->cluster == NULL || asprintf(&d->raft_dir, "%s/raft", d->dir) < 0) {
        d->raft_dir = NULL;
        snprintf(errbuf, errbuf_len, "out of memory");
        disk_close(d);
        return NULL;
    }
    disk_trace_init(&d->trace, config->fatal, config->log, config->arg);
    if (disk_prepare(d, config, errbuf, errbuf_len) != 0) {
        disk_close(d);
        return NULL;
    }
    return d;
}

bool disk_is_pristine(const struct disk *d)
{
    return d->pristine;
}

const struct standing *disk_standing(const struct disk *d)
{
    return &d->standing;
}

int disk_set_standing(struct disk *d, const struct standing *standing, char *errbuf,
                      size_t errbuf_len)
{
    if (disk_identity_write(d->dir_fd, d->dir, d->cluster, d->id, standing, errbuf, errbuf_len) !=
        0) {
        return -1;
    }
    d->standing = *standing;
    return 0;
}

const struct lives *disk_lives(const struct disk *d)
{
    return &d->lives;
}

struct lives_seen *disk_seen(struct disk *d)
{
    return &d->seen;
}

int disk_keep_seen(const struct disk *d, const struct lives_seen *copy)
{
    return disk_lives_keep(d->dir_fd, copy);
}

int disk_start(struct disk *d, uv_loop_t *loop, struct raft_uv_transport *transport,
               struct raft_io **io, char *errbuf, size_t errbuf_len)
{
    assert(!d->started && d->lock_fd >= 0); /* the directory is nobody else's */
    int rv = raft_uv_init(&d->io, loop, d->raft_dir, transport);

    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "%s: %s: %s", d->raft_dir, raft_strerror(rv), d->io.errmsg);
        return -1;
    }
    d->started = true;
    disk_aio_start(&d->aio, d->trace.log, d->trace.arg);
    raft_uv_set_auto_recovery(&d->io, false); /* it would move segments away, unasked */
    raft_uv_set_disk_retry(&d->io, DISK_RETRY_MS);
    raft_uv_set_connect_retry_delay(&d->io, DISK_CONNECT_RETRY_MS);
    raft_uv_set_tracer(&d->io, &d->trace.tracer);
    *io = &d->io;
    return 0;
}

int disk_free_bytes(const struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct statvfs st;

    if (fstatvfs(d->dir_fd, &st) != 0) {
        return -1;
    }
    *free_bytes = (uint64_t)st.f_bavail * st.f_frsize;
    *total_bytes = (uint64_t)st.f_blocks * st.f_frsize;
    return 0;
}

void disk_close(struct disk *d)
{
    if (d == NULL) {
        return;
    }
    if (d->started) {
        raft_uv_close(&d->io);
        disk_aio_stop(&d->aio);
    }
    if (d->lock_fd >= 0) {
        close(d->lock_fd); /* unlocks */
    }
    if (d->dir_fd >= 0) {
        close(d->dir_fd);
    }
    free(d->raft_dir);
    free(d->cluster);
    free(d->dir);
    free(d);
}
