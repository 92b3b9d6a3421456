/* test_disk.c - the data directory: whose it is, and every way in which it may be damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../raft/disk.h"
#include "../raft/disk_check.h"
#include "../raft/disk_segment.h"

#define FATAL_EXIT 42

struct bench {
    char root[64];
    char dir[128];
    char err[512];
    unsigned n_logged;
    char logged[512];
};

/* --- help --- */

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void bench_log(void *arg, const char *level, const char *sentence)
{
    struct bench *b = arg;

    (void)level;
    b->n_logged++;
    snprintf(b->logged, sizeof b->logged, "%s", sentence);
}

static void bench_fatal(void *arg, const char *sentence)
{
    (void)arg;
    fprintf(stderr, "fatal: %s\n", sentence);
    _exit(FATAL_EXIT); /* as in production: it does not return */
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);

    snprintf(b->root, sizeof b->root, "/tmp/orderschedd-disk-XXXXXX");
    if (mkdtemp(b->root) == NULL) {
        return -1;
    }
    snprintf(b->dir, sizeof b->dir, "%s/data", b->root);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;

    nftw(b->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(b);
    return 0;
}

static struct disk_config config_of(struct bench *b)
{
    return (struct disk_config){
        .dir = b->dir, .cluster = "shop", .id = 1, .fatal = bench_fatal, .log = bench_log,
        .arg = b,
    };
}

static struct disk *bench_open(struct bench *b)
{
    struct disk_config c = config_of(b);

    return disk_open(&c, b->err, sizeof b->err);
}

