/* cluster_tls.h - a cluster whose nodes and clients speak TLS. Include <cmocka.h> first. */
#ifndef CLUSTER_TLS_H
#define CLUSTER_TLS_H

#include "../certificates.h"
#include "cluster.h"

#define CLUSTER_TLS_PATH 320

/* The files, all in the cluster's directory, which removes them. */
struct cluster_tls {
    struct certificates_ca *ca;
    char ca_path[CLUSTER_TLS_PATH];
    char client_cert[CLUSTER_TLS_PATH], client_key[CLUSTER_TLS_PATH]; /* of client till */
    char node_cert[CLUSTER_NODES_MAX][CLUSTER_TLS_PATH];
    char node_key[CLUSTER_NODES_MAX][CLUSTER_TLS_PATH];
};

/* Certificates for all nodes of a cluster that is not started yet, and for its clients. *tls outlives the
 * cluster's use. */
void cluster_tls_init(struct cluster_tls *tls, struct cluster *c);
void cluster_tls_free(struct cluster_tls *tls);

#endif
