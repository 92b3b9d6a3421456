/* record.c - see record.h. */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "../../client/base/clocks.h"

#define RECORD_LINE_MAX 16384

struct record {
    int fd;
    pthread_mutex_t mutex;
    uint64_t index; /* of the next line; under the mutex */
    uint64_t start_ns;
    uint64_t epoch_ms;
};

struct record *record_open(const char *path)
{
    struct record *r = calloc(1, sizeof *r);

    if (r == NULL || (r->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644)) < 0) {
        bed_fail("%s: %s", path, strerror(errno));
    }
    pthread_mutex_init(&r->mutex, NULL);
    r->epoch_ms = clocks_wall_ms();
    r->start_ns = clocks_running_ns();
    return r;
}

void record_close(struct record *r)
{
    pthread_mutex_lock(&r->mutex);
    if (fsync(r->fd) != 0) {
        bed_fail("the history cannot be written: %s", strerror(errno));
    }
    close(r->fd);
    pthread_mutex_unlock(&r->mutex);
    pthread_mutex_destroy(&r->mutex);
    free(r);
}

static void record_process(char *out, size_t len, int64_t process)
{
    switch (process) {
        case RECORD_NEMESIS: snprintf(out, len, ":nemesis"); break;
        case RECORD_RUNNER: snprintf(out, len, ":runner"); break;
        case RECORD_RECEIVER: snprintf(out, len, ":receiver"); break;
        default: snprintf(out, len, "%" PRId64, process);
    }
}

void record_line(struct record *r, int64_t process, enum record_type type, const char *f,
                 const char *value, ...)
{
    static const char *const types[] = {"invoke", "ok", "fail", "info"};
    char text[RECORD_LINE_MAX], line[RECORD_LINE_MAX + 256], who[32];
    va_list args;

    va_start(args, value);
    int n = vsnprintf(text, sizeof text, value, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text) {
        bed_fail("a line of the history is too long");
    }
    record_process(who, sizeof who, process);
    pthread_mutex_lock(&r->mutex);
    int len = snprintf(line, sizeof line,
                       "{:index %" PRIu64 ", :time %" PRIu64 ", :process %s, :type :%s, :f :%s, "
                       ":value %s}\n",
                       r->index++, record_now_ns(r), who, types[type], f, text);
    if (write(r->fd, line, (size_t)len) != len) {
        bed_fail("the history cannot be written: %s", strerror(errno));
    }
    pthread_mutex_unlock(&r->mutex);
}

uint64_t record_now_ns(const struct record *r)
{
    return clocks_running_ns() - r->start_ns;
}

uint64_t record_epoch_ms(const struct record *r)
{
    return r->epoch_ms;
}

char *record_string(char *out, size_t len, const char *text)
{
    size_t at = 0;

    if (text == NULL) {
        snprintf(out, len, "nil");
        return out;
    }
    out[at++] = '"';
    for (const char *c = text; *c != '\0' && at + 4 < len; c++) {
        bool quoted = *c == '"' || *c == '\\';
        if (quoted) {
            out[at++] = '\\';
        }
        out[at++] = (unsigned char)*c < 0x20 ? ' ' : *c;
    }
    out[at++] = '"';
    out[at] = '\0';
    return out;
}

char *record_request(char out[35], const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    out[0] = '"';
    for (unsigned i = 0; i < ORDERSCHED_REQUEST_ID_SIZE; i++) {
        snprintf(out + 1 + (size_t)2 * i, 3, "%02x", id[i]);
    }
    out[33] = '"';
    out[34] = '\0';
    return out;
}
