/* params.h - the parameters of a request's query, each with its type. That their names are known, and that none comes
 * twice, was seen to before (resource_table.h). A flaw stays as fields.h has it. */
#ifndef FRONT_PARAMS_H
#define FRONT_PARAMS_H

#include "fields.h"

/* True: it is given and good, and *out is set. An empty value is none. */
bool params_text(const struct exchange *x, const char *name, struct flaw *flaw, struct slice *out);
bool params_number(const struct exchange *x, const char *name, uint64_t min, uint64_t max,
                   struct flaw *flaw, uint64_t *out);
/* "true" or "false". */
bool params_flag(const struct exchange *x, const char *name, struct flaw *flaw, bool *out);
/* RFC 3339, or milliseconds since the epoch. */
bool params_time(const struct exchange *x, const char *name, struct flaw *flaw, uint64_t *ms);
/* The name of a route or principal. */
bool params_name(const struct exchange *x, const char *name, struct flaw *flaw, struct slice *out);
/* A cursor of an earlier answer: bytes as base64url. For free(). */
uint8_t *params_cursor(const struct exchange *x, const char *name, size_t max, struct flaw *flaw,
                       size_t *len);

void params_refuse(struct flaw *flaw, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
