/* record.h - the writer of a run's history (HISTORY.md): one EDN map a line, written as it
 * happens, so that a harness that dies leaves all that it had seen.
 *
 * Any thread. A line's time is read under the lock that orders the lines, so that time and index
 * agree; what cannot be written ends the harness. */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>

#include "../../client/ordersched.h"

struct record;

enum record_type { RECORD_INVOKE, RECORD_OK, RECORD_FAIL, RECORD_INFO };

/* Processes that are no clients. */
enum { RECORD_NEMESIS = -1, RECORD_RUNNER = -2, RECORD_RECEIVER = -3 };

/* Create the file. Time 0 is now. */
struct record *record_open(const char *path);
void record_close(struct record *r);

/* One line; `value` is formatted as with printf and is EDN. */
__attribute__((format(printf, 5, 6))) void record_line(struct record *r, int64_t process,
                                                       enum record_type type, const char *f,
                                                       const char *value, ...);
/* Since time 0. */
uint64_t record_now_ns(const struct record *r);
/* The wall clock at time 0. */
uint64_t record_epoch_ms(const struct record *r);

/* `text` as an EDN string with its quotes, or nil; cut if `out` is too small. Returns out. */
char *record_string(char *out, size_t len, const char *text);
/* 32 hex digits and the quotes. */
char *record_request(char out[35], const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE]);

#endif