static void assert_says(const struct bench *b, const char *part)
{
    if (strstr(b->err, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", b->err, part);
    }
}

/* Refused, naming `part`, and with the way to go on at its end. */
static void assert_refused(struct bench *b, const char *part)
{
    assert_null(bench_open(b));
    assert_says(b, part);
    assert_says(b, DISK_READD);
    assert_string_equal(b->err + strlen(b->err) - strlen(DISK_READD), DISK_READD);
}

static void assert_accepted(struct bench *b)
{
    struct disk *d = bench_open(b);

    if (d == NULL) {
        fail_msg("refused: %s", b->err);
    }
    assert_false(disk_is_pristine(d));
    disk_close(d);
}

/* --- a raft_io at work on the directory, without consensus --- */

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

static int no_init(struct raft_uv_transport *t, raft_id id, const char *address)
{
    (void)t;
    (void)id;
    (void)address;
    return 0;
}

static int no_listen(struct raft_uv_transport *t, raft_uv_accept_cb cb)
{
    (void)t;
    (void)cb;
    return 0;
}

static void no_close(struct raft_uv_transport *t, raft_uv_transport_close_cb cb)
{
    cb(t);
}

static void no_tick(struct raft_io *io)
{
    (void)io;
}

static void no_message(struct raft_io *io, struct raft_message *m)
{
    (void)io;
    (void)m;
}

static void work_free_loaded(struct work *w)
{
    void *batch = NULL;

    for (size_t i = 0; i < w->n_entries; i++) {
        if (w->entries[i].batch != batch) {
            batch = w->entries[i].batch;
            raft_free(batch);
        }
    }
    raft_free(w->entries);
    w->entries = NULL;
    if (w->snapshot != NULL) {
        raft_configuration_close(&w->snapshot->configuration);
        raft_free(w->snapshot->bufs[0].base);
        raft_free(w->snapshot->bufs);
        raft_free(w->snapshot);
        w->snapshot = NULL;
    }
}

static void work_open(struct work *w, struct bench *b)
{
    raft_term term;
    raft_id vote;

    *w = (struct work){.transport = {.version = 1, .init = no_init, .listen = no_listen,
                                     .close = no_close}};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->disk = bench_open(b);
    if (w->disk == NULL) {
        fail_msg("refused: %s", b->err);
    }
    assert_int_equal(disk_start(w->disk, &w->loop, &w->transport, &w->io, b->err, sizeof b->err),
                     0);
    assert_int_equal(w->io->init(w->io, 1, "127.0.0.1:1"), 0);
    if (disk_is_pristine(w->disk)) {
        struct raft_configuration conf;
        raft_configuration_init(&conf);
        assert_int_equal(raft_configuration_add(&conf, 1, "127.0.0.1:1", RAFT_VOTER), 0);
        assert_int_equal(w->io->bootstrap(w->io, &conf), 0);
        raft_configuration_close(&conf);
    }
    assert_int_equal(w->io->load(w->io, &term, &vote, &w->snapshot, &w->start_index, &w->entries,
                                 &w->n_entries),
                     0);
    assert_int_equal(w->io->start(w->io, 50, no_tick, no_message), 0);
}

static void work_append_cb(struct raft_io_append *req, int status)
{
    struct work *w = req->data;

    w->n_done++;
    w->status = status;
}

/* Write one batch of `n` entries of `len` bytes, and wait until it is on disk. */
static void work_append(struct work *w, unsigned n, size_t len, int fill)
{
    struct raft_entry *entries = calloc(n, sizeof *entries);
    uint8_t *bytes = malloc(len);
    struct raft_io_append req = {.data = w};
    unsigned done = w->n_done;

    memset(bytes, fill, len);
    for (unsigned i = 0; i < n; i++) {
        entries[i] = (struct raft_entry){.term = 1, .type = RAFT_COMMAND,
                                         .buf = {.base = bytes, .len = len}};
    }
    assert_int_equal(w->io->append(w->io, &req, entries, n, work_append_cb), 0);
    while (w->n_done == done) {
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    assert_int_equal(w->status, 0);
    free(bytes);
    free(entries);
}

static void work_put_cb(struct raft_io_snapshot_put *req, int status)
{
    struct work *w = req->data;

    w->n_done++;
    w->status = status;
}

static void work_put(struct work *w, raft_index index, unsigned trailing)
{
    uint64_t image[4] = {7, 7, 7, 7};
    struct raft_buffer buf = {.base = image, .len = sizeof image};
    struct raft_snapshot s = {.index = index, .term = 1, .configuration_index = 1, .bufs = &buf,
                              .n_bufs = 1};
    struct raft_io_snapshot_put req = {.data = w};
    unsigned done = w->n_done;

    assert_int_equal(raft_configuration_add(&s.configuration, 1, "127.0.0.1:1", RAFT_VOTER), 0);
    assert_int_equal(w->io->snapshot_put(w->io, trailing, &req, &s, work_put_cb), 0);
    while (w->n_done == done) {
        uv_run(&w->loop, UV_RUN_ONCE);
    }
    assert_int_equal(w->status, 0);
    raft_configuration_close(&s.configuration);
}

static void work_closed(struct raft_io *io)
{
    (void)io;
}

static void work_close(struct work *w)
{
    w->io->close(w->io, work_closed);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    disk_close(w->disk);
    work_free_loaded(w);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

/* A directory with a term, and entries 1 to 1 + 10 * n_batches in closed segments. */
static void make_log(struct bench *b, unsigned n_batches)
{
    struct work w;

    work_open(&w, b);
    assert_int_equal(w.io->set_term(w.io, 2), 0);
    assert_int_equal(w.io->set_vote(w.io, 1), 0);
    for (unsigned i = 0; i < n_batches; i++) {
        work_append(&w, 10, 64, 'a' + (int)i);
    }
    work_close(&w);
}

static void path_of(const struct bench *b, const char *name, char *path, size_t len)
{
    snprintf(path, len, "%s/raft/%s", b->dir, name);
}

/* The first file whose name begins and ends so. */
static bool find_file(const struct bench *b, const char *prefix, const char *suffix, char *name,
                      size_t len)
{
    char path[256];
    DIR *d;
    struct dirent *e;
    bool found = false;

    path_of(b, "", path, sizeof path);
    d = opendir(path);
    while (d != NULL && !found && (e = readdir(d)) != NULL) {
        size_t n = strlen(e->d_name);
        found = strncmp(e->d_name, prefix, strlen(prefix)) == 0 && n >= strlen(suffix) &&
                strcmp(e->d_name + n - strlen(suffix), suffix) == 0;
        if (found) {
            snprintf(name, len, "%s", e->d_name);
        }
    }
    closedir(d);
    return found;
}

static void flip(const struct bench *b, const char *name, off_t at)
{
    char path[256];
    uint8_t byte;
    int fd;

    path_of(b, name, path, sizeof path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void write_at(const struct bench *b, const char *name, off_t at, const void *data,
                     size_t len)
{
    char path[256];
    int fd;

    path_of(b, name, path, sizeof path);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, at), len);
    close(fd);
}

static void drop(const struct bench *b, const char *name)
{
    char path[256];

    path_of(b, name, path, sizeof path);
    assert_int_equal(unlink(path), 0);
}

static bool exists(const struct bench *b, const char *name)
{
    char path[256];

    path_of(b, name, path, sizeof path);
    return access(path, F_OK) == 0;
}

static void copy(const struct bench *b, const char *from, const char *to, off_t length)
{
    char path[256], path_to[256];
    static uint8_t bytes[1 << 16];
    ssize_t n;
    int in, out;

    path_of(b, from, path, sizeof path);
    path_of(b, to, path_to, sizeof path_to);
    in = open(path, O_RDONLY);
    out = open(path_to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(in >= 0 && out >= 0);
    while ((n = read(in, bytes, sizeof bytes)) > 0) {
        assert_int_equal(write(out, bytes, (size_t)n), n);
    }
    if (length >= 0) {
        assert_int_equal(ftruncate(out, length), 0);
    }
    close(in);
    close(out);
}

/* Turn the closed segment back into an open one, as a crash leaves it: zeros to its end. */
static void reopen(const struct bench *b, const char *closed, const char *open_name)
{
    copy(b, closed, open_name, 64 * 1024);
    drop(b, closed);
}

#define LOG_1 "0000000000000001-0000000000000001"
#define LOG_2 "0000000000000002-0000000000000031"
#define BATCH (8 + 8 + 16 * 10 + 64 * 10) /* of make_log, on disk */

/* --- whose it is --- */

static void an_empty_place_becomes_a_pristine_directory(void **state)
{
    struct bench *b = *state;
    struct disk *d;
    uint64_t free_bytes, total_bytes;

    snprintf(b->dir, sizeof b->dir, "%s/not/yet/", b->root);
    d = bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    assert_int_equal(disk_free_bytes(d, &free_bytes, &total_bytes), 0);
    assert_true(free_bytes > 0 && total_bytes >= free_bytes);
    disk_close(d);
    d = bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
}

static void a_place_without_a_parent_is_refused(void **state)
{
    struct bench *b = *state;

    snprintf(b->dir, sizeof b->dir, "%s/not/yet/there", b->root);
    assert_null(bench_open(b));
    assert_says(b, "/not/yet/there cannot be made");
}

static void a_directory_in_use_is_refused(void **state)
{
    struct bench *b = *state;
    struct disk *d = bench_open(b);

    assert_non_null(d);
    assert_null(bench_open(b));
    assert_says(b, "in use");
    assert_says(b, b->dir);
    disk_close(d);
    d = bench_open(b);
    assert_non_null(d);
    disk_close(d);
}

static void a_directory_of_another_cluster_is_refused(void **state)
{
    struct bench *b = *state;
    struct disk_config c = config_of(b);

    disk_close(bench_open(b));
    c.cluster = "other";
    assert_null(disk_open(&c, b->err, sizeof b->err));
    assert_says(b, "cluster \"shop\", not \"other\"");
}

static void a_directory_of_another_node_is_refused(void **state)
{
    struct bench *b = *state;
    struct disk_config c = config_of(b);

    disk_close(bench_open(b));
    c.id = 2;
    assert_null(disk_open(&c, b->err, sizeof b->err));
    assert_says(b, "belongs to node 1, not to node 2");
}

static void a_damaged_identity_is_refused(void **state)
{
    struct bench *b = *state;

    disk_close(bench_open(b));
    write_at(b, "../identity", 0, "{{{", 3);
    assert_refused(b, "identity is damaged");
}

static void an_identity_of_a_newer_version_is_refused(void **state)
{
    struct bench *b = *state;
    const char text[] = "{\"format\":2,\"cluster\":\"shop\",\"id\":1}";

    disk_close(bench_open(b));
    drop(b, "../identity");
    write_at(b, "../identity", 0, text, strlen(text));
    assert_null(bench_open(b));
    assert_says(b, "newer version");
}

static void a_missing_identity_is_refused_when_there_is_data(void **state)
{
    struct bench *b = *state;

    make_log(b, 1);
    drop(b, "../identity");
    assert_refused(b, "identity is missing");
}

/* --- whole directories --- */

static void what_was_written_is_loaded_again(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_log(b, 3);
    assert_true(exists(b, LOG_1) && exists(b, LOG_2));
    work_open(&w, b);
    assert_int_equal(w.n_entries, 31);
    assert_int_equal(((uint8_t *)w.entries[30].buf.base)[0], 'c');
    work_close(&w);
}

static void a_directory_is_pristine_until_something_is_stored(void **state)
{
    struct bench *b = *state;
    struct disk *d;
    uint8_t zeros[8192] = {0};

    disk_close(bench_open(b));
    write_at(b, "open-1", 0, zeros, sizeof zeros); /* prepared, and then killed */
    d = bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
}

static void a_torn_tail_is_accepted_and_cut(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_log(b, 3);
    reopen(b, LOG_2, "open-1");
    flip(b, "open-1", 8 + 2 * BATCH + 300); /* the last batch was half written */
    assert_accepted(b);
    assert_int_equal(b->n_logged, 1);
    work_open(&w, b);
    assert_int_equal(w.n_entries, 21);
    work_close(&w);
}

static void an_open_segment_left_by_a_kill_is_accepted(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_log(b, 3);
    reopen(b, LOG_2, "open-1");
    work_open(&w, b);
    assert_int_equal(w.n_entries, 31);
    work_close(&w);
}

/* --- damage --- */

static void a_bad_batch_before_a_valid_one_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 3);
    reopen(b, LOG_2, "open-1");
    flip(b, "open-1", 8 + BATCH + 300); /* data of the second */
    assert_refused(b, "open-1 is damaged: the entries at byte 824 are bad");
}

static void a_bad_batch_header_before_a_valid_batch_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 3);
    reopen(b, LOG_2, "open-1");
    flip(b, "open-1", 8 + 8); /* the number of entries of the first */
    assert_refused(b, "valid ones follow at byte 824");
}

