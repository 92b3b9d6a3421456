/* receivers.h - the receivers of a run: ordersink processes in a namespace of their own, each
 * with a temper, a route of the same name, and a journal that becomes part of the history. */
#ifndef BED_RECEIVERS_H
#define BED_RECEIVERS_H

#include <sys/types.h>

#include "network.h"
#include "record.h"

#define RECEIVERS_MAX 8
#define RECEIVER_RETRIES 32
#define RECEIVER_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw"

struct bed_receiver {
    const char *name; /* of the receiver, and of its route */
    pid_t pid;
    char url[80];
    char journal[576];
};

struct bed_receivers {
    unsigned n;
    struct bed_receiver receivers[RECEIVERS_MAX];
};

/* Start those of these names (NULL-terminated): shop, slow, flaky, veto, later, hang. */
void receivers_open(struct bed_receivers *r, const struct bed_network *network, const char *program,
                    const char *store, const char *const names[], uint64_t seed);
/* Stop them: their journals are complete. */
void receivers_close(struct bed_receivers *r);
/* Append what the journals say to the history. */
void receivers_record(const struct bed_receivers *r, struct record *record);

#endif
