/* http_answer.h - one answer of an HTTP server, read as it comes: its status, and where it ends. Pure.
 *
 * Only what the nodes send is understood: HTTP/1.1 with a Content-Length, or a status that has no
 * body. Anything else is broken, and so is what comes behind an answer that nobody asked for. */
#ifndef ORDERBENCH_HTTP_ANSWER_H
#define ORDERBENCH_HTTP_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_ANSWER_HEAD_MAX 4096
#define HTTP_ANSWER_BODY_KEPT 200 /* bytes, for a sentence about what went wrong */

struct http_answer { /* zero it to start */
    char head[HTTP_ANSWER_HEAD_MAX];
    size_t head_len;
    bool has_head, complete, broken;
    bool closes; /* the connection ends with it */
    unsigned status;
    uint64_t left;                        /* bytes of the body still to come */
    unsigned sound;                       /* results of a batch whose status is 200 or 201... */
    unsigned match;                       /* ...of the text before it, so many bytes have come */
    char body[HTTP_ANSWER_BODY_KEPT + 1]; /* its beginning, ended by a NUL */
    size_t body_len;
};

/* Ready for the next one; what was kept of the last is gone. */
void http_answer_reset(struct http_answer *a);
/* What came. Nothing may come once it is complete or broken. */
void http_answer_take(struct http_answer *a, const char *data, size_t len);

#endif
