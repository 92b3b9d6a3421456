/* log_writer.h - the thread that writes log lines, so that nobody else waits for whoever reads
 * them.
 *
 * A pipe that nobody reads, a slow journal or a terminal that was stopped holds up a write(2) for as
 * long as it likes. So lines go into a queue of LOG_WRITER_BYTES, in their order, and a thread writes
 * them, one write(2) a line. When the queue is full lines are lost; how many is said by a line of its
 * own as soon as there is room again. (O_NONBLOCK on the descriptor would be simpler, but it is
 * shared with whoever started us.)
 *
 * Thread-safe. */
#ifndef LOG_WRITER_H
#define LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_WRITER_BYTES (256u * 1024)
#define LOG_WRITER_URGENT (16u * 1024) /* of them, kept for lines that must not be lost */

struct log_writer; /* opaque */

/* Writes to `fd`, which must stay open. When lines were lost, `lost` runs on the thread: it makes the
 * line about them, at most `size` bytes, and returns its length. NULL: no thread or no memory. */
struct log_writer *
log_writer_start(int fd, size_t (*lost)(void *arg, uint64_t lines, char *line, size_t size),
                 void *arg);
/* Never waits for the descriptor. `urgent`: errors, which may be the last words. */
void log_writer_put(struct log_writer *w, bool urgent, const char *line, size_t len);
/* Wait until what was put before is written, at most so long. True: it is. */
bool log_writer_flush(struct log_writer *w, unsigned timeout_ms);
/* Flush, and end the thread if it does not hang in a write; else it is left behind: when its
 * write returns, it ends and frees the writer, and no more lines are written. Nobody may put any more. */
void log_writer_stop(struct log_writer *w, unsigned timeout_ms);

#endif
