/* by_hand.h - schedules orders one after the other without the client library: over one connection to the leader, a
 * plain socket or OpenSSL's over it, each message in one write.
 *
 * Beside the library's figures it tells the nodes' part of a call: nng's threads, which the library's calls go
 * through, are not in it. The transport is section 1 of docs/protocol.md. */
#ifndef ORDERBENCH_BY_HAND_H
#define ORDERBENCH_BY_HAND_H

#include "measure/measure.h"

/* Schedule the orders of `config` at the leader of our own cluster, which speaks TLS if m->cluster_config.tls. Returns
 * when the last was answered; 0, or an exit code of orderbench after a sentence on stderr: the first that was not
 * scheduled ends it. Main thread. */
int by_hand_schedule(const struct measure *m, const struct engine_config *config,
                     struct engine_result *result);

#endif
