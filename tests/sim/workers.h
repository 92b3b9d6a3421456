/* workers.h - those who fetch the expired orders of worker routes: several clients, each of which
 * reserves, works a while, extends or forgets, reports, repeats a report, or dies in between.
 *
 * What they decide, and the effects they have, is the receivers' (receivers.h): one party, reached
 * in two ways. They travel like every other call of a client, and go on after the faults have
 * ended. */
#ifndef SIM_WORKERS_H
#define SIM_WORKERS_H

#include "clients_internal.h"

/* Begin; until the loop ends. */
void workers_begin(struct clients *s);
/* A call of a worker ended (clients.c). */
void workers_answered(struct job *j, const struct ordersched_answer *a);

#endif
