/* load.h - many calls as fast as the cluster takes them: a bounded number of them is
 * under way at any time, and the client library puts what is waiting into common messages. */
#ifndef ORDERBENCH_LOAD_H
#define ORDERBENCH_LOAD_H

#include "plan.h"
#include "tally.h"
#include "../../ordersched.h"

#define LOAD_OUTSTANDING_MAX 8192

struct load_result {
    uint64_t failed;
    int first_error; /* enum ordersched_error of the first call that failed, or OK */
    char text[256];  /* and the sentence that came with it, or empty */
};

/* Schedule all orders of the plan. A call that the cluster answered with anything but OK has
 * failed. 0, or -1 without memory. Not on the client's thread. */
int load_schedule(ordersched_client *client, const struct plan *plan, unsigned timeout_ms,
                  struct load_result *result);
/* GET all orders of the tally's plan, and note how they ended. Returns the same. */
int load_read_ends(ordersched_client *client, struct tally *tally, unsigned timeout_ms,
                   struct load_result *result);

#endif
