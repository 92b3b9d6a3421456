/* node.h - wires the parts of a daemon together and owns their life, on one uv loop. */
#ifndef NODE_H
#define NODE_H

#include "config/config.h"

/* Run until SIGTERM or SIGINT (drains, transfers the leadership) or until something fatal. Returns
 * the exit code: 0 after a clean stop, 1 when it could not start (the reason was logged). */
int node_run(const struct config *config);

#endif