static void a_zeroed_hole_before_a_valid_batch_is_refused(void **state)
{
    struct bench *b = *state;
    uint8_t zeros[BATCH] = {0};

    make_log(b, 3);
    reopen(b, LOG_2, "open-1");
    write_at(b, "open-1", 8 + BATCH, zeros, sizeof zeros);
    assert_refused(b, "open-1");
}

static void a_torn_open_segment_before_a_written_one_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 3);
    reopen(b, LOG_2, "open-1");
    copy(b, "open-1", "open-2", -1);
    flip(b, "open-1", 8 + 2 * BATCH + 300);
    assert_refused(b, "open-2 has valid ones that were written later");
}

static void a_flipped_bit_in_a_closed_segment_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 3);
    flip(b, LOG_2, 8 + 2 * BATCH + 300); /* even in the last batch */
    assert_refused(b, LOG_2);
}

static void every_flipped_bit_of_a_closed_segment_is_noticed(void **state)
{
    struct bench *b = *state;
    char path[256];
    static uint8_t data[4096];
    ssize_t n;
    int fd;

    make_log(b, 1);
    path_of(b, "0000000000000002-0000000000000011", path, sizeof path);
    fd = open(path, O_RDONLY);
    n = read(fd, data, sizeof data);
    close(fd);
    assert_int_equal(n, 8 + BATCH);
    assert_int_equal(segment_scan(data, (size_t)n).state, SEGMENT_WHOLE);
    for (ssize_t i = 0; i < n * 8; i++) {
        struct segment_scan s;
        data[i / 8] ^= (uint8_t)(1 << i % 8);
        s = segment_scan(data, (size_t)n);
        assert_true(s.state != SEGMENT_WHOLE || s.n_entries != 10);
        data[i / 8] ^= (uint8_t)(1 << i % 8);
    }
}

