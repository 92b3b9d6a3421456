/* http_answer.h - what an answer over HTTP says, in terms of the client library; and whether it has the form
 * that docs/http.md gives it ("Done, not done, unknown"). */
#ifndef ASK_HTTP_ANSWER_H
#define ASK_HTTP_ANSWER_H

#include "ask.h"

/* Fill in the answer: all but what silence tells, and the entity tag, which is there. What of it cannot be
 * is its flaw; one that cannot be read at all is UNKNOWN_OUTCOME. */
void http_answer_read(unsigned status, const char *body, size_t len,
                      enum ordersched_operation_kind kind, struct asked *a);

#endif
