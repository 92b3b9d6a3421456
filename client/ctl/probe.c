/* probe.c - is an endpoint a node's Raft port, one in front of its client port?
 *
 * It is the likeliest slip, and without this it looks like a cluster that does not answer: the Raft
 * port takes the connection, and hangs up on what it cannot read. A client port greets first (SP
 * over TCP, docs/protocol.md). */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "orderctl.h"
#include "../lib/client_look.h"
#include "../text/units.h"
#include "../wire/certificate_name.h"

#define PROBE_MS 300 /* for each step; who is slower is no slip, and is waited for by the client */

static bool wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    int rv;

    do {
        rv = poll(&p, 1, PROBE_MS);
    } while (rv < 0 && errno == EINTR);
    return rv == 1;
}

/* Connected, or -1. */
static int probe_connect(const char *host, unsigned port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char service[16];
    int error = 0;
    socklen_t len = sizeof error;

    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &found) != 0) {
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool connected = fd >= 0 &&
                     (connect(fd, found->ai_addr, found->ai_addrlen) == 0 ||
                      (errno == EINPROGRESS && wait_for(fd, POLLOUT) &&
                       getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0));
    freeaddrinfo(found);
    if (fd >= 0 && !connected) {
        close(fd);
    }
    return connected ? fd : -1;
}

enum probed { PROBED_CLIENT_PORT, PROBED_HANGS_UP, PROBED_NOTHING };

static enum probed probe(const char *host, unsigned port)
{
    static const char req[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0}, rep[8] = {0, 'S', 'P', 0, 0, 0x31};
    char greeting[sizeof rep];
    int fd = probe_connect(host, port);

    if (fd < 0) {
        return PROBED_NOTHING;
    }
    enum probed result = PROBED_NOTHING;
    if (send(fd, req, sizeof req, MSG_NOSIGNAL) == sizeof req && wait_for(fd, POLLIN)) {
        ssize_t n = recv(fd, greeting, sizeof greeting, 0);
        bool greets = n == sizeof rep && memcmp(greeting, rep, sizeof rep) == 0;
        result = greets ? PROBED_CLIENT_PORT : PROBED_HANGS_UP;
    }
    close(fd);
    return result;
}

/* A plain greeting says nothing to a node with TLS, and would stand in its log. */
static bool greets_by_tls(const struct ctl *ctl, const char *address)
{
    const char *name = ctl->cluster;
    const struct client_tls_paths paths = {ctl->tls.ca, ctl->tls.cert, ctl->tls.key};
    char dns[CERTIFICATE_DNS_MAX + 1];

    if (!certificate_cluster_is_good(name, strlen(name))) {
        return true; /* the client says so */
    }
    certificate_dns_write(name, dns);
    struct client_look look = {.address = address, .paths = &paths, .name = dns};
    return client_look_greets(&look);
}

static bool is_raft_port_by_tls(const struct ctl *ctl, const char *endpoint)
{
    char host[256], next[PROTOCOL_ADDRESS_MAX];
    unsigned port;

    if (!units_split_address(endpoint, host, sizeof host, &port) || greets_by_tls(ctl, endpoint)) {
        return false;
    }
    int fd = probe_connect(host, port);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return units_move_port(endpoint, 1, next, sizeof next) && greets_by_tls(ctl, next);
}

static bool is_raft_port(const char *endpoint)
{
    char host[256];
    unsigned port;

    return units_split_address(endpoint, host, sizeof host, &port) && port < 65535 &&
           probe(host, port) == PROBED_HANGS_UP && probe(host, port + 1) == PROBED_CLIENT_PORT;
}

bool ctl_names_raft_ports(const struct ctl *ctl, char *first, size_t first_len)
{
    const char *at = ctl->endpoints;

    first[0] = '\0';
    while (*at != '\0') {
        char endpoint[PROTOCOL_ADDRESS_MAX];
        size_t len = strcspn(at, ",");
        snprintf(endpoint, sizeof endpoint, "%.*s", (int)len, at);
        if (ctl->tls.ca != NULL ? !is_raft_port_by_tls(ctl, endpoint) : !is_raft_port(endpoint)) {
            return false; /* one that is none will do */
        }
        if (first[0] == '\0') {
            snprintf(first, first_len, "%s", endpoint);
        }
        at += len + (at[len] == ',');
    }
    return first[0] != '\0';
}