static void a_segment_of_any_length_is_scanned_safely(void **state)
{
    struct bench *b = *state;
    char path[256];
    static uint8_t data[4096];
    ssize_t n;
    int fd;

    make_log(b, 2);
    path_of(b, "0000000000000002-0000000000000021", path, sizeof path);
    fd = open(path, O_RDONLY);
    n = read(fd, data, sizeof data);
    close(fd);
    for (ssize_t i = 0; i <= n; i++) {
        uint8_t *exact = malloc((size_t)i + 1); /* the sanitizers watch its end */
        uint8_t *cut = realloc(exact, (size_t)(i > 0 ? i : 1));
        struct segment_scan s;
        memcpy(cut, data, (size_t)i);
        s = segment_scan(cut, (size_t)i);
        assert_true(s.n_entries <= 20);
        free(cut);
    }
}

static void a_closed_segment_cut_short_is_refused(void **state)
{
    struct bench *b = *state;
    char path[256];

    make_log(b, 3);
    path_of(b, LOG_2, path, sizeof path);
    assert_int_equal(truncate(path, 8 + 2 * BATCH), 0);
    assert_refused(b, LOG_2 " is damaged: it holds 20 entries");
}

static void a_missing_closed_segment_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 3);
    drop(b, LOG_1);
    assert_refused(b, "entries 1 to 1 are missing in front of " LOG_2);
}

