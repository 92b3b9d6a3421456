/* certificates.h - certificates for a cluster of our own that speaks TLS, made by the orderctl beside
 * orderbench, as an operator makes them. */
#ifndef ORDERBENCH_CERTIFICATES_H
#define ORDERBENCH_CERTIFICATES_H

/* Makes a CA, a certificate for each node (for `host` of HOST:PORT in `hosts`, the nodes' addresses in
 * the order of their numbers, from 1) and one for a client into a new directory, and has this process's
 * clients use them from now on (bench_tls_take). 0; or an exit code after a sentence. */
int bench_certificates_make(const char *directory, const char *cluster, const char *const hosts[],
                            unsigned n);

#endif
