/* client_statistics.h - what a client has seen, for tools that measure. Not part of the public API.
 */
#ifndef CLIENT_STATISTICS_H
#define CLIENT_STATISTICS_H

#include <stdint.h>

#include "../ordersched.h"

/* How many attempts of calls nodes have refused with BUSY so far. The client repeats such a call by
 * itself, so that its caller does not see most of them. Any thread; lags by a tick. */
uint64_t client_busy_answers(ordersched_client *client);

#endif
