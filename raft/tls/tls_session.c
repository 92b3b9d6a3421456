/* tls_session.c - see tls_session.h. */
#include "tls_session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <pthread.h>

#include <openssl/err.h>

/* New keys cost 20 us, and the bytes that ask for them next to nothing: so often they may be replaced at
 * all, and once for so many bytes besides. GnuTLS does it after 2^24 records, OpenSSL never by itself. */
#define MESSAGES_MAX 64u
#define MESSAGES_BYTES (1u << 20)
#define BIO_KEEP (16u * 1024) /* bytes of room */

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int session_index; /* of the session, among an SSL's own data */

static void make_index(void)
{
    session_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    assert(session_index >= 0);
}

/* --- who is it? --- */

static bool fits(struct tls_session *s, X509 *certificate)
{
    char why[TLS_SENTENCE_MAX / 2], whose[TLS_WHOSE_MAX];
    struct certificate_name name;
    enum certificate_kind wanted = s->use == TLS_ACCEPT_CLIENT ? CERTIFICATE_CLIENT
                                                               : CERTIFICATE_NODE;

    if (!tls_certificate_name(certificate, &name, why, sizeof why)) {
        snprintf(s->why, sizeof s->why, "its certificate %s", why);
        return false;
    }
    tls_certificate_whose(&name, whose);
    if (strcmp(name.cluster, s->cluster) != 0) {
        snprintf(s->why, sizeof s->why, "its certificate is of %s, another cluster's", whose);
    } else if (name.kind != wanted && s->use != TLS_ACCEPT_EITHER) {
        snprintf(s->why, sizeof s->why, "its certificate is of %s; %s may come here", whose,
                 wanted == CERTIFICATE_NODE ? "only nodes" : "only clients");
    } else if (s->expected != 0 && name.node != s->expected) {
        snprintf(s->why, sizeof s->why, "its certificate is of %s; node %" PRIu64 " was expected",
                 whose, s->expected);
    } else {
        s->peer = name;
        s->named = true;
        return true;
    }
    return false;
}

