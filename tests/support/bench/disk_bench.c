/* disk_bench.c - a data directory on a bench. See disk_bench.h. */
#include "disk_bench.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int disk_bench_setup(void **state)
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

int disk_bench_teardown(void **state)
{
    struct bench *b = *state;

    nftw(b->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(b);
    return 0;
}

struct disk_config config_of(struct bench *b)
{
    return (struct disk_config){
        .dir = b->dir,
        .cluster = "shop",
        .id = 1,
        .fatal = bench_fatal,
        .log = bench_log,
        .arg = b,
    };
}

struct disk *disk_bench_open(struct bench *b)
{
    struct disk_config c = config_of(b);

    return disk_open(&c, b->err, sizeof b->err);
}

void assert_says(const struct bench *b, const char *part)
{
    if (strstr(b->err, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", b->err, part);
    }
}

/* Refused, naming `part`, and with the way to go on at its end. */
void assert_refused(struct bench *b, const char *part)
{
    assert_null(disk_bench_open(b));
    assert_says(b, part);
    assert_says(b, DISK_READD);
    assert_string_equal(b->err + strlen(b->err) - strlen(DISK_READD), DISK_READD);
}

void assert_accepted(struct bench *b)
{
    struct disk *d = disk_bench_open(b);

    if (d == NULL) {
        fail_msg("refused: %s", b->err);
    }
    assert_false(disk_is_pristine(d));
    disk_close(d);
}

/* --- a raft_io at work on the directory, without consensus --- */

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

void work_open(struct work *w, struct bench *b)
{
    raft_term term;
    raft_id vote;

    *w = (struct work){
        .transport = {.version = 1, .init = no_init, .listen = no_listen, .close = no_close}};
    assert_int_equal(uv_loop_init(&w->loop), 0);
    w->disk = disk_bench_open(b);
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
void work_append(struct work *w, unsigned n, size_t len, int fill)
{
    struct raft_entry *entries = calloc(n, sizeof *entries);
    uint8_t *bytes = malloc(len);
    struct raft_io_append req = {.data = w};
    unsigned done = w->n_done;

    memset(bytes, fill, len);
    for (unsigned i = 0; i < n; i++) {
        entries[i] = (struct raft_entry){.term = 1,
                                         .type = RAFT_COMMAND,
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

void work_put(struct work *w, raft_index index, unsigned trailing)
{
    uint64_t snapshot[4] = {7, 7, 7, 7};
    struct raft_buffer buf = {.base = snapshot, .len = sizeof snapshot};
    struct raft_snapshot s = {
        .index = index, .term = 1, .configuration_index = 1, .bufs = &buf, .n_bufs = 1};
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

void work_close(struct work *w)
{
    w->io->close(w->io, work_closed);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    disk_close(w->disk);
    work_free_loaded(w);
    assert_int_equal(uv_loop_close(&w->loop), 0);
}

/* A directory with a term, and entries 1 to 1 + 10 * n_batches in closed segments. */
void bench_make_log(struct bench *b, unsigned n_batches)
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

void bench_path_of(const struct bench *b, const char *name, char *path, size_t len)
{
    snprintf(path, len, "%s/raft/%s", b->dir, name);
}

/* The first file whose name begins and ends so. */
bool bench_find_file(const struct bench *b, const char *prefix, const char *suffix, char *name,
                     size_t len)
{
    char path[320];
    DIR *d;
    struct dirent *e;
    bool found = false;

    bench_path_of(b, "", path, sizeof path);
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

void bench_flip(const struct bench *b, const char *name, off_t at)
{
    char path[320];
    uint8_t byte;
    int fd;

    bench_path_of(b, name, path, sizeof path);
    fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

void bench_write_at(const struct bench *b, const char *name, off_t at, const void *data, size_t len)
{
    char path[320];
    int fd;

    bench_path_of(b, name, path, sizeof path);
    fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, data, len, at), len);
    close(fd);
}

void bench_drop(const struct bench *b, const char *name)
{
    char path[320];

    bench_path_of(b, name, path, sizeof path);
    assert_int_equal(unlink(path), 0);
}

bool bench_exists(const struct bench *b, const char *name)
{
    char path[320];

    bench_path_of(b, name, path, sizeof path);
    return access(path, F_OK) == 0;
}

void bench_copy(const struct bench *b, const char *from, const char *to, off_t length)
{
    char path[320], path_to[320];
    static uint8_t bytes[1 << 16];
    ssize_t n;
    int in, out;

    bench_path_of(b, from, path, sizeof path);
    bench_path_of(b, to, path_to, sizeof path_to);
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
void bench_reopen(const struct bench *b, const char *closed, const char *open_name)
{
    bench_copy(b, closed, open_name, 64 * 1024);
    bench_drop(b, closed);
}
