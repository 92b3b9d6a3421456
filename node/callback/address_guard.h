/* address_guard.h - addresses that a callback must not reach where only the public network is
 * meant: this machine, private and link-local networks, and what is no single host.
 *
 * Asked about each address that a connection is about to be made to, after the name was resolved,
 * so that a name which resolves to such an address later does not help (DNS rebinding). The blocks
 * are those of IANA's registries of special-purpose addresses (RFC 6890) that are not globally
 * reachable, and addresses that look public but are a cloud's own inside of it (metadata and agents);
 * IPv6 forms that carry an IPv4 address (mapped, compatible, NAT64, 6to4, Teredo) count
 * as that. */
#ifndef ADDRESS_GUARD_H
#define ADDRESS_GUARD_H

#include <sys/socket.h>

/* NULL when the address is public; else what it is, such as "loopback" or "private". An address of
 * a family other than IPv4 and IPv6 is "not an internet address". */
const char *address_guard_refuses(const struct sockaddr *address, socklen_t len);

/* The address as people write it, without a port; "?" for another family. */
void address_guard_format(const struct sockaddr *address, socklen_t len, char *out, size_t out_len);

#endif
