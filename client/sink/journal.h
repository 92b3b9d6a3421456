/* journal.h - the reference receiver's journal: one JSON object a line, on disk before
 * anything that it says is told to others.
 *
 * Lines gather in memory until the commit, which writes all of them and waits for the disk once.
 * A process killed in the middle of a commit leaves a torn last line, which the next open cuts
 * off: nobody was told of it. */
#ifndef ORDERSINK_JOURNAL_H
#define ORDERSINK_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink_journal {
    int fd;
    char *lines; /* gathered */
    size_t len;
    size_t cap;
    bool failed; /* out of memory while gathering */
    uint64_t syncs;
};

/* Open or create; `each` sees every object in it, and returns NULL or what is wrong with it.
 * 0, or -1 with a sentence in errbuf. Only one process may have it open. */
int sink_journal_open(struct sink_journal *j, const char *path,
                      const char *(*each)(void *arg, const json_t *object), void *arg, char *errbuf,
                      size_t errbuf_len);
/* Gather a line, piece by piece; the pieces of one line together begin with {"t_ms": and end with
 * a newline. */
__attribute__((format(printf, 2, 3))) void sink_journal_printf(struct sink_journal *j,
                                                               const char *format, ...);
/* A JSON string, of valid UTF-8. */
void sink_journal_string(struct sink_journal *j, const char *text, size_t len);
/* Write what was gathered, and wait for the disk. 0, or -1 with a sentence in errbuf: what is on
 * disk is not known then, and nothing more may be added. */
int sink_journal_commit(struct sink_journal *j, char *errbuf, size_t errbuf_len);
void sink_journal_close(struct sink_journal *j);

#endif
