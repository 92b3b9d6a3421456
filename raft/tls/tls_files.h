/* tls_files.h - a node's certificate, key and authorities, and the newer ones that replace them.
 *
 * Three PEM files: the certificate (with the intermediate ones behind it), its key, and the bundle of
 * the authorities that are trusted. They are read together and checked whole before they count: the
 * key must be the certificate's, which must name this node and this cluster, must be valid now, must
 * have been signed by one of the authorities and be good for both ends of a connection. What does
 * not fit leaves the set before it in force.
 *
 * In force means: for handshakes from now on. Connections that stand are judged again when the
 * authorities changed (tls_files_still_trusts): whose authority has left must go.
 *
 * All functions may be called from any thread; the contexts are shared. Private keys lie in OpenSSL's
 * secure heap, which is locked into memory and left out of core dumps, as far as the system lets. */
#ifndef TLS_FILES_H
#define TLS_FILES_H

#include <openssl/ssl.h>

#include "tls_certificate.h"

#define TLS_FILE_MAX (1024u * 1024) /* bytes of one file */

/* Which end of which connection. */
enum tls_use {
    TLS_DIAL_NODE,   /* to another node: TLS 1.3, its certificate must be a node's */
    TLS_ACCEPT_NODE, /* from another node: the same */
    TLS_ACCEPT_CLIENT, /* from a client: TLS 1.2 or 1.3, its certificate, if any, must be a client's */
    TLS_ACCEPT_EITHER, /* from a client, as above, or from another node that asks on behalf of one */
    TLS_USES
};

struct tls_files_config {
    const char *cert, *key, *ca; /* paths */
    const char *cluster;
    uint64_t node;       /* whose the certificate must be */
    bool takes_nameless; /* clients may come without a certificate: their tokens say who they are */
};

struct tls_files;

/* Reads and checks them. NULL: `why` says which file does not do, and why. Paths and name are
 * copied. */
struct tls_files *tls_files_open(const struct tls_files_config *config, char *why, size_t why_size);
void tls_files_free(struct tls_files *f); /* contexts that others hold live on */

enum tls_files_news {
    TLS_FILES_SAME,
    TLS_FILES_NEW,     /* new ones are in force */
    TLS_FILES_REFUSED, /* new ones are there and do not do: `why` says so; the old stay in force */
};
/* Looks whether the files changed, by inode, size and times, and takes them if so. Files are replaced
 * one after the other, so what does not fit at one look is complained of at the next, once;
 * `at_once`: somebody asked, and wants to hear it now, changed or not. Reads files: a few ms. */
enum tls_files_news tls_files_look(struct tls_files *f, bool at_once, char *why, size_t why_size);

/* The context in force, for one use; the caller frees its reference (SSL_CTX_free). */
SSL_CTX *tls_files_context(struct tls_files *f, enum tls_use use);
/* Counts the sets that came into force, from 1. */
uint64_t tls_files_generation(struct tls_files *f);
/* When the first of the node's certificate and those of its chain ends, in seconds since 1970. */
int64_t tls_files_end_s(struct tls_files *f);
/* The certificate of a connection that stands, with the others its peer sent (may be NULL): would it
 * be taken now? 0, or an X509_V_ERR_…. */
int tls_files_judge(struct tls_files *f, enum tls_use use, X509 *certificate,
                    STACK_OF(X509) * others);

#endif
