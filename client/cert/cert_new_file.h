/* cert_new_file.h - one file with a certificate or a key, written so that nobody reads it who may not.
 *
 * It is created exclusively, whatever the umask, for its owner alone (a certificate: for everybody to
 * read), and is on disk when the call returns. A file in whose place it will come (`like`, or NULL)
 * lends it its owner and group, and who may read it: a key at most to its group. On failure nothing is left
 * of it. */
#ifndef CERT_NEW_FILE_H
#define CERT_NEW_FILE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cert_error.h"

#define CERT_NEW ".orderctl-new" /* the end of its name until it is moved to its place */

/* False: FILE; also where `like` is no regular file, or belongs to somebody to whom this process cannot
 * give a file. */
bool cert_new_key(const char *path, const char *like, const EVP_PKEY *key,
                  struct cert_error *error);
bool cert_new_certificate(const char *path, const char *like, const X509 *cert,
                          struct cert_error *error);

#endif
