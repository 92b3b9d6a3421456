/* log.h - structured log lines to stderr, logfmt or JSON.
 *
 *   log_line(l, LOG_INFO, "order expired", LOG_BYTES("order_id", id, len), LOG_U64("attempt", n))
 *
 * Each line: ts (RFC 3339, ms), level, msg, node, then the pairs. Values are escaped, cut at 256
 * bytes. Never pass secrets or payloads. Thread-safe; one write(2) a line, by a thread of its own once
 * there is one (log_writer.h): then no caller ever waits for whoever reads the log. */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log {
    enum log_level level;
    enum log_format format;
    uint64_t node_id;
    int fd;
    struct log_writer *writer; /* NULL: who logs writes, and waits */
};

struct log_field {
    const char *key; /* NULL ends the list */
    enum { LOG_F_STR, LOG_F_BYTES, LOG_F_U64, LOG_F_I64 } kind;
    const void *data;
    size_t len;
    uint64_t u;
    int64_t i;
};
#define LOG_STR(k, s) ((struct log_field){.key = (k), .kind = LOG_F_STR, .data = (s)})
#define LOG_BYTES(k, d, n) \
    ((struct log_field){.key = (k), .kind = LOG_F_BYTES, .data = (d), .len = (n)})
#define LOG_U64(k, v) ((struct log_field){.key = (k), .kind = LOG_F_U64, .u = (v)})
#define LOG_I64(k, v) ((struct log_field){.key = (k), .kind = LOG_F_I64, .i = (v)})

/* From now on a thread writes; `l` must stay where it is. False: it could not be made. */
bool log_start(struct log *l);
/* Before the process ends at once: wait, at most so long, until all is written. True: it is. */
bool log_flush(const struct log *l, unsigned timeout_ms);
/* The same, and end the thread. Nobody else may log any more; whoever does writes the line itself.
 * */
void log_stop(struct log *l, unsigned timeout_ms);

/* fields: an array that ends with key NULL; may be NULL. */
void log_write(const struct log *l, enum log_level level, const char *msg,
               const struct log_field *fields);
#define log_line(l, level, msg, ...) \
    log_write((l), (level), (msg),   \
              (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.key = NULL}})

#endif
