/* route_request.h - the settings of a route, as JSON says them. */
#ifndef FRONT_ROUTE_REQUEST_H
#define FRONT_ROUTE_REQUEST_H

#include "fields.h"

/* Write the settings that the object names as the map of docs/protocol.md, "Route settings". The names are the map's;
 * of timeout_ms, connect_timeout_ms, linger_ms and retries_ms also without "_ms", with durations ("10s").
 * What the settings must be is looked at later, by who decodes them. */
void route_request_write(const json_t *object, struct buffer *settings, struct flaw *flaw);
/* What decoding, or operation_check_settings(), found to be wrong. */
void route_request_flaw(const json_t *object, const struct problem *problem, struct flaw *flaw);

#endif
