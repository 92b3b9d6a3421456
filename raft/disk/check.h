/* check.h - is what libraft will find in its directory whole?
 *
 * libraft takes any damage in an open segment for a torn tail and cuts the log there, and skips a
 * snapshot that it cannot read; both may lose what was acknowledged. This looks first, with the
 * on-disk format of libraft 0.22 (docs/consensus.md, "On disk"), and refuses with a sentence that
 * names the file. It repairs three harmless traces of a crash (an interrupted truncation, an
 * interrupted install, an interrupted founding) by removing files that nothing depends on. */
#ifndef DISK_CHECK_H
#define DISK_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_READD                                                                             \
    "Move the directory away, and let this machine take part under a new id: orderctl member " \
    "remove ID, with its old one; start it with --id NEW_ID --join --address HOST:PORT; then " \
    "orderctl member add NEW_ID HOST:PORT; see README."

struct disk_check {
    const char *dir; /* libraft's directory */
    void (*log)(void *arg, const char *level, const char *sentence);
    void (*progress)(void *arg, const char *what, uint64_t done, uint64_t total); /* or NULL */
    void *arg;
};

/* 0 and *pristine (nothing was ever stored there), or -1 and a sentence that ends with
 * DISK_READD. */
int disk_check(const struct disk_check *c, bool *pristine, char *errbuf, size_t errbuf_len);

#endif
