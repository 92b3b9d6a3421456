/* journal.c - see journal.h. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LINE_START "{\"t_ms\":" /* of every line */

struct reading {
    const char *path;
    const char *(*each)(void *arg, const json_t *object);
    void *arg;
    size_t number; /* of the line */
    off_t good;    /* end of the last line */
    bool torn;     /* the file goes on behind it, with the beginning of a line */
};

/* NULL, or what is wrong with the line. */
static const char *reading_take(struct reading *r, const char *line, size_t len)
{
    size_t start = sizeof LINE_START - 1 < len ? sizeof LINE_START - 1 : len;

    if (memcmp(line, LINE_START, start) != 0) {
        return "the line does not belong to a journal";
    }
    if (line[len - 1] != '\n') { /* getline gives such a line only as the last one */
        r->torn = true;
        return NULL;
    }
    r->good += (off_t)len;
    json_t *object = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    const char *why = json_is_object(object) ? r->each(r->arg, object)
                                             : "the line must be a JSON object";
    json_decref(object);
    return why;
}

static int reading_run(struct reading *r, FILE *file, char *errbuf, size_t errbuf_len)
{
    const char *why = NULL;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while (why == NULL && (len = getline(&line, &cap, file)) > 0) {
        r->number++;
        why = reading_take(r, line, (size_t)len);
    }
    if (why == NULL && ferror(file)) {
        why = strerror(errno);
    }
    free(line);
    if (why != NULL) {
        snprintf(errbuf, errbuf_len, "journal %s:%zu: %s", r->path, r->number, why);
        return -1;
    }
    return 0;
}

/* Read all, and cut off a torn last line. */
static int journal_restore(struct sink_journal *j, struct reading *r, char *errbuf,
                           size_t errbuf_len)
{
    int copy = dup(j->fd);
    FILE *file = copy >= 0 ? fdopen(copy, "r") : NULL;

    if (file == NULL) {
        snprintf(errbuf, errbuf_len, "journal %s: %s", r->path, strerror(errno));
        if (copy >= 0) {
            close(copy);
        }
        return -1;
    }
    int rv = reading_run(r, file, errbuf, errbuf_len);
    fclose(file);
    if (rv == 0 && r->torn && (ftruncate(j->fd, r->good) != 0 || fsync(j->fd) != 0)) {
        snprintf(errbuf, errbuf_len, "journal %s: cannot cut off its torn last line: %s", r->path,
                 strerror(errno));
        rv = -1;
    }
    return rv;
}

/* A new file is only there for good once its directory is on disk. */
static int sync_directory_of(const char *path)
{
    char *copy = strdup(path);
    int fd = copy != NULL ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rv = fd >= 0 ? fsync(fd) : -1;

    if (fd >= 0) {
        close(fd);
    }
    free(copy);
    return rv;
}

int sink_journal_open(struct sink_journal *j, const char *path,
                      const char *(*each)(void *arg, const json_t *object), void *arg, char *errbuf,
                      size_t errbuf_len)
{
    struct reading reading = {.path = path, .each = each, .arg = arg};

    *j = (struct sink_journal){.fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0640)};
    if (j->fd < 0) {
        snprintf(errbuf, errbuf_len, "journal %s: %s", path, strerror(errno));
        return -1;
    }
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(errbuf, errbuf_len, "journal %s: %s", path,
                 errno == EWOULDBLOCK ? "another process uses it" : strerror(errno));
    } else if (sync_directory_of(path) != 0) {
        snprintf(errbuf, errbuf_len, "journal %s: its directory: %s", path, strerror(errno));
    } else if (journal_restore(j, &reading, errbuf, errbuf_len) == 0) {
        return 0;
    }
    close(j->fd);
    j->fd = -1;
    return -1;
}

static bool journal_reserve(struct sink_journal *j, size_t more)
{
    size_t cap = j->cap > 0 ? j->cap : 4096;

    while (cap < j->len + more) {
        cap *= 2;
    }
    if (cap != j->cap) {
        char *grown = realloc(j->lines, cap);
        if (grown == NULL) {
            return false;
        }
        j->lines = grown;
        j->cap = cap;
    }
    return true;
}

void sink_journal_printf(struct sink_journal *j, const char *format, ...)
{
    va_list args;

    if (j->lines == NULL && !journal_reserve(j, 1)) { /* NULL + 0 is no sum in C */
        j->failed = true;
        return;
    }
    va_start(args, format);
    int len = vsnprintf(j->lines + j->len, j->cap - j->len, format, args);
    va_end(args);
    if (len >= 0 && (size_t)len >= j->cap - j->len) { /* it also wants a NUL */
        if (!journal_reserve(j, (size_t)len + 1)) {
            j->failed = true;
            return;
        }
        va_start(args, format);
        len = vsnprintf(j->lines + j->len, j->cap - j->len, format, args);
        va_end(args);
    }
    if (len < 0) {
        j->failed = true;
        return;
    }
    j->len += (size_t)len;
}

void sink_journal_string(struct sink_journal *j, const char *text, size_t len)
{
    if (!journal_reserve(j, 6 * len + 2)) { /* \uXXXX at most of each byte */
        j->failed = true;
        return;
    }
    char *out = j->lines + j->len;
    *out++ = '"';
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte < 0x20) {
            out += sprintf(out, "\\u%04x", byte);
            continue;
        }
        if (byte == '"' || byte == '\\') {
            *out++ = '\\';
        }
        *out++ = (char)byte;
    }
    *out++ = '"';
    j->len = (size_t)(out - j->lines);
}

int sink_journal_commit(struct sink_journal *j, char *errbuf, size_t errbuf_len)
{
    size_t written = 0;

    if (j->failed) {
        snprintf(errbuf, errbuf_len, "journal: out of memory");
        return -1;
    }
    while (written < j->len) {
        ssize_t n = write(j->fd, j->lines + written, j->len - written);
        if (n < 0 && errno != EINTR) {
            snprintf(errbuf, errbuf_len, "journal: cannot write: %s", strerror(errno));
            return -1;
        }
        written += n > 0 ? (size_t)n : 0;
    }
    if (written > 0) {
        if (fdatasync(j->fd) != 0) {
            snprintf(errbuf, errbuf_len, "journal: cannot sync: %s", strerror(errno));
            return -1;
        }
        j->syncs++;
    }
    j->len = 0;
    return 0;
}

void sink_journal_close(struct sink_journal *j)
{
    if (j->fd >= 0) {
        close(j->fd);
    }
    free(j->lines);
    *j = (struct sink_journal){.fd = -1};
}
