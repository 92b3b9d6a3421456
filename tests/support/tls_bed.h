/* tls_bed.h - a client that speaks TLS, and a small server (fleet.h) behind OpenSSL (tls_front.h), with the files
 * of both. Include <cmocka.h> first. */
#ifndef TLS_BED_H
#define TLS_BED_H

#include "certificates.h"
#include "fleet.h"
#include "tls_front.h"

#define TLS_BED_PATH 96

/* A CA's files, a server behind TLS, and what clients have. */
struct tls_bed {
    char dir[40];
    char ca[TLS_BED_PATH], cert[TLS_BED_PATH], key[TLS_BED_PATH];
    char node_cert[TLS_BED_PATH], node_key[TLS_BED_PATH];
    struct certificates_ca *authority;
    struct fleet *fleet;
    struct server *server;
    struct tls_front front;
};

/* A test's setup and teardown. The server runs; start the front, once it is as it shall be. */
int tls_bed_setup(void **state);
int tls_bed_teardown(void **state);
/* The path of a file in the bed's directory; those that teardown knows are removed by it. */
void tls_bed_path(const struct tls_bed *b, char out[TLS_BED_PATH], const char *name);
struct ordersched_client *tls_bed_open(const char *endpoints, const char *ca, const char *cert,
                                       const char *key);
/* A call fails in its time, without having been sent, and says the address and all these words; it costs
 * neither much processor time nor many connections. */
void tls_bed_expect_refused(struct tls_bed *b, struct ordersched_client *client,
                            const char *address, const char *const *words);

#endif
