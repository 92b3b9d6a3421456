/* http_status.h - which HTTP status an error of the cluster has, and what it is called there. Pure. */
#ifndef FRONT_HTTP_STATUS_H
#define FRONT_HTTP_STATUS_H

#include <stdbool.h>

struct http_problem {
    unsigned status;
    const char *name;  /* "TOO_LATE" */
    const char *title; /* a sentence */
    bool unknown;      /* it may have happened */
    unsigned retry_s;  /* after how long another try may do better; 0: that does not help */
};

/* Of an error of ordersched.h, not OK. `text` is the sentence that came with it, or NULL. `named`: it was told who
 * asks. */
struct http_problem http_problem_of(int error, const char *text, bool named);

#endif
