/* client_engine.c - see client_engine.h: what nng asks of an engine. nng calls all that belongs to one
 * connection under one lock. */
#include "client_engine.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <nng/supplemental/tls/tls.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <string.h>

#include "client_engine_bio.h"
#include "client_engine_config.h"
#include "client_engine_peer.h"
#include "client_gather.h"

struct nng_tls_engine_conn {
    SSL *ssl; /* NULL: it was never begun */
    bool shaken;
    int error;    /* nng's: nothing more comes or goes */
    bool sealing; /* what was gathered is a record, which has not left yet */
    size_t held;  /* bytes of the piece that nng hands over, which are gathered */
    struct client_gather gather;
};

/* --- life --- */

static int conn_init(nng_tls_engine_conn *c, void *nng, nng_tls_engine_config *config)
{
    ERR_clear_error();
    c->ssl = client_engine_config_begin(config);
    BIO *bio = c->ssl != NULL ? client_engine_bio_new(nng) : NULL;
    if (bio == NULL) {
        SSL_free(c->ssl);
        c->ssl = NULL;
        return NNG_ENOMEM;
    }
    SSL_set_bio(c->ssl, bio, bio);
    return 0;
}

static void conn_fini(nng_tls_engine_conn *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
}

static void conn_close(nng_tls_engine_conn *c)
{
    if (c->shaken && c->error == 0 && !c->sealing) {
        ERR_clear_error();
        (void)SSL_shutdown(c->ssl); /* a goodbye; it is not answered, and may be lost */
    }
    c->error = NNG_ECLOSED;
    ERR_clear_error();
}

/* --- bytes --- */

/* What `rv`, which is not positive, of one of OpenSSL's functions means. */
static int conn_judge(nng_tls_engine_conn *c, int rv)
{
    switch (SSL_get_error(c->ssl, rv)) {
        case SSL_ERROR_WANT_READ:
        case SSL_ERROR_WANT_WRITE: return NNG_EAGAIN;
        case SSL_ERROR_ZERO_RETURN: c->error = NNG_ECLOSED; break;
        case SSL_ERROR_SYSCALL: c->error = NNG_ECLOSED; break;
        default: c->error = c->shaken ? NNG_ECRYPTO : NNG_EPEERAUTH; break;
    }
    ERR_clear_error();
    return c->error;
}

static int conn_handshake(nng_tls_engine_conn *c)
{
    if (c->error != 0 || c->shaken) {
        return c->error;
    }
    ERR_clear_error(); /* an older one of this thread would be taken for this one's */
    int rv = SSL_do_handshake(c->ssl);
    if (rv != 1) {
        return conn_judge(c, rv);
    }
    c->shaken = true;
    return 0;
}

static int conn_recv(nng_tls_engine_conn *c, uint8_t *data, size_t *len)
{
    int rv = conn_handshake(c); /* nng reads before it has shaken hands */

    if (rv != 0) {
        return rv;
    }
    ERR_clear_error();
    rv = SSL_read_ex(c->ssl, data, *len, len);
    return rv == 1 ? 0 : conn_judge(c, rv);
}

/* The record leaves. NNG_EAGAIN: a part of it, and nng asks again. */
static int conn_seal(nng_tls_engine_conn *c)
{
    ERR_clear_error();
    int rv = SSL_write(c->ssl, c->gather.bytes, (int)c->gather.len);
    if (rv <= 0) {
        return conn_judge(c, rv);
    }
    assert((size_t)rv == c->gather.len); /* no partial writes */
    client_gather_forget(&c->gather);
    c->sealing = false;
    return 0;
}

/* All of it, or nothing: what was gathered of a piece that could not leave yet is known when nng hands the
 * same one over again, as it does unless the connection ends. */
static int conn_send(nng_tls_engine_conn *c, const uint8_t *data, size_t *len)
{
    int rv = conn_handshake(c);

    while (rv == 0 && (c->sealing || c->held < *len)) {
        if (!c->sealing) {
            c->held += client_gather_take(&c->gather, data + c->held, *len - c->held, &c->sealing);
        }
        rv = c->sealing ? conn_seal(c) : 0;
    }
    if (rv == 0) {
        *len = c->held;
        c->held = 0;
    }
    return rv;
}

/* --- whose it is --- */

static bool conn_verified(nng_tls_engine_conn *c)
{
    return c->shaken && client_engine_peer_is_verified(c->ssl);
}

#if NNG_MAJOR_VERSION > 1 || NNG_MINOR_VERSION >= 6
static char *conn_peer_cn(nng_tls_engine_conn *c)
{
    return client_engine_peer_cn(c->ssl);
}

static char **conn_peer_alt_names(nng_tls_engine_conn *c)
{
    return client_engine_peer_alt_names(c->ssl);
}
#endif

/* --- the engine --- */

static nng_tls_engine_conn_ops conn_ops = {
    .size = sizeof(nng_tls_engine_conn),
    .init = conn_init,
    .fini = conn_fini,
    .close = conn_close,
    .handshake = conn_handshake,
    .recv = conn_recv,
    .send = conn_send,
    .verified = conn_verified,
#if NNG_MAJOR_VERSION > 1 || NNG_MINOR_VERSION >= 6
    .peer_cn = conn_peer_cn,
    .peer_alt_names = conn_peer_alt_names,
#endif
};

static const nng_tls_engine engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &client_engine_config_ops,
    .conn_ops = &conn_ops,
    .name = "orderschedd",
    .description = OPENSSL_VERSION_TEXT,
};

/* Of the engines that nng brings along. A program that has registered another one meant it. */
static bool nng_has_its_own(void)
{
    const char *name = nng_tls_engine_name();

    return strcmp(name, "mbed") == 0 || strcmp(name, "wolfSSL") == 0;
}

void client_engine_use(void)
{
    if (nng_has_its_own()) { /* again after nng_fini() */
        (void)nng_tls_engine_register(&engine);
    }
}
