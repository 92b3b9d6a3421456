/* client_owed.c - see client_owed.h. */
#include "client_owed.h"

#include <nng/nng.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* 0: there is none. */
static uint64_t value_of(nng_stat *scope, const char *name)
{
    for (nng_stat *s = nng_stat_child(scope); s != NULL; s = nng_stat_next(s)) {
        if (strcmp(nng_stat_name(s), name) == 0) {
            return nng_stat_value(s);
        }
    }
    return 0;
}

static bool is_among(const uint32_t *pipes, unsigned n, uint64_t id)
{
    for (unsigned i = 0; i < n; i++) {
        if (pipes[i] != 0 && pipes[i] == id) {
            return true;
        }
    }
    return false;
}

struct client_owed client_owed_on(const uint32_t *pipes, unsigned n)
{
    struct client_owed owed = {0};
    nng_stat *all;

    if (nng_stats_get(&all) != 0) {
        return owed;
    }
    for (nng_stat *s = nng_stat_child(all); s != NULL; s = nng_stat_next(s)) {
        if (strcmp(nng_stat_name(s), "pipe") == 0 && is_among(pipes, n, value_of(s, "id"))) {
            uint64_t sent = value_of(s, "tx_msgs"), received = value_of(s, "rx_msgs");
            owed.answers += sent > received ? sent - received : 0;
            owed.received += received;
        }
    }
    nng_stats_free(all);
    return owed;
}
