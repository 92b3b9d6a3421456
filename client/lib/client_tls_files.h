/* client_tls_files.h - the PEM files of a client's TLS: read, and judged as far as that is possible
 * without a node.
 *
 * What nng would take without a word, and every connection then fail by, is refused here by name: a
 * key of another certificate, a certificate that has expired, a file with one bad certificate among good
 * ones. By mbedTLS, as are the looks at nodes. Any thread. */
#ifndef CLIENT_TLS_FILES_H
#define CLIENT_TLS_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Whose files; the paths are the caller's. */
struct client_tls_paths {
    const char *ca;   /* certificates to trust, of one CA or more */
    const char *cert; /* the client's own, its chain behind it; NULL: none */
    const char *key;  /* its private key, without a passphrase; NULL: none */
};

/* What they hold: PEM texts that end with a zero. */
struct client_tls_files {
    char *ca;
    char *cert; /* NULL: none */
    char *key;
};

/* Are they all there that belong together? False: `why` says which one is missing. */
bool client_tls_paths_check(const struct client_tls_paths *paths, char *why, size_t why_size);
/* Read and judge. False: nothing is kept, and `why` is a sentence with the file in it, cut to
 * why_size bytes. True: free them with client_tls_files_free. */
bool client_tls_files_read(const struct client_tls_paths *paths, struct client_tls_files *files,
                           char *why, size_t why_size);
/* Overwrites them, as one is a secret. */
void client_tls_files_free(struct client_tls_files *files);

/* For mbedTLS, in the form it wants. The key is initialised; 0 or mbedTLS's error. */
struct mbedtls_pk_context;
int client_tls_parse_key(struct mbedtls_pk_context *key, const char *pem);
/* Bytes of the system's randomness. */
int client_tls_random(void *unused, unsigned char *out, size_t len);

#endif
