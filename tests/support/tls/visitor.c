/* visitor.c - see visitor.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "visitor.h"

static void set_patience(int fd, unsigned ms)
{
    struct timeval patience = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
}

bool tls_visitor_begin(struct tls_visitor *v, const struct tls_stranger *who)
{
    *v = (struct tls_visitor){.fd = tls_stranger_connect(who), .ctx = tls_stranger_context(who)};
    set_patience(v->fd, TLS_VISITOR_PATIENCE_MS);
    v->ssl = SSL_new(v->ctx);
    assert_true(v->ssl != NULL && SSL_set_fd(v->ssl, v->fd) == 1);
    ERR_clear_error();
    if (SSL_connect(v->ssl) != 1) {
        return false;
    }
    v->out = BIO_new(BIO_s_mem());
    assert_non_null(v->out);
    SSL_set0_wbio(v->ssl, v->out);
    return true;
}

void tls_visitor_end(struct tls_visitor *v)
{
    SSL_free(v->ssl);
    SSL_CTX_free(v->ctx);
    close(v->fd);
}

bool tls_visitor_say(struct tls_visitor *v, const void *bytes, size_t len)
{
    ERR_clear_error();
    return SSL_write(v->ssl, bytes, (int)len) == (int)len;
}

bool tls_visitor_replace_keys(struct tls_visitor *v)
{
    ERR_clear_error();
    return SSL_key_update(v->ssl, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(v->ssl) == 1;
}

bool tls_visitor_renegotiate(struct tls_visitor *v)
{
    ERR_clear_error();
    if (SSL_renegotiate(v->ssl) != 1) {
        return false;
    }
    set_patience(v->fd, 1); /* it would wait for an answer */
    (void)SSL_do_handshake(v->ssl);
    set_patience(v->fd, TLS_VISITOR_PATIENCE_MS);
    return true;
}

bool tls_visitor_flush(struct tls_visitor *v)
{
    char *bytes;
    long len = BIO_get_mem_data(v->out, &bytes);

    for (long sent = 0; sent < len;) {
        ssize_t n = send(v->fd, bytes + sent, (size_t)(len - sent), MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        sent += n;
    }
    (void)BIO_reset(v->out);
    return true;
}

ssize_t tls_visitor_hear(struct tls_visitor *v, void *bytes, size_t size, unsigned patience_ms)
{
    struct pollfd p = {.fd = v->fd, .events = POLLIN};

    if (SSL_pending(v->ssl) == 0 && poll(&p, 1, (int)patience_ms) <= 0) {
        return -1;
    }
    ERR_clear_error();
    int n = SSL_read(v->ssl, bytes, (int)size);
    return n > 0 ? n : SSL_get_error(v->ssl, n) == SSL_ERROR_WANT_READ ? -1 : 0;
}
