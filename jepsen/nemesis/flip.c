/* flip.c - one flipped bit on one node's disk: in a closed segment of the log, in the open
 * one, or in a snapshot. The node must refuse to start and say why; then it comes back under a new
 * id, as README tells under "A node lost its disk". */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../bed/command.h"
#include "../bed/logs.h"
#include "nemesis.h"
#include "../ask/ask.h"

#define REFUSAL_MS_MAX 10000

enum flip_kind { FLIP_CLOSED, FLIP_OPEN, FLIP_SNAPSHOT };

static enum flip_kind kind_of(const struct fault *f)
{
    return strcmp(f->name, "flip-closed") == 0 ? FLIP_CLOSED
           : strcmp(f->name, "flip-open") == 0 ? FLIP_OPEN
                                               : FLIP_SNAPSHOT;
}

/* Names as libraft gives them (docs/consensus.md, "On disk"). */
static bool name_fits(const char *name, enum flip_kind kind)
{
    uint64_t a, b;
    int used = 0;

    switch (kind) {
        case FLIP_CLOSED:
            return sscanf(name, "%16" SCNu64 "-%16" SCNu64 "%n", &a, &b, &used) == 2 &&
                   name[used] == '\0';
        case FLIP_OPEN: return strncmp(name, "open-", 5) == 0;
        case FLIP_SNAPSHOT:
            return strncmp(name, "snapshot-", 9) == 0 && strstr(name, ".meta") == NULL;
    }
    return false;
}

static uint8_t *file_read(const char *path, size_t *len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    uint8_t *data = NULL;

    *len = 0;
    if (fd >= 0 && fstat(fd, &st) == 0 && (data = malloc((size_t)st.st_size + 1)) != NULL) {
        ssize_t n = read(fd, data, (size_t)st.st_size);
        *len = n > 0 ? (size_t)n : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return data;
}

/* How much of the file has been written: an open segment ends in zeros. */
static size_t written(const uint8_t *data, size_t len)
{
    while (len > 0 && data[len - 1] == 0) {
        len--;
    }
    return len;
}

/* Which of two files of the kind is to be damaged: of snapshots the newest, as a node may start
 * without the one before it; of the others the one that holds more. */
static bool is_better(const char *name, size_t len, const char *best, size_t most,
                      enum flip_kind kind)
{
    uint64_t a[3], b[3];

    if (kind != FLIP_SNAPSHOT || most == 0 ||
        sscanf(name, "snapshot-%" SCNu64 "-%" SCNu64 "-%" SCNu64, &a[0], &a[1], &a[2]) != 3 ||
        sscanf(best, "snapshot-%" SCNu64 "-%" SCNu64 "-%" SCNu64, &b[0], &b[1], &b[2]) != 3) {
        return len > most;
    }
    for (unsigned i = 0; i < 3; i++) {
        if (a[i] != b[i]) {
            return a[i] > b[i];
        }
    }
    return false;
}

/* The file of the kind in which something is to be damaged, and how much of it is written. Of
 * an open segment only the first half will be touched: damage at its very end looks like an
 * interrupted write, and must be taken for one. */
static size_t file_choose(const char *dir, enum flip_kind kind, char *path, size_t path_len)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    size_t most = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        char one[512];
        size_t len;
        if (!name_fits(e->d_name, kind)) {
            continue;
        }
        snprintf(one, sizeof one, "%.200s/%.255s", dir, e->d_name);
        uint8_t *data = file_read(one, &len);
        len = data != NULL ? written(data, len) : 0;
        free(data);
        if (is_better(e->d_name, len, most > 0 ? strrchr(path, '/') + 1 : "", most, kind)) {
            most = len;
            snprintf(path, path_len, "%s", one);
        }
    }
    if (d != NULL) {
        closedir(d);
    }
    return most;
}

