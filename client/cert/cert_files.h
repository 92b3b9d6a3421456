/* cert_files.h - a certificate and its key on disk: a pair that comes whole, and is replaced whole.
 *
 * A pair of the name NAME is NAME.crt and NAME.key. New ones are written beside as NAME.crt.orderctl-new and
 * NAME.key.orderctl-new, fsynced, and moved to their names: the key first, the certificate last, so
 * that whoever reads both when the certificate changes finds the key that fits. Old ones stay, as
 * NAME.crt.old and NAME.key.old, .old-2 and so on, and are never overwritten.
 *
 *     nothing ─► both written ─► old ones kept ─► key moved ─► certificate moved
 *       ▲            │                │              │
 *       └────────────┴────────────────┘              │  an end here leaves a key that does not fit:
 *         an end here changes nothing                └► the next put, or renew, moves the certificate
 *
 * One process at a time works in a directory: it holds a lock (flock) on it. Where the file system has
 * none (NFS), nothing but the exclusive creation of the new files stands between two. */
#ifndef CERT_FILES_H
#define CERT_FILES_H

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "cert_error.h"

#define CERT_CRT ".crt"
#define CERT_KEY ".key"

struct cert_pair {
    char crt[PATH_MAX], key[PATH_MAX]; /* paths */
};

struct cert_directory {
    int fd; /* locked */
    const char *path;
    bool is_open; /* everybody, or a group, may write to it */
};

/* The paths of a pair. False: too long; FILE. */
bool cert_pair_name(struct cert_pair *pair, const char *directory, const char *stem,
                    struct cert_error *error);

/* Opens a directory and waits for its lock, some seconds at most. `make`: it is made, for its owner
 * alone, if it is not there. `path` must outlive it. False: FILE or BUSY. */
bool cert_directory_open(struct cert_directory *directory, const char *path, bool make,
                         struct cert_error *error);
void cert_directory_close(struct cert_directory *directory);

/* Brings to its end what an earlier process began and did not end: a certificate whose key is in its
 * place already is moved to its own; anything else of it is removed. *finished: a pair was mended so.
 * False: FILE. */
bool cert_pair_recover(const struct cert_directory *directory, const struct cert_pair *pair,
                       bool *finished, struct cert_error *error);

/* Puts a pair in its place, after cert_pair_recover(). `key` may be NULL: the key stays. Without `replace`
 * neither file may be there. With it, a file keeps its owner and who may read it, but a key is never
 * for everybody; what was there is kept: `kept` tells as what (".old"), or is empty. Signals that end a
 * process wait meanwhile. False: FILE or EXISTS, and what was there is there still. */
bool cert_pair_put(const struct cert_directory *directory, const struct cert_pair *pair,
                   const X509 *cert, const EVP_PKEY *key, bool replace, char kept[16],
                   struct cert_error *error);

#endif
