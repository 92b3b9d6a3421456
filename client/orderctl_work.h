/* orderctl_work.h - what a program of orderctl work reads from its stdin. */
#ifndef ORDERCTL_WORK_H
#define ORDERCTL_WORK_H

#include "ordersched.h"

/* The same JSON as a webhook's body (docs/callbacks.md). malloc'ed, or NULL. */
char *work_body(const struct ordersched_job *job);

#endif
