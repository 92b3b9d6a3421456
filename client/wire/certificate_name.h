/* certificate_name.h - the names that certificates carry: whose one is, and of which cluster.
 *
 * A certificate says whose it is in one subject alternative name of type URI (RFC 5280, 4.2.1.6), in
 * the form of a SPIFFE ID whose trust domain is the cluster's name:
 *
 *     spiffe://CLUSTER/node/ID          a node, by its number
 *     spiffe://CLUSTER/client/NAME      a client, by a name that is the principal's
 *     spiffe://CLUSTER                  the CA that signs them
 *
 * Each node's certificate also carries the cluster's one DNS name, CLUSTER.orderschedd, which clients
 * check whatever address they dial, so that a redirect to any node is as safe as the first
 * connection. All are compared byte by byte. Pure. */
#ifndef CERTIFICATE_NAME_H
#define CERTIFICATE_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol.h"

#define CERTIFICATE_CLIENT_MAX 64 /* bytes of a client's name */
#define CERTIFICATE_DNS_SUFFIX ".orderschedd"
#define CERTIFICATE_URI_MAX (9 + PROTOCOL_CLUSTER_MAX + 8 + CERTIFICATE_CLIENT_MAX)
#define CERTIFICATE_DNS_MAX (PROTOCOL_CLUSTER_MAX + sizeof CERTIFICATE_DNS_SUFFIX - 1)

enum certificate_kind {
    CERTIFICATE_NODE = 1,
    CERTIFICATE_CLIENT,
};

/* Whose a certificate is. */
struct certificate_name {
    enum certificate_kind kind;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    uint64_t node;                           /* of a node; 1 or more */
    char client[CERTIFICATE_CLIENT_MAX + 1]; /* of a client */
};

/* May a cluster be called so? 1 to PROTOCOL_CLUSTER_MAX letters, digits, '-', '_' and '.'. */
bool certificate_cluster_is_good(const char *text, size_t len);
/* May a client? 1 to CERTIFICATE_CLIENT_MAX of the same. */
bool certificate_client_is_good(const char *text, size_t len);
/* Reads the URI of a certificate. False: it is in neither of the two forms (a number with a zero in
 * front, a query and an escaped letter are not), and *name is unspecified. */
bool certificate_name_read(const char *uri, size_t len, struct certificate_name *name);
/* Writes the URI of a name whose parts are good, with a zero at the end. */
void certificate_name_write(const struct certificate_name *name, char out[CERTIFICATE_URI_MAX + 1]);
/* The URI of a CA: reads its cluster, with a zero at the end (false: it is none), and writes it. */
bool certificate_authority_read(const char *uri, size_t len,
                                char cluster[PROTOCOL_CLUSTER_MAX + 1]);
void certificate_authority_write(const char *cluster, char out[CERTIFICATE_URI_MAX + 1]);
/* Writes the DNS name of a cluster whose name is good, with a zero at the end. */
void certificate_dns_write(const char *cluster, char out[CERTIFICATE_DNS_MAX + 1]);

#endif
