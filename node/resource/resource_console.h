/* resource_console.h - the console: one page about the cluster, at /, and its parts below /console/ (node/console/).
 *
 * They are in the daemon, come from no other host, and may be read by everybody who reaches the port: they hold
 * nothing. What the page shows it asks of the API, with its reader's token. */
#ifndef RESOURCE_CONSOLE_H
#define RESOURCE_CONSOLE_H

#include "exchange.h"

void resource_console(struct exchange *x);      /* GET / */
void resource_console_part(struct exchange *x); /* GET /console/{name} */

#endif
