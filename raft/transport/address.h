/* address.h - the "HOST:PORT" of a member: its parts, its socket address, its name.
 *
 * HOST is a name, an IPv4 address, or an IPv6 address in brackets ("[::1]:7400"). PORT is a
 * number from 1 to 65535. */
#ifndef TRANSPORT_ADDRESS_H
#define TRANSPORT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TRANSPORT_NAME_SIZE 64 /* "[IPv6]:PORT" and NUL */

struct transport_address {
    char host[256]; /* without brackets */
    char port[6];
};

/* 0, or -1: not HOST:PORT. */
int transport_address_split(const char *text, struct transport_address *a)
    __attribute__((warn_unused_result));
/* Fill `out` when the host is a numeric address. False: it is a name, to be resolved. */
bool transport_address_numeric(const struct transport_address *a, struct sockaddr_storage *out);
/* 127/8, ::1, or the former mapped into IPv6. */
bool transport_sockaddr_is_loopback(const struct sockaddr *sa);
/* "1.2.3.4:80" or "[::1]:80", for logs. */
void transport_sockaddr_name(const struct sockaddr *sa, char name[TRANSPORT_NAME_SIZE]);

#endif
