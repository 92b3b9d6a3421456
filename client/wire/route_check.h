/* route_check.h - whether settings that somebody gives a route now make sense.
 *
 * Stricter than what is read: a log or a snapshot may hold routes that were put when less was
 * asked, and these must still be read (protocol.h). Pure. */
#ifndef ROUTE_CHECK_H
#define ROUTE_CHECK_H

#include "protocol.h"

/* NULL: it is one that a callback can be sent to. Else what is wrong with it, to go on after its
 * name. http or https in any case; a user and password as RFC 3986, 3.2.1 has them, if there are any; a
 * host, which is a name, an IPv4 address, or an IPv6 address in brackets; a port from 1 to 65535 if
 * there is one. */
const char *route_url_problem(struct slice url);
/* Is this a header of the connection, or of a body in another form than callbacks have? No receiver
 * could take a callback that carries one: it would wait for what never comes. */
bool route_header_is_of_transport(struct slice name);
/* Is there a certificate in this PEM text, and nothing broken? */
bool route_ca_is_good(struct slice pem);
/* All of them: what is given must be good, and be for a route of this kind. False: *problem says
 * what is wrong. */
bool route_settings_check(const struct route_settings *settings, struct problem *problem);
/* The same for the URL as it may be shown to anybody: without user, password and the query, where
 * tokens are. At most ROUTE_URL_SHOWN_MAX bytes; returns how many. */
#define ROUTE_URL_SHOWN_MAX (PROTOCOL_URL_MAX + 16)
size_t route_url_show(struct slice url, char out[ROUTE_URL_SHOWN_MAX]);
/* Of an operation: OK, or INVALID and op->problem, if it gives a route settings. */
int operation_check_settings(struct operation *op);

#endif