static void a_log_without_metadata_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 1);
    drop(b, "metadata1");
    drop(b, "metadata2");
    assert_refused(b, "a log but no metadata");
}

static void unreadable_metadata_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 1);
    flip(b, "metadata2", 0);
    assert_refused(b, "metadata2 is damaged (unknown format)");
}

static void both_metadata_cut_short_are_refused(void **state)
{
    struct bench *b = *state;
    char path[256];

    make_log(b, 1);
    path_of(b, "metadata1", path, sizeof path);
    assert_int_equal(truncate(path, 8), 0);
    path_of(b, "metadata2", path, sizeof path);
    assert_int_equal(truncate(path, 8), 0);
    assert_refused(b, "no metadata");
}

static void one_lost_metadata_file_is_refused(void **state)
{
    struct bench *b = *state;

    make_log(b, 1); /* versions 1, 2 and 3 were written */
    copy(b, "metadata1", "saved", -1);
    drop(b, "metadata1");
    assert_refused(b, "metadata1 is missing, and it may have held the last vote");
    copy(b, "saved", "metadata1", -1);
    drop(b, "metadata2");
    assert_refused(b, "metadata2 is missing");
}

static void metadata_versions_that_do_not_follow_are_refused(void **state)
{
    struct bench *b = *state;
    uint64_t version = 9;

    make_log(b, 1);
    write_at(b, "metadata1", 8, &version, sizeof version);
    assert_refused(b, "do not belong together");
}

/* --- snapshots --- */

static void make_snapshot(struct bench *b, unsigned trailing)
{
    struct work w;

    make_log(b, 3);
    work_open(&w, b);
    work_append(&w, 10, 64, 'x');
    work_put(&w, 41, trailing);
    work_close(&w);
}

static void a_snapshot_and_the_log_behind_it_are_accepted(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_snapshot(b, 5);
    assert_accepted(b);
    assert_false(exists(b, LOG_1));
    work_open(&w, b);
    assert_non_null(w.snapshot);
    assert_int_equal(w.snapshot->index, 41);
    work_close(&w);
}

static void a_damaged_newest_snapshot_is_refused(void **state)
{
    struct bench *b = *state;
    char meta[128];

    make_snapshot(b, 5);
    assert_true(find_file(b, "snapshot-", ".meta", meta, sizeof meta));
    flip(b, meta, 40);
    assert_refused(b, meta);
    assert_says(b, "its checksum is wrong");
}

static void a_damaged_older_snapshot_is_only_warned_of(void **state)
{
    struct bench *b = *state;
    char meta[128];
    struct work w;

    make_snapshot(b, 5);
    assert_true(find_file(b, "snapshot-1-41", ".meta", meta, sizeof meta));
    work_open(&w, b);
    work_append(&w, 10, 64, 'y');
    work_put(&w, 51, 20);
    work_close(&w);
    flip(b, meta, 40);
    assert_accepted(b);
    assert_non_null(strstr(b->logged, meta));
}

