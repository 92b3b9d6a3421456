/* disk_bench.h - a data directory on a bench: at work, damaged and opened again. */
#ifndef DISK_BENCH_H
#define DISK_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../raft/disk/disk.h"
#include "../../../raft/disk/check.h"

#define FATAL_EXIT 42 /* exit code of a process that a fatal error ended */

#define LOG_1 "0000000000000001-0000000000000001"
#define LOG_2 "0000000000000002-0000000000000031"
#define BATCH (8 + 8 + 16 * 10 + 64 * 10) /* of make_log, on disk */

struct bench {
    char root[64];
    char dir[128];
    char err[512];
    unsigned n_logged;
    char logged[512];
};

struct work {
    uv_loop_t loop;
    struct raft_uv_transport transport;
    struct disk *disk;
    struct raft_io *io;
    struct raft_snapshot *snapshot;
    raft_index start_index;
    struct raft_entry *entries;
    size_t n_entries;
    unsigned n_done;
    int status;
    bool closed;
};

/* cmocka's: a bench on a fresh directory. */
int disk_bench_setup(void **state);
int disk_bench_teardown(void **state);
/* NULL: refused, see err. */
struct disk *disk_bench_open(struct bench *b);
void assert_says(const struct bench *b, const char *part);
/* Refused, naming `part`, and with the way to go on at its end. */
void assert_refused(struct bench *b, const char *part);
void assert_accepted(struct bench *b);
/* A raft_io at work on the directory, without consensus; founded when pristine. */
void work_open(struct work *w, struct bench *b);
/* Write one batch of `n` entries of `len` bytes, and wait until it is on disk. */
void work_append(struct work *w, unsigned n, size_t len, int fill);
void work_put(struct work *w, raft_index index, unsigned trailing);
void work_close(struct work *w);
/* A term, a vote, and entries 1 to 1 + 10 * n_batches in closed segments. */
void bench_make_log(struct bench *b, unsigned n_batches);
/* Files by their name in libraft's directory. */
void bench_path_of(const struct bench *b, const char *name, char *path, size_t len);
/* The first file whose name begins and ends so. */
bool bench_find_file(const struct bench *b, const char *prefix, const char *suffix, char *name,
                     size_t len);
void bench_flip(const struct bench *b, const char *name, off_t at);
void bench_write_at(const struct bench *b, const char *name, off_t at, const void *data,
                    size_t len);
void bench_drop(const struct bench *b, const char *name);
bool bench_exists(const struct bench *b, const char *name);
/* length < 0: all of it. */
void bench_copy(const struct bench *b, const char *from, const char *to, off_t length);
/* Turn the closed segment back into an open one, as a crash leaves it: zeros to its end. */
void bench_reopen(const struct bench *b, const char *closed, const char *open_name);
struct disk_config config_of(struct bench *b);

#endif