static void flip(const char *path, size_t at, unsigned bit)
{
    uint8_t byte;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0 || pread(fd, &byte, 1, (off_t)at) != 1) {
        bed_fail("%s: %s", path, strerror(errno));
    }
    byte ^= (uint8_t)(1u << bit);
    if (pwrite(fd, &byte, 1, (off_t)at) != 1 || fsync(fd) != 0) {
        bed_fail("%s: %s", path, strerror(errno));
    }
    close(fd);
}

/* Stop the node, look for a file, and start it again when there is none yet. */
static bool flip_prepare(struct nemesis *n, const struct fault *f)
{
    char path[512], dir[128];
    enum flip_kind kind = kind_of(f);
    size_t least = kind == FLIP_OPEN ? 4096 : 64;

    NEMESIS_EACH(n, place)
    {
        struct bed_node *node = &n->run->nodes.nodes[place];
        snprintf(dir, sizeof dir, "%s/raft", node->data);
        if (file_choose(dir, kind, path, sizeof path) < least) {
            return false;
        }
        n->parameter = place;
    }
    snprintf(n->details, sizeof n->details, ", :kind :%s", f->name + strlen("flip-"));
    return true;
}

static void flip_begin(struct nemesis *n, const struct fault *f)
{
    unsigned place = (unsigned)n->parameter;
    struct bed_nodes *nodes = &n->run->nodes;
    char path[512], dir[128];

    nodes_expect_exit(nodes, place, true);
    nodes_kill(nodes, place);
    snprintf(dir, sizeof dir, "%s/raft", nodes->nodes[place].data);
    size_t len = file_choose(dir, kind_of(f), path, sizeof path);
    if (len < 64) {
        return; /* a snapshot took its place in the meantime; the node will start */
    }
    size_t end = kind_of(f) == FLIP_OPEN ? len / 2 : len;
    flip(path, nemesis_between(n, 8, end - 1), (unsigned)nemesis_between(n, 0, 7));
    size_t at = strlen(n->details);
    snprintf(n->details + at, sizeof n->details - at, ", :damaged \"%.100s\"",
             strrchr(path, '/') + 1);
}

/* Did it refuse, and say what to do? If a damaged node serves, that is a finding like a failed
 * assertion. */
static bool refused(struct nemesis *n, unsigned place)
{
    struct bed_nodes *nodes = &n->run->nodes;
    char reason[1024], quoted[1100];

    nodes_start(nodes, place);
    bool stopped = nodes_wait_exit(nodes, place, REFUSAL_MS_MAX);
    logs_last_line(nodes->nodes[place].log, reason, sizeof reason);
    bool fine = stopped && strstr(reason, "under a new id") != NULL;
    record_line(n->run->record, RECORD_NEMESIS, RECORD_INFO, "refusal",
                "{:node %u, :refused %s, :reason %s}", place, fine ? "true" : "false",
                record_string(quoted, sizeof quoted, reason));
    if (!fine && strstr(n->details, ":damaged") != NULL) {
        record_line(n->run->record, RECORD_RUNNER, RECORD_INFO, "log",
                    "{:node %u, :kind :assertion, :line \"a node with a flipped bit on its disk "
                    "did not refuse to start and say why\"}",
                    place);
    }
    return fine;
}

static void flip_end(struct nemesis *n, const struct fault *f)
{
    unsigned place = (unsigned)n->parameter;

    (void)f;
    if (refused(n, place)) {
        nemesis_replace_member(n, place);
    } else {
        nodes_expect_exit(&n->run->nodes, place, false);
    }
}

#define FLIP(kind)                                                                             \
    {                                                                                          \
        .name = "flip-" kind, .family = "bit-flip", .whom = WHOM_ONE, .prepare = flip_prepare, \
        .begin = flip_begin, .end = flip_end                                                   \
    }

const struct fault nemesis_flip_faults[] = {
    FLIP("closed"),
    FLIP("open"),
    FLIP("snapshot"),
    {.name = NULL},
};
