/* cluster_tls.c - see cluster_tls.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster_tls.h"

static void path_of(const struct cluster *c, char out[CLUSTER_TLS_PATH], const char *format,
                    unsigned i)
{
    int n = snprintf(out, CLUSTER_TLS_PATH, "%s/", c->dir);

    snprintf(out + n, CLUSTER_TLS_PATH - (size_t)n, format, i);
}

void cluster_tls_init(struct cluster_tls *tls, struct cluster *c)
{
    struct certificates_wish client = {.client = "till"};

    memset(tls, 0, sizeof *tls);
    tls->ca = certificates_ca_new("the cluster's CA");
    path_of(c, tls->ca_path, "ca.crt", 0);
    path_of(c, tls->client_cert, "client-till.crt", 0);
    path_of(c, tls->client_key, "client-till.key", 0);
    certificates_write_ca(tls->ca, tls->ca_path);
    certificates_issue(tls->ca, &client, tls->client_cert, tls->client_key);
    for (unsigned i = 0; i < c->n; i++) {
        const char *args[] = {"--tls-cert", tls->node_cert[i], "--tls-key", tls->node_key[i],
                              "--tls-ca",   tls->ca_path,      NULL};
        struct certificates_wish node = {.node = c->nodes[i].id};
        path_of(c, tls->node_cert[i], "node-%u.crt", i + 1);
        path_of(c, tls->node_key[i], "node-%u.key", i + 1);
        certificates_issue(tls->ca, &node, tls->node_cert[i], tls->node_key[i]);
        assert_null(c->nodes[i].args[0]);
        memcpy(c->nodes[i].args, args, sizeof args);
    }
    c->tls_ca = tls->ca_path;
    c->tls_cert = tls->client_cert;
    c->tls_key = tls->client_key;
}

void cluster_tls_free(struct cluster_tls *tls)
{
    certificates_ca_free(tls->ca);
}
