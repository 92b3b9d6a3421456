/* client_look.c - see client_look.h. The sentences about certificates are in client_look_words.c. */
#include "client_look.h"

#include <errno.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <netdb.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client_look_words.h"
#include "../base/clocks.h"
#include "../text/units.h"

#define GREETING_MS 500 /* for the eight bytes that open a connection */
#define GREETING_SIZE 8
#define RECORD_ALERT 0x15 /* RFC 5246, 6.2.1 */
#define RECORD_HANDSHAKE 0x16
#define ALERT_SIZE 7 /* of a whole record that is one */
#define DRAIN_MS 200 /* for an alert that was under way when the connection broke */
#define HEARD_A_CERTIFICATE \
    300 /* bytes: the node's hello and its certificate are longer, an alert is not */

static const uint8_t greeting_req[GREETING_SIZE] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

/* What an SP server does when it is greeted. */
enum greeted {
    GREETED_NOT, /* it hangs up */
    GREETED_LATE,
    GREETED_STRANGELY,
    GREETED,
};

/* What came of a connection with TLS. */
enum outcome {
    OUTCOME_NOTHING,   /* no TLS is spoken there, or nobody is there */
    OUTCOME_TLS,       /* it is, but what is wrong was not found */
    OUTCOME_EXPLAINED, /* what is wrong was found */
    OUTCOME_GOOD,
};

/* A connection, and what came over it. */
struct line {
    int fd;
    uint64_t until_ms;
    size_t received;
    uint8_t first; /* byte */
    uint8_t last[ALERT_SIZE];
};

/* ---------------------------------------------------------------- the connection */

/* False: not until then. */
static bool wait_for(const struct line *line, short events)
{
    struct pollfd p = {.fd = line->fd, .events = events};

    for (;;) {
        uint64_t now_ms = clocks_running_ms();
        if (now_ms >= line->until_ms) {
            return false;
        }
        int rv = poll(&p, 1, (int)(line->until_ms - now_ms));
        if (rv > 0) {
            return true;
        }
        if (rv < 0 && errno != EINTR) {
            return false;
        }
    }
}