static void a_lost_snapshot_is_noticed_by_the_missing_entries(void **state)
{
    struct bench *b = *state;
    char meta[128];

    make_snapshot(b, 5);
    assert_true(find_file(b, "snapshot-1-41", ".meta", meta, sizeof meta));
    drop(b, meta);
    assert_refused(b, "the log is not whole: entries 1 to ");
}

/* --- traces of a crash that are tidied up --- */

static void an_interrupted_truncation_is_undone(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_log(b, 3);
    /* libraft wrote the shorter segment, perhaps not to its end, and then the power went. */
    copy(b, LOG_2, "0000000000000002-0000000000000015", 8 + BATCH);
    assert_accepted(b);
    assert_false(exists(b, "0000000000000002-0000000000000015"));
    assert_true(exists(b, LOG_2));
    work_open(&w, b);
    assert_int_equal(w.n_entries, 31);
    work_close(&w);
}

static void an_interrupted_install_is_finished(void **state)
{
    struct bench *b = *state;
    char meta[128], data[128];
    uint8_t zeros[8192] = {0};
    struct work w;

    /* A snapshot at 500 was stored; the old log was to be removed, and then the power went. */
    make_log(b, 3);
    copy(b, LOG_1, "saved-1", -1);
    copy(b, LOG_2, "saved-2", -1);
    work_open(&w, b);
    work_put(&w, 500, 0);
    work_close(&w);
    copy(b, "saved-1", LOG_1, -1);
    copy(b, "saved-2", LOG_2, -1);
    write_at(b, "open-1", 0, zeros, sizeof zeros);
    assert_true(find_file(b, "snapshot-1-500", ".meta", meta, sizeof meta));
    assert_accepted(b);
    assert_false(exists(b, LOG_1) || exists(b, LOG_2));
    work_open(&w, b);
    assert_int_equal(w.snapshot->index, 500);
    assert_int_equal(w.n_entries, 0);
    work_close(&w);
    snprintf(data, sizeof data, "%.*s", (int)(strlen(meta) - 5), meta);
    assert_true(exists(b, data));
}

static void an_interrupted_founding_begins_again(void **state)
{
    struct bench *b = *state;
    struct disk *d;
    struct work w;

    work_open(&w, b); /* founds it: term 1, entry 1 */
    work_close(&w);
    copy(b, LOG_1, LOG_1 "x", -1);
    drop(b, LOG_1);
    d = bench_open(b); /* before the segment was made */
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
    work_open(&w, b);
    work_close(&w);
    copy(b, LOG_1 "x", LOG_1, 20); /* while it was made */
    d = bench_open(b);
    assert_non_null(d);
    assert_true(disk_is_pristine(d));
    disk_close(d);
    assert_false(exists(b, LOG_1));
}

static void a_founded_cluster_is_not_founded_again(void **state)
{
    struct bench *b = *state;
    struct work w;

    work_open(&w, b);
    work_close(&w);
    assert_accepted(b);
    assert_true(exists(b, LOG_1));
}

/* --- disk errors at work: each kills the process before libraft does worse --- */

static void limit(int resource, rlim_t n)
{
    struct rlimit r = {.rlim_cur = n, .rlim_max = RLIM_INFINITY};

    getrlimit(resource, &r);
    r.rlim_cur = n;
    if (setrlimit(resource, &r) != 0) {
        _exit(1);
    }
}

/* Run in a child; true when it ended by bench_fatal. */
static bool dies_of(struct bench *b, void (*run)(struct bench *b))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGXFSZ, SIG_IGN);
        alarm(10);
        run(b);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == FATAL_EXIT;
}

static void run_failing_write(struct bench *b)
{
    struct work w;

    work_open(&w, b);
    work_append(&w, 1, 64, 'a');
    limit(RLIMIT_FSIZE, 4096); /* writes behind it fail with EFBIG */
    work_append(&w, 1, 65536, 'b');
}

static void a_failed_write_of_the_log_is_fatal(void **state)
{
    assert_true(dies_of(*state, run_failing_write));
}

static void run_failing_truncation(struct bench *b)
{
    struct work w;

    work_open(&w, b); /* everything is in closed segments */
    limit(RLIMIT_NOFILE, 0);
    if (w.io->truncate(w.io, 15) != 0) {
        _exit(1);
    }
    for (;;) {
        uv_run(&w.loop, UV_RUN_ONCE);
    }
}

