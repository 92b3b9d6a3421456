/* cert_read.h - certificates and private keys read from PEM files (RFC 7468).
 *
 * Nothing is asked of the terminal: a key under a passphrase is refused, by name. */
#ifndef CERT_READ_H
#define CERT_READ_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cert_error.h"

#define CERT_FILE_MAX (1024u * 1024) /* bytes of a file */
#define CERT_LIST_MAX 64             /* certificates of a file */

struct cert_list { /* all zero: none */
    X509 *at[CERT_LIST_MAX];
    unsigned n;
};

/* All certificates of a file, in their order, at least one; other things in it are passed over.
 * False: FILE, or BAD_CERTIFICATE, and the list is empty. */
bool cert_read_list(const char *path, struct cert_list *list, struct cert_error *error);
void cert_list_free(struct cert_list *list); /* it is empty then */
/* The first private key of a file; the caller frees it. NULL: FILE, or BAD_KEY. */
EVP_PKEY *cert_read_key(const char *path, struct cert_error *error);
/* Is it the certificate's key? */
bool cert_key_fits(const X509 *cert, const EVP_PKEY *key);

#endif
