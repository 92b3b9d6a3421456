/* tls_stranger.c - see tls_stranger.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_stranger.h"

int tls_stranger_connect(const struct tls_stranger *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)s->port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, s->host != NULL ? s->host : "127.0.0.1", &address.sin_addr),
                     1);
    if (s->from != NULL) {
        struct sockaddr_in own = {.sin_family = AF_INET};
        assert_int_equal(inet_pton(AF_INET, s->from, &own.sin_addr), 1);
        assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    }
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

bool tls_stranger_is_closed(int fd, unsigned patience_ms)
{
    char some[4096];

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, (int)patience_ms) <= 0) {
            return false;
        }
        if (recv(fd, some, sizeof some, 0) <= 0) {
            return true;
        }
    }
}

SSL_CTX *tls_stranger_context(const struct tls_stranger *s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    assert_non_null(ctx);
    SSL_CTX_set_security_level(ctx, 0); /* it would do worse things than we do */
    (void)SSL_CTX_set_min_proto_version(ctx, 0);
    if (s->version_max != 0) {
        assert_int_equal(SSL_CTX_set_max_proto_version(ctx, s->version_max), 1);
    }
    if (s->ciphers != NULL) {
        assert_int_equal(SSL_CTX_set_cipher_list(ctx, s->ciphers), 1);
    }
    if (s->groups != NULL) {
        assert_int_equal(SSL_CTX_set1_groups_list(ctx, s->groups), 1);
    }
    if (s->cert != NULL) {
        assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, s->cert), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, s->key, SSL_FILETYPE_PEM), 1);
    }
    return ctx;
}

/* Sends what the session wants to be sent. */
static bool send_out(const struct tls_stranger *s, int fd, BIO *out)
{
    char bytes[16 * 1024];
    int n;

    while ((n = BIO_read(out, bytes, sizeof bytes)) > 0) {
        int step = s->byte_pause_us != 0 ? 1 : n;
        for (int i = 0; i < n; i += step) {
            if (send(fd, bytes + i, (size_t)step, MSG_NOSIGNAL) != step) {
                return false;
            }
            if (s->byte_pause_us != 0) {
                usleep(s->byte_pause_us);
            }
        }
    }
    return true;
}

/* More from the other side. False: it has gone, or nothing came in time. */
static bool take_in(int fd, BIO *in, unsigned patience_ms, bool *gone)
{
    char bytes[16 * 1024];
    struct pollfd p = {.fd = fd, .events = POLLIN};

    *gone = false;
    if (poll(&p, 1, (int)patience_ms) <= 0) {
        return false;
    }
    ssize_t n = recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) {
        *gone = true;
        return false;
    }
    return BIO_write(in, bytes, (int)n) == (int)n;
}

enum tls_stranger_fate tls_stranger_try(const struct tls_stranger *s, unsigned patience_ms,
                                        size_t *said)
{
    SSL_CTX *ctx = tls_stranger_context(s);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    int fd = tls_stranger_connect(s);
    enum tls_stranger_fate fate = STRANGER_SHUT_OUT;
    char plain[16 * 1024];
    size_t heard = 0;
    bool shaken = false;

    assert_true(ssl != NULL && in != NULL && out != NULL);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    for (;;) {
        bool gone;
        ERR_clear_error();
        int rv = shaken ? SSL_read(ssl, plain, sizeof plain) : SSL_do_handshake(ssl);
        heard += shaken && rv > 0 ? (size_t)rv : 0;
        shaken = shaken || rv == 1;
        if (!send_out(s, fd, out) || (rv <= 0 && SSL_get_error(ssl, rv) != SSL_ERROR_WANT_READ)) {
            break;
        }
        if (rv <= 0 && !take_in(fd, in, patience_ms, &gone)) {
            fate = !gone && shaken ? STRANGER_IN : STRANGER_SHUT_OUT;
            break;
        }
    }
    if (said != NULL) {
        *said = heard;
    }
    close(fd);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return fate;
}
