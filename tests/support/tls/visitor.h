/* visitor.h - somebody with whatever certificate whose handshake is through, and who then does what no
 * client or node of ours would.
 *
 * Blocking calls, which give up after TLS_VISITOR_PATIENCE_MS. What it says is collected, and goes out at
 * once with tls_visitor_flush(): so its part costs little, and the other side's is what there is to see.
 * Include <cmocka.h> first. */
#ifndef TLS_VISITOR_H
#define TLS_VISITOR_H

#include <sys/types.h>

#include "../tls_stranger.h"

#define TLS_VISITOR_PATIENCE_MS 3000

struct tls_visitor {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *out; /* the SSL's */
    int fd;
};

/* Connects and shakes hands. False: it was shut out; tls_visitor_end() all the same. In TLS 1.3 who is shut out
 * may learn of it only when it wants to hear something. */
bool tls_visitor_begin(struct tls_visitor *v, const struct tls_stranger *who);
void tls_visitor_end(struct tls_visitor *v);
/* These are said with the next tls_visitor_flush(). False: OpenSSL does not do it. */
bool tls_visitor_say(struct tls_visitor *v, const void *bytes,
                     size_t len);                     /* one record, of 16 KiB at most */
bool tls_visitor_replace_keys(struct tls_visitor *v); /* and asks the other side for the same */
bool tls_visitor_renegotiate(struct tls_visitor *v);  /* TLS 1.2 */
/* False: the other side has closed, or does not read. */
bool tls_visitor_flush(struct tls_visitor *v);
/* Plain bytes. 0: the other side has closed. -1: nothing came within patience_ms. */
ssize_t tls_visitor_hear(struct tls_visitor *v, void *bytes, size_t size, unsigned patience_ms);

#endif
