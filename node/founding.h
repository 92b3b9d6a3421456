/* founding.h - what a node does about its cluster before it takes part: it asks the other founders.
 *
 * Whoever founds a cluster with others first shakes hands with each of them. One that belongs to a
 * cluster already, or that was started with another list, ends the start with a sentence that says
 * what to do, before anything is written: an operator who looks at a failed unit at night finds it
 * there, and a supervisor that starts the node again asks again. Founders that do not answer are
 * waited for no longer than a handshake takes; a founding needs a majority of them later anyway.
 *
 * And what its flags say is compared with what its cluster has recorded. */
#ifndef FOUNDING_H
#define FOUNDING_H

#include "../raft/peer/standing.h"
#include "config/config.h"

struct replica_member;
struct disk;
struct tls_files;

/* How the flags tell the node to come to its cluster: founding or joining. */
void founding_plan(const struct config *config, struct standing *out);
/* Did the node begin to found with another list than its flags have now? `err` says what to do. */
bool founding_differs(const struct config *config, const struct standing *standing, char *err,
                      size_t err_len);
/* Ask all other founders of the configuration, on a loop of its own. 0: it may go on, or -1 with
 * the reason in `err`. Returns within a few seconds. */
int founding_ask(const struct config *config, struct disk *disk, struct tls_files *tls, char *err,
                 size_t err_len);
/* A node that was founded before: lines for the log where flags and records differ. `recorded` is
 * its standing, `members` are those of its log. */
void founding_compare(const struct config *config, const struct standing *recorded,
                      const struct replica_member *members, unsigned n, const struct log *log);

#endif