/* Called for each certificate of the chain, the peer's own last. */
static int verify_cb(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_session *s = SSL_get_ex_data(ssl, session_index);

    if (good != 1) {
        if (s->why[0] == '\0') {
            snprintf(s->why, sizeof s->why, "its certificate %s",
                     tls_certificate_verdict(X509_STORE_CTX_get_error(store)));
        }
        return 0;
    }
    if (X509_STORE_CTX_get_error_depth(store) > 0) {
        return 1;
    }
    if (!fits(s, X509_STORE_CTX_get_current_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        return 0;
    }
    return 1;
}

/* Called for each message. What lies behind one too many is not looked at: without bytes OpenSSL returns. */
static void message_cb(int sent, int version, int type, const void *data, size_t len, SSL *ssl,
                       void *arg)
{
    struct tls_session *s = SSL_get_ex_data(ssl, session_index);

    (void)version;
    (void)data;
    (void)len;
    (void)arg;
    if (sent || type != SSL3_RT_HANDSHAKE || !s->named) {
        return;
    }
    if (++s->messages > MESSAGES_MAX + s->plain / MESSAGES_BYTES) {
        s->restless = true;
        (void)BIO_reset(s->in);
    }
}

/* --- life --- */

int tls_session_init(struct tls_session *s, SSL_CTX *ctx, enum tls_use use, const char *cluster,
                     uint64_t expected)
{
    *s = (struct tls_session){.use = use, .cluster = cluster, .expected = expected};
    ERR_clear_error();
    if (pthread_once(&index_once, make_index) != 0 || (s->ssl = SSL_new(ctx)) == NULL) {
        return -1;
    }
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    if (s->in == NULL || s->out == NULL || SSL_set_ex_data(s->ssl, session_index, s) != 1) {
        BIO_free(s->in);
        BIO_free(s->out);
        SSL_free(s->ssl);
        s->ssl = NULL;
        return -1;
    }
    (void)BIO_set_mem_eof_return(s->in, -1); /* empty is not the end */
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_verify(s->ssl, SSL_get_verify_mode(s->ssl), verify_cb);
    SSL_set_msg_callback(s->ssl, message_cb);
    if (use == TLS_DIAL_NODE) {
        SSL_set_connect_state(s->ssl);
    } else {
        SSL_set_accept_state(s->ssl);
    }
    return 0;
}

void tls_session_free(struct tls_session *s)
{
    SSL_free(s->ssl); /* and its BIOs */
    s->ssl = NULL;
}

void tls_session_move(struct tls_session *to, struct tls_session *from)
{
    *to = *from;
    *from = (struct tls_session){0};
    int rv = SSL_set_ex_data(to->ssl, session_index, to);
    assert(rv == 1); /* there is room: it was set before */
}

/* --- bytes --- */

/* An older error of this thread would be taken for this session's. There is none, as a rule, and to look costs
 * less than to clear room for 16. */
static void forget_errors(void)
{
    if (ERR_peek_error() != 0) {
        ERR_clear_error();
    }
}

int tls_session_feed(struct tls_session *s, const uint8_t *data, size_t len)
{
    return BIO_write(s->in, data, (int)len) == (int)len ? 0 : -1;
}

static bool is_no_tls(int code)
{
    switch (code) {
        case SSL_R_HTTP_REQUEST:
        case SSL_R_HTTPS_PROXY_REQUEST:
        case SSL_R_WRONG_VERSION_NUMBER:
#ifdef SSL_R_RECORD_LAYER_FAILURE /* OpenSSL 3.2 */
        case SSL_R_RECORD_LAYER_FAILURE:
#endif
        case SSL_R_PACKET_LENGTH_TOO_LONG: return true;
        default: return false;
    }
}

/* What went wrong, if nothing of ours has said so. */
static void explain(struct tls_session *s)
{
    unsigned long error = ERR_peek_error();
    const char *reason = ERR_reason_error_string(error);
    int code = ERR_GET_REASON(error);

    if (s->why[0] != '\0') {
        return;
    }
    if (is_no_tls(code)) {
        snprintf(s->why, sizeof s->why, "what it sends is not TLS");
    } else if (code == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        snprintf(s->why, sizeof s->why, "it has no certificate");
    } else if (code == SSL_R_UNSUPPORTED_PROTOCOL || code == SSL_R_NO_SHARED_CIPHER) {
        snprintf(s->why, sizeof s->why,
                 "it knows no version of TLS, or no cipher, that may be "
                 "used here");
    } else if (code == SSL_R_NO_SUITABLE_KEY_SHARE || code == SSL_R_NO_SHARED_GROUPS) {
        snprintf(s->why, sizeof s->why,
                 "it knows no key exchange that may be used here (X25519, P-256, P-384)");
    } else if (code >= SSL_AD_REASON_OFFSET && code < SSL_AD_REASON_OFFSET + 256) {
        snprintf(s->why, sizeof s->why, "it refuses this node's certificate or handshake (%s)",
                 SSL_alert_desc_string_long(code - SSL_AD_REASON_OFFSET));
    } else {
        snprintf(s->why, sizeof s->why, "TLS: %s", reason != NULL ? reason : "broken");
    }
}

enum tls_step tls_session_shake(struct tls_session *s)
{
    ERR_clear_error(); /* an older one of this thread would be taken for this one's */
    int rv = SSL_do_handshake(s->ssl);

    if (rv == 1) {
        if (s->named || (SSL_get_verify_mode(s->ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) == 0) {
            return TLS_DONE;
        }
        snprintf(s->why, sizeof s->why, "it has no certificate"); /* never: one is asked for */
        return TLS_FAILED;
    }
    if (SSL_get_error(s->ssl, rv) == SSL_ERROR_WANT_READ) {
        return TLS_GOES_ON;
    }
    explain(s);
    ERR_clear_error();
    return TLS_FAILED;
}

/* A memory BIO keeps the room of the most that was ever in it; thousands of connections would, too. */
static void trim(BIO *bio)
{
    BUF_MEM *mem = NULL;

    (void)BIO_get_mem_ptr(bio, &mem);
    if (mem->max > BIO_KEEP && BIO_ctrl_pending(bio) == 0) {
        BUF_MEM *fresh = BUF_MEM_new();
        if (fresh != NULL) {
            (void)BIO_set_mem_buf(bio, fresh, BIO_CLOSE); /* and frees the old one */
        }
    }
}

bool tls_session_has_more(const struct tls_session *s)
{
    return s->over || BIO_ctrl_pending(s->in) > 0 || SSL_pending(s->ssl) > 0;
}

ssize_t tls_session_read(struct tls_session *s, uint8_t *data, size_t len)
{
    if (s->over) {
        return -1;
    }
    if (!tls_session_has_more(s)) {
        trim(s->in);
        return 0; /* to find that out, OpenSSL takes as long as for a small record */
    }
    forget_errors();
    int rv = SSL_read(s->ssl, data, (int)len);

    if (rv > 0) {
        s->plain += (uint64_t)rv;
        return rv;
    }
    int error = SSL_get_error(s->ssl, rv);
    if (!s->restless && error == SSL_ERROR_WANT_READ) {
        return 0;
    }
    s->over = true;
    if (s->restless) {
        snprintf(s->why, sizeof s->why, "it replaces its keys again and again");
    } else if (error != SSL_ERROR_ZERO_RETURN) {
        explain(s);
    }
    ERR_clear_error();
    return -1;
}

int tls_session_write(struct tls_session *s, const uint8_t *data, size_t len)
{
    forget_errors();
    int rv = SSL_write(s->ssl, data, (int)len); /* the BIO takes all: no partial writes */

    if (rv == (int)len) {
        return 0;
    }
    explain(s);
    ERR_clear_error();
    return -1;
}

void tls_session_end(struct tls_session *s)
{
    ERR_clear_error();
    (void)SSL_shutdown(s->ssl);
    ERR_clear_error();
}

size_t tls_session_to_send(const struct tls_session *s, uint8_t **data)
{
    char *at = NULL;
    long len = BIO_get_mem_data(s->out, &at);

    *data = (uint8_t *)at;
    return len > 0 ? (size_t)len : 0;
}

void tls_session_sent(struct tls_session *s)
{
    (void)BIO_reset(s->out);
    trim(s->out);
}