static void a_failed_truncation_is_fatal(void **state)
{
    make_log(*state, 3);
    assert_true(dies_of(*state, run_failing_truncation));
}

static void run_failing_finalization(struct bench *b)
{
    struct work w;

    work_open(&w, b);
    work_append(&w, 10, 64, 'a');
    limit(RLIMIT_NOFILE, 0);
    if (w.io->truncate(w.io, 5) != 0) { /* closes the open segment first */
        _exit(1);
    }
    for (;;) {
        uv_run(&w.loop, UV_RUN_ONCE);
    }
}

static void a_segment_that_cannot_be_closed_is_fatal(void **state)
{
    assert_true(dies_of(*state, run_failing_finalization));
}

static void run_truncation(struct bench *b)
{
    struct work w;

    work_open(&w, b);
    if (w.io->truncate(w.io, 15) != 0) {
        _exit(1);
    }
    work_append(&w, 1, 64, 'z');
    work_close(&w);
    _exit(7);
}

static void a_truncation_that_works_is_not_fatal(void **state)
{
    struct bench *b = *state;
    struct work w;

    make_log(b, 3);
    assert_false(dies_of(b, run_truncation));
    work_open(&w, b);
    assert_int_equal(w.n_entries, 15);
    assert_int_equal(((uint8_t *)w.entries[14].buf.base)[0], 'z');
    work_close(&w);
}

#define ON_DISK(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(an_empty_place_becomes_a_pristine_directory),
        ON_DISK(a_place_without_a_parent_is_refused),
        ON_DISK(a_directory_in_use_is_refused),
        ON_DISK(a_directory_of_another_cluster_is_refused),
        ON_DISK(a_directory_of_another_node_is_refused),
        ON_DISK(a_damaged_identity_is_refused),
        ON_DISK(an_identity_of_a_newer_version_is_refused),
        ON_DISK(a_missing_identity_is_refused_when_there_is_data),
        ON_DISK(what_was_written_is_loaded_again),
        ON_DISK(a_directory_is_pristine_until_something_is_stored),
        ON_DISK(a_torn_tail_is_accepted_and_cut),
        ON_DISK(an_open_segment_left_by_a_kill_is_accepted),
        ON_DISK(a_bad_batch_before_a_valid_one_is_refused),
        ON_DISK(a_bad_batch_header_before_a_valid_batch_is_refused),
        ON_DISK(a_zeroed_hole_before_a_valid_batch_is_refused),
        ON_DISK(a_torn_open_segment_before_a_written_one_is_refused),
        ON_DISK(a_flipped_bit_in_a_closed_segment_is_refused),
        ON_DISK(every_flipped_bit_of_a_closed_segment_is_noticed),
        ON_DISK(a_segment_of_any_length_is_scanned_safely),
        ON_DISK(a_closed_segment_cut_short_is_refused),
        ON_DISK(a_missing_closed_segment_is_refused),
        ON_DISK(a_log_without_metadata_is_refused),
        ON_DISK(unreadable_metadata_is_refused),
        ON_DISK(both_metadata_cut_short_are_refused),
        ON_DISK(one_lost_metadata_file_is_refused),
        ON_DISK(metadata_versions_that_do_not_follow_are_refused),
        ON_DISK(a_snapshot_and_the_log_behind_it_are_accepted),
        ON_DISK(a_damaged_newest_snapshot_is_refused),
        ON_DISK(a_damaged_older_snapshot_is_only_warned_of),
        ON_DISK(a_lost_snapshot_is_noticed_by_the_missing_entries),
        ON_DISK(an_interrupted_truncation_is_undone),
        ON_DISK(an_interrupted_install_is_finished),
        ON_DISK(an_interrupted_founding_begins_again),
        ON_DISK(a_founded_cluster_is_not_founded_again),
        ON_DISK(a_failed_write_of_the_log_is_fatal),
        ON_DISK(a_failed_truncation_is_fatal),
        ON_DISK(a_segment_that_cannot_be_closed_is_fatal),
        ON_DISK(a_truncation_that_works_is_not_fatal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