static bool connect_to(struct line *line, const struct addrinfo *to)
{
    int error = 0;
    socklen_t len = sizeof error;

    if (connect(line->fd, to->ai_addr, to->ai_addrlen) == 0) {
        return true;
    }
    if (errno != EINPROGRESS) {
        return false;
    }
    if (!wait_for(line, POLLOUT)) {
        errno = ETIMEDOUT;
        return false;
    }
    if (getsockopt(line->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0) {
        return true;
    }
    errno = error;
    return false;
}

static void line_close(const struct client_look *look, struct line *line)
{
    if (line->fd >= 0) {
        if (look->uses != NULL) {
            (void)look->uses(look->arg, -1);
        }
        close(line->fd);
        line->fd = -1;
    }
}

/* False: nobody is there, and `why` says how that showed. */
static bool line_open(const struct client_look *look, struct line *line, const char **why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char host[256], service[16];
    unsigned port;

    *line = (struct line){.fd = -1};
    if (!units_split_address(look->address, host, sizeof host, &port)) {
        *why = "it is no address";
        return false;
    }
    snprintf(service, sizeof service, "%u", port);
    int rv = getaddrinfo(host, service, &hints, &found);
    if (rv != 0) {
        *why = gai_strerror(rv);
        return false;
    }
    line->until_ms = clocks_running_ms() + CLIENT_LOOK_MS / 2;
    line->fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool up = line->fd >= 0 && (look->uses == NULL || look->uses(look->arg, line->fd)) &&
              connect_to(line, found);
    if (!up) {
        *why = strerrordesc_np(errno);
        line_close(look, line);
    }
    freeaddrinfo(found);
    return up;
}

static int line_send(void *arg, const unsigned char *data, size_t len)
{
    struct line *line = arg;

    if (!wait_for(line, POLLOUT)) {
        return MBEDTLS_ERR_SSL_TIMEOUT;
    }
    ssize_t n = send(line->fd, data, len, MSG_NOSIGNAL);
    return n >= 0            ? (int)n
           : errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_WRITE
                             : MBEDTLS_ERR_SSL_CONN_EOF;
}

static int line_receive(void *arg, unsigned char *out, size_t len)
{
    struct line *line = arg;

    if (!wait_for(line, POLLIN)) {
        return MBEDTLS_ERR_SSL_TIMEOUT;
    }
    ssize_t n = recv(line->fd, out, len, 0);
    if (n <= 0) {
        return n < 0 && errno == EAGAIN ? MBEDTLS_ERR_SSL_WANT_READ : MBEDTLS_ERR_SSL_CONN_EOF;
    }
    if (line->received == 0) {
        line->first = out[0];
    }
    size_t kept = (size_t)n < ALERT_SIZE ? (size_t)n : ALERT_SIZE;
    memmove(line->last, line->last + kept, ALERT_SIZE - kept);
    memcpy(line->last + ALERT_SIZE - kept, out + n - kept, kept);
    line->received += (size_t)n;
    return (int)n;
}

/* Was an alert the last that came? A node that refuses us sends one and hangs up, which may show first, as
 * something that cannot be sent any more. */
static bool ended_with_alert(struct line *line, uint8_t *alert)
{
    unsigned char rest[512];

    line->until_ms = clocks_running_ms() + DRAIN_MS;
    while (line_receive(line, rest, sizeof rest) > 0) {
    }
    *alert = line->last[ALERT_SIZE - 1];
    return line->received >= ALERT_SIZE && line->last[0] == RECORD_ALERT && line->last[1] == 3 &&
           line->last[3] == 0 && line->last[4] == 2;
}

/* ---------------------------------------------------------------- plain */

static bool is_greeting(const uint8_t greeting[GREETING_SIZE])
{
    return greeting[0] == 0 && greeting[1] == 'S' && greeting[2] == 'P';
}

/* What does an SP server without TLS do there? LATE also: it cannot be connected to. */
static enum greeted greet_plainly(const struct client_look *look)
{
    uint8_t greeting[GREETING_SIZE];
    struct line line;
    const char *why;
    size_t got = 0;
    int n = 1;

    if (!line_open(look, &line, &why)) {
        return GREETED_LATE;
    }
    line.until_ms = clocks_running_ms() + GREETING_MS;
    bool sent = line_send(&line, greeting_req, sizeof greeting_req) == sizeof greeting_req;
    while (sent && n > 0 && got < sizeof greeting) {
        n = line_receive(&line, greeting + got, sizeof greeting - got);
        got += n > 0 ? (size_t)n : 0;
    }
    line_close(look, &line);
    if (got == sizeof greeting) {
        return is_greeting(greeting) ? GREETED : GREETED_STRANGELY;
    }
    return n == MBEDTLS_ERR_SSL_TIMEOUT ? GREETED_LATE : GREETED_NOT;
}

/* ---------------------------------------------------------------- TLS */

/* A handshake by TLS 1.2, and what is wrong with the node's certificate is told afterwards. */
struct handshake {
    mbedtls_ssl_config config;
    mbedtls_ssl_context ssl;
    mbedtls_x509_crt ca;
    mbedtls_x509_crt cert;
    mbedtls_pk_context key;
};

static void handshake_init(struct handshake *h)
{
    mbedtls_ssl_config_init(&h->config);
    mbedtls_ssl_init(&h->ssl);
    mbedtls_x509_crt_init(&h->ca);
    mbedtls_x509_crt_init(&h->cert);
    mbedtls_pk_init(&h->key);
}

static void handshake_free(struct handshake *h)
{
    mbedtls_ssl_free(&h->ssl);
    mbedtls_ssl_config_free(&h->config);
    mbedtls_x509_crt_free(&h->ca);
    mbedtls_x509_crt_free(&h->cert);
    mbedtls_pk_free(&h->key);
}

static int handshake_own(struct handshake *h, const struct client_tls_files *files)
{
    if (files->cert == NULL) {
        return 0;
    }
    int rv = mbedtls_x509_crt_parse(&h->cert, (const unsigned char *)files->cert,
                                    strlen(files->cert) + 1);
    if (rv == 0) {
        rv = client_tls_parse_key(&h->key, files->key);
    }
    return rv != 0 ? rv : mbedtls_ssl_conf_own_cert(&h->config, &h->cert, &h->key);
}

/* TLS 1.2, which nng's client speaks. */
static void handshake_of_tls_1_2(mbedtls_ssl_config *config)
{
#if MBEDTLS_VERSION_NUMBER < 0x03020000
    mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
    mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
#else
    mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
    mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#endif
}

/* `files` NULL: nothing is checked, as it is only of interest whether TLS is spoken. */
static int handshake_configure(struct handshake *h, const struct client_tls_files *files)
{
    int rv = mbedtls_ssl_config_defaults(&h->config, MBEDTLS_SSL_IS_CLIENT,
                                         MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT);

    mbedtls_ssl_conf_rng(&h->config, client_tls_random, NULL);
    mbedtls_ssl_conf_authmode(&h->config, MBEDTLS_SSL_VERIFY_NONE);
    handshake_of_tls_1_2(&h->config);
    if (rv != 0 || files == NULL) {
        return rv;
    }
    mbedtls_ssl_conf_authmode(&h->config, MBEDTLS_SSL_VERIFY_OPTIONAL);
    rv = mbedtls_x509_crt_parse(&h->ca, (const unsigned char *)files->ca, strlen(files->ca) + 1);
    mbedtls_ssl_conf_ca_chain(&h->config, &h->ca, NULL);
    return rv != 0 ? rv : handshake_own(h, files);
}

static int handshake_run(struct handshake *h, struct line *line, const char *name)
{
    int rv = mbedtls_ssl_setup(&h->ssl, &h->config);

    if (rv == 0 && name != NULL) {
        rv = mbedtls_ssl_set_hostname(&h->ssl, name);
    }
    if (rv != 0) {
        return rv;
    }
    mbedtls_ssl_set_bio(&h->ssl, line, line_send, line_receive, NULL);
    do {
        rv = mbedtls_ssl_handshake(&h->ssl);
    } while (rv == MBEDTLS_ERR_SSL_WANT_READ || rv == MBEDTLS_ERR_SSL_WANT_WRITE);
    return rv;
}

/* The handshake was fine. Does the node talk with us, too? */
static enum greeted greet_inside(struct handshake *h, struct line *line)
{
    uint8_t greeting[GREETING_SIZE];
    size_t got = 0;
    int rv;

    line->until_ms = clocks_running_ms() + GREETING_MS;
    do {
        rv = mbedtls_ssl_write(&h->ssl, greeting_req, sizeof greeting_req);
    } while (rv == MBEDTLS_ERR_SSL_WANT_READ || rv == MBEDTLS_ERR_SSL_WANT_WRITE);
    while (rv > 0 && got < sizeof greeting) {
        rv = mbedtls_ssl_read(&h->ssl, greeting + got, sizeof greeting - got);
        got += rv > 0 ? (size_t)rv : 0;
        rv = rv == MBEDTLS_ERR_SSL_WANT_READ || rv == MBEDTLS_ERR_SSL_WANT_WRITE ? 1 : rv;
    }
    if (got == sizeof greeting) {
        return is_greeting(greeting) ? GREETED : GREETED_STRANGELY;
    }
    return rv == MBEDTLS_ERR_SSL_TIMEOUT ? GREETED_LATE : GREETED_NOT;
}

static bool speaks_tls(const struct line *line)
{
    return line->received > 0 && (line->first == RECORD_ALERT || line->first == RECORD_HANDSHAKE);
}

/* The handshake came to its end, whatever the node's certificate is. */
static enum outcome judge_shaken(const struct client_look *look, struct handshake *h,
                                 struct line *line, bool own_cert, char *text)
{
    uint32_t flags = mbedtls_ssl_get_verify_result(&h->ssl);
    const mbedtls_x509_crt *peer = mbedtls_ssl_get_peer_cert(&h->ssl);

    if (flags != 0 && peer != NULL) {
        client_look_certificate(look, peer, &h->ca, flags, text);
        return OUTCOME_EXPLAINED;
    }
    switch (greet_inside(h, line)) {
        case GREETED: return OUTCOME_GOOD;
        case GREETED_NOT:
            client_look_say(
                text, look->address,
                "it took the TLS connection and closed it at once: it does not accept this"
                " client%s; its log says why",
                own_cert ? "'s certificate" : ", which has no certificate");
            return OUTCOME_EXPLAINED;
        case GREETED_STRANGELY:
            client_look_say(text, look->address,
                            "it speaks TLS, but is no node's port for clients: check --endpoints");
            return OUTCOME_EXPLAINED;
        default: return OUTCOME_TLS; /* it is slow, but did not hang up */
    }
}

/* It did not: the node broke it off, or what it says is not understood. */
static enum outcome judge_broken(const struct client_look *look, struct line *line, int rv,
                                 bool own_cert, char *text)
{
    bool heard_cert = line->received > HEARD_A_CERTIFICATE;
    uint8_t alert;

    if (line->received == 0 && rv == MBEDTLS_ERR_SSL_TIMEOUT) {
        client_look_say(text, look->address,
                        "it takes connections, and does not answer: it hangs, or is no node");
        return OUTCOME_EXPLAINED;
    }
    bool alerted = ended_with_alert(line, &alert);
    if (!speaks_tls(line)) {
        return OUTCOME_NOTHING;
    }
    if (alerted || (heard_cert && rv == MBEDTLS_ERR_SSL_CONN_EOF)) {
        client_look_alert(look, alerted ? alert : 0, own_cert, heard_cert, text);
        return OUTCOME_EXPLAINED;
    }
    if (rv == MBEDTLS_ERR_SSL_TIMEOUT) {
        return OUTCOME_TLS;
    }
    client_look_say(
        text, look->address,
        "the TLS handshake failed (mbedTLS error -0x%04x): it may offer no TLS 1.2, or have"
        " an Ed25519 certificate; nodes need P-256, P-384 or RSA",
        (unsigned)-rv);
    return OUTCOME_EXPLAINED;
}

/* `files` NULL: nothing is checked, as it is only of interest whether TLS is spoken; then nothing is
 * explained. */
static enum outcome look_by_tls(const struct client_look *look,
                                const struct client_tls_files *files, char *text)
{
    enum outcome outcome = OUTCOME_NOTHING;
    struct handshake h;
    struct line line;
    const char *why;

    if (!line_open(look, &line, &why)) {
        if (files == NULL) {
            return OUTCOME_NOTHING;
        }
        client_look_say(text, look->address, "it cannot be connected to: %s", why);
        return OUTCOME_EXPLAINED;
    }
    handshake_init(&h);
    int rv = handshake_configure(&h, files);
    if (rv == 0) {
        rv = handshake_run(&h, &line, files != NULL ? look->name : NULL);
        outcome = files == NULL ? (speaks_tls(&line) ? OUTCOME_TLS : OUTCOME_NOTHING)
                  : rv == 0     ? judge_shaken(look, &h, &line, files->cert != NULL, text)
                                : judge_broken(look, &line, rv, files->cert != NULL, text);
    }
    handshake_free(&h);
    line_close(look, &line);
    return outcome;
}

/* ---------------------------------------------------------------- either */

static bool look_without_tls(const struct client_look *look, char *text)
{
    enum greeted greeted = greet_plainly(look);

    /* One that is slow is not troubled further. */
    if (greeted == GREETED || greeted == GREETED_LATE ||
        look_by_tls(look, NULL, text) == OUTCOME_NOTHING) {
        return false;
    }
    client_look_say(
        text, look->address,
        "it speaks TLS, and this client does not: give the cluster's CA (tls_ca; --tls-ca"
        " FILE, or ORDERSCHED_TLS_CA)");
    return true;
}

static enum outcome look_with_tls(const struct client_look *look, char *text)
{
    struct client_tls_files files;
    char why[CLIENT_LOOK_TEXT / 2];

    if (!client_tls_files_read(look->paths, &files, why, sizeof why)) {
        client_look_say(text, look->address,
                        "no connection comes, and %s, so that what was read before is still used",
                        why);
        return OUTCOME_EXPLAINED;
    }
    enum outcome outcome = look_by_tls(look, &files, text);
    client_tls_files_free(&files);
    if (outcome == OUTCOME_NOTHING && greet_plainly(look) == GREETED) {
        client_look_say(
            text, look->address,
            "it speaks plain TCP, and this client TLS: nothing was sent to it. Start the"
            " node with TLS, or leave the client's CA away (tls_ca, --tls-ca,"
            " ORDERSCHED_TLS_CA)");
        return OUTCOME_EXPLAINED;
    }
    return outcome;
}

bool client_look(const struct client_look *look, char text[CLIENT_LOOK_TEXT])
{
    return look->paths == NULL ? look_without_tls(look, text)
                               : look_with_tls(look, text) == OUTCOME_EXPLAINED;
}

bool client_look_greets(const struct client_look *look)
{
    char text[CLIENT_LOOK_TEXT];

    return look->paths == NULL ? greet_plainly(look) == GREETED
                               : look_with_tls(look, text) == OUTCOME_GOOD;
}
