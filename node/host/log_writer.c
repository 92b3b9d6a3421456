/* log_writer.c - see log_writer.h. */
#include "log_writer.h"
#include "../../client/base/clocks.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(PIPE_BUF <= UINT16_MAX, "the length of a line is two bytes");
static_assert(LOG_WRITER_URGENT + PIPE_BUF < LOG_WRITER_BYTES, "there is room for other lines");

/* The queue is a ring of bytes: each line behind its length. `at` counts bytes ever put in, `done`
 * those ever written out, so that their difference is what is in it. */
struct log_writer {
    int fd;
    size_t (*lost)(void *arg, uint64_t lines, char *line, size_t size);
    void *arg;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;    /* something was put in, or the end is wanted */
    pthread_cond_t written; /* something was written */
    uint64_t at;
    uint64_t done;
    uint64_t n_lost;
    bool ending;
    bool ended;
    bool abandoned; /* nobody waits for the thread: it touches nothing but this, and frees it */
    uint8_t ring[LOG_WRITER_BYTES];
};

static void ring_put(struct log_writer *w, const void *data, size_t len)
{
    size_t begin = w->at % LOG_WRITER_BYTES;
    size_t first = LOG_WRITER_BYTES - begin < len ? LOG_WRITER_BYTES - begin : len;

    memcpy(w->ring + begin, data, first);
    memcpy(w->ring, (const uint8_t *)data + first, len - first);
    w->at += len;
    assert(w->at - w->done <= LOG_WRITER_BYTES);
}

static void ring_read(const struct log_writer *w, uint64_t from, void *out, size_t len)
{
    size_t begin = from % LOG_WRITER_BYTES;
    size_t first = LOG_WRITER_BYTES - begin < len ? LOG_WRITER_BYTES - begin : len;

    memcpy(out, w->ring + begin, first);
    assert(w->at - from >= len); /* of what was put in */
    memcpy((uint8_t *)out + first, w->ring, len - first);
}

/* A log that cannot be written must not stop the node, and there is nobody left to tell. */
static void write_line(int fd, const char *line, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, line + done, len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        done += (size_t)n;
    }
}

/* The oldest line, out of the ring; what it takes there is given back only once it is written.
 * Locked. */
static size_t next_line(const struct log_writer *w, char line[PIPE_BUF])
{
    uint16_t len;

    ring_read(w, w->done, &len, sizeof len);
    ring_read(w, w->done + sizeof len, line, len);
    return len;
}

/* Write one line, or the one about those lost. Locked, but not while it writes. */
static void write_next(struct log_writer *w)
{
    char line[PIPE_BUF];
    uint64_t lost = w->at == w->done ? w->n_lost : 0;
    size_t len = lost > 0 ? 0 : next_line(w, line);

    w->n_lost -= lost; /* what is put in from here on stands behind the line about them */
    pthread_mutex_unlock(&w->mutex);
    if (lost > 0) {
        size_t n = w->lost(w->arg, lost, line, sizeof line);
        write_line(w->fd, line, n);
    } else {
        write_line(w->fd, line, len);
    }
    pthread_mutex_lock(&w->mutex);
    w->done += lost > 0 ? 0 : sizeof(uint16_t) + len;
    pthread_cond_broadcast(&w->written);
}

static void log_writer_free(struct log_writer *w)
{
    pthread_cond_destroy(&w->more);
    pthread_cond_destroy(&w->written);
    pthread_mutex_destroy(&w->mutex);
    free(w);
}

static void *writer_thread(void *arg)
{
    struct log_writer *w = arg;

    pthread_mutex_lock(&w->mutex);
    while (!w->abandoned && (!w->ending || w->at != w->done || w->n_lost > 0)) {
        if (w->at == w->done && w->n_lost == 0) {
            pthread_cond_wait(&w->more, &w->mutex);
        } else {
            write_next(w);
        }
    }
    w->ended = true;
    pthread_cond_broadcast(&w->written);
    bool abandoned = w->abandoned;
    pthread_mutex_unlock(&w->mutex);
    if (abandoned) {
        log_writer_free(w);
    }
    return NULL;
}

/* The thread takes no signals: they are the loop's. */
static int create_thread(struct log_writer *w)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rv = pthread_create(&w->thread, NULL, writer_thread, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

struct log_writer *
log_writer_start(int fd, size_t (*lost)(void *arg, uint64_t lines, char *line, size_t size),
                 void *arg)
{
    struct log_writer *w = calloc(1, sizeof *w);

    if (w == NULL) {
        return NULL;
    }
    w->fd = fd;
    w->lost = lost;
    w->arg = arg;
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->more, NULL);
    (void)clocks_cond_init(&w->written);
    if (create_thread(w) != 0) {
        free(w);
        return NULL;
    }
    return w;
}

void log_writer_put(struct log_writer *w, bool urgent, const char *line, size_t len)
{
    size_t limit = LOG_WRITER_BYTES - (urgent ? 0 : LOG_WRITER_URGENT);
    uint16_t prefix = (uint16_t)len;

    pthread_mutex_lock(&w->mutex);
    /* Once lines are lost no other takes the place of one of them: the line about them follows what
     * is in the ring. */
    if (len > PIPE_BUF || (w->n_lost > 0 && !urgent) ||
        w->at - w->done + sizeof prefix + len > limit) {
        w->n_lost++;
    } else {
        ring_put(w, &prefix, sizeof prefix);
        ring_put(w, line, len);
    }
    pthread_cond_signal(&w->more);
    pthread_mutex_unlock(&w->mutex);
}

/* Locked. Wait for something to be written; false: the time is over. */
static bool wait_written(struct log_writer *w, const struct timespec *until)
{
    return pthread_cond_timedwait(&w->written, &w->mutex, until) != ETIMEDOUT;
}

bool log_writer_flush(struct log_writer *w, unsigned timeout_ms)
{
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, timeout_ms);
    bool in_time = true;

    pthread_mutex_lock(&w->mutex);
    uint64_t at = w->at;
    while (w->done < at && in_time) {
        in_time = wait_written(w, &until);
    }
    bool done = w->done >= at;
    pthread_mutex_unlock(&w->mutex);
    return done;
}

void log_writer_stop(struct log_writer *w, unsigned timeout_ms)
{
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, timeout_ms);
    bool in_time = true;

    pthread_mutex_lock(&w->mutex);
    w->ending = true;
    pthread_cond_signal(&w->more);
    while (!w->ended && in_time) {
        in_time = wait_written(w, &until);
    }
    bool ended = w->ended;
    if (!ended) {
        pthread_detach(w->thread);
        w->abandoned = true;
    }
    pthread_mutex_unlock(&w->mutex);
    if (ended) {
        pthread_join(w->thread, NULL);
        log_writer_free(w);
    }
}
