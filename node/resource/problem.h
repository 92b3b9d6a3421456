/* problem.h - refusals as the HTTP API tells them: problems of RFC 9457, and the HTTP status of each named
 * error (docs/http.md). No state, any thread. */
#ifndef FRONT_PROBLEM_H
#define FRONT_PROBLEM_H

#include "exchange.h"
#include "fields.h"

/* {"type", "title", "status", "error", "class", "detail"}, and "order" where there is one, whose reference is
 * taken over (NULL: none). `detail` may be NULL. *status is the HTTP status. */
json_t *problem_of(int error, const char *detail, json_t *order, unsigned *status);
/* The same of what is HTTP's or JSON's own; it is definite. The members of `extra` (reference taken over, or
 * NULL) stand behind the others. */
json_t *problem_named(unsigned status, const char *name, const char *detail, json_t *extra);
/* Of a flaw, with its pointer. */
json_t *problem_of_flaw(const struct flaw *flaw);
/* When such a refusal may be repeated, in seconds, for Retry-After; 0: nothing is said. */
unsigned problem_retry_after_s(unsigned status);

#endif
