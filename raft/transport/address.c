/* address.c - see address.h. */
#include "address.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "transport.h"

static int split_host(const char *text, const char *colon, struct transport_address *a)
{
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[') {
        if (text[len - 1] != ']') {
            return -1;
        }
        text++;
        len -= 2;
    } else if (memchr(text, ':', len) != NULL) {
        return -1; /* an IPv6 address needs brackets: its last group would pass for the port */
    }
    if (len == 0 || len >= sizeof a->host) {
        return -1;
    }
    memcpy(a->host, text, len);
    a->host[len] = '\0';
    return 0;
}

int transport_address_split(const char *text, struct transport_address *a)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        return -1;
    }
    const char *port = colon + 1;
    size_t digits = strspn(port, "0123456789");
    if (digits == 0 || digits >= sizeof a->port || port[digits] != '\0') {
        return -1;
    }
    unsigned long number = strtoul(port, NULL, 10);
    if (number == 0 || number > 65535) {
        return -1;
    }
    snprintf(a->port, sizeof a->port, "%u", (unsigned)number & 0xffff);
    return split_host(text, colon, a);
}

bool transport_address_numeric(const struct transport_address *a, struct sockaddr_storage *out)
{
    int port = atoi(a->port);
    memset(out, 0, sizeof *out);
    return uv_ip4_addr(a->host, port, (struct sockaddr_in *)out) == 0 ||
           uv_ip6_addr(a->host, port, (struct sockaddr_in6 *)out) == 0;
}

bool transport_sockaddr_is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        return (ntohl(in->sin_addr.s_addr) >> 24) == 127;
    }
    if (sa->sa_family == AF_INET6) {
        const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    }
    return false;
}

void transport_sockaddr_name(const struct sockaddr *sa, char name[TRANSPORT_NAME_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        uv_ip4_name(in, host, sizeof host);
        snprintf(name, TRANSPORT_NAME_SIZE, "%s:%u", host, ntohs(in->sin_port));
    } else if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
        uv_ip6_name(in6, host, sizeof host);
        snprintf(name, TRANSPORT_NAME_SIZE, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(name, TRANSPORT_NAME_SIZE, "unknown address");
    }
}

bool transport_is_loopback(const char *address)
{
    struct transport_address a;
    struct sockaddr_storage sa;
    if (transport_address_split(address, &a) != 0) {
        return false;
    }
    if (strcmp(a.host, "localhost") == 0) {
        return true; /* what it resolves to is checked again when it is resolved */
    }
    return transport_address_numeric(&a, &sa) &&
           transport_sockaddr_is_loopback((const struct sockaddr *)&sa);
}
