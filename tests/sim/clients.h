/* clients.h - the shops: clients with the production's client_logic over a simulated transport.
 *
 * Several clients work on the same few orders, many of their calls aimed at the last milliseconds
 * before a deadline. Messages are delayed, lost, or arrive long after their sender gave them up;
 * old requests are sent again with their request ids; routes are put anew and deleted. */
#ifndef SIM_CLIENTS_H
#define SIM_CLIENTS_H

#include "check/check.h"

struct clients; /* opaque */
struct receivers;

struct clients *clients_new(struct sim_loop *loop, const struct sim_options *options,
                            struct sim_cluster *cluster, struct check *check,
                            struct receivers *receivers, struct coverage *coverage);
void clients_begin(struct clients *s);
/* The faults have ended: messages arrive, and after a while each client makes orders anew, which
 * must work. */
void clients_heal(struct clients *s);
/* After the cluster, before the loop is closed. */
void clients_free(struct clients *s);

#endif
