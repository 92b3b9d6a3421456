/* tls_front.c - see tls_front.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tls_front.h"
#include "cluster/process.h"

#define STEP_MS 20
#define STUCK_S 10 /* one that says nothing in the middle of a record */

struct connection {
    struct tls_front *front;
    int fd;
    unsigned cuts;
};

static SSL_CTX *make_context(const struct tls_front *f)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    if (context == NULL ||
        SSL_CTX_set_min_proto_version(context, f->only_tls13 ? TLS1_3_VERSION : TLS1_2_VERSION) !=
            1 ||
        SSL_CTX_use_certificate_chain_file(context, f->cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, f->key, SSL_FILETYPE_PEM) != 1) {
        SSL_CTX_free(context);
        return NULL; /* files that are just being replaced */
    }
    if (f->client_ca != NULL) {
        if (SSL_CTX_load_verify_locations(context, f->client_ca, NULL) != 1) {
            abort();
        }
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    return context;
}

static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Pass bytes to and fro until one side ends. */
static void pass_on(struct connection *c, SSL *ssl, int behind)
{
    char buf[16384];

    while (!c->front->stop && c->front->cuts == c->cuts) {
        struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = behind, .events = POLLIN}};
        if (SSL_pending(ssl) == 0 && poll(p, 2, STEP_MS) <= 0) {
            continue;
        }
        if (SSL_pending(ssl) > 0 || p[0].revents != 0) {
            int n = SSL_read(ssl, buf, sizeof buf); /* never of two records */
            c->front->records += n > 0;
            if (n <= 0 || !send_all(behind, buf, (size_t)n)) {
                return;
            }
        }
        if (p[1].revents != 0) {
            ssize_t n = recv(behind, buf, sizeof buf, 0);
            if (n <= 0 || SSL_write(ssl, buf, (int)n) != n) {
                return;
            }
        }
    }
}

static void serve(struct connection *c, SSL_CTX *context)
{
    struct timeval stuck = {.tv_sec = STUCK_S};
    int yes = 1;
    SSL *ssl = SSL_new(context);

    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &stuck, sizeof stuck);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (ssl == NULL || SSL_set_fd(ssl, c->fd) != 1) {
        abort();
    }
    if (SSL_accept(ssl) == 1) {
        X509 *cert = SSL_get1_peer_certificate(ssl);
        c->front->shaken++;
        c->front->with_cert += cert != NULL;
        X509_free(cert);
        int behind = connect_to_port((unsigned)c->front->port_behind);
        if (behind >= 0) {
            setsockopt(behind, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            pass_on(c, ssl, behind);
            close(behind);
        }
        SSL_shutdown(ssl);
    }
    SSL_free(ssl);
    ERR_clear_error();
}

static void *connection_run(void *arg)
{
    struct connection *c = arg;
    SSL_CTX *context = make_context(c->front);

    if (context != NULL) {
        serve(c, context);
    }
    ERR_clear_error();
    SSL_CTX_free(context);
    shutdown(c->fd, SHUT_WR); /* an alert that is on its way is to arrive */
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    (void)poll(&p, 1, STEP_MS);
    close(c->fd);
    c->front->live--;
    free(c);
    return NULL;
}

static void *front_run(void *arg)
{
    struct tls_front *f = arg;

    while (!f->stop) {
        struct pollfd p = {.fd = f->fd, .events = POLLIN};
        if (poll(&p, 1, STEP_MS) <= 0) {
            continue;
        }
        struct connection *c = calloc(1, sizeof *c);
        pthread_t thread;
        if (c == NULL || (c->fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC)) < 0) {
            abort();
        }
        c->front = f;
        c->cuts = f->cuts;
        f->accepted++;
        f->live++;
        if (pthread_create(&thread, NULL, connection_run, c) != 0) {
            abort();
        }
        pthread_detach(thread);
    }
    return NULL;
}

static int listen_at(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&in, sizeof in) == 0 && listen(fd, 64) == 0);
    return fd;
}

void tls_front_start(struct tls_front *f)
{
    unsigned port = (unsigned)f->port;

    signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
    f->fd = port == 0 ? listen_somewhere(&port) : listen_at(f->port);
    f->port = (int)port;
    f->stop = false;
    snprintf(f->address, sizeof f->address, "127.0.0.1:%u", port);
    assert_int_equal(pthread_create(&f->thread, NULL, front_run, f), 0);
}

void tls_front_cut(struct tls_front *f)
{
    unsigned accepted = f->accepted;

    f->cuts++;
    for (int i = 0; i < 15000 && f->live > 0 && f->accepted == accepted; i++) {
        sleep_ms(1);
    }
}

void tls_front_end(struct tls_front *f)
{
    f->stop = true;
    pthread_join(f->thread, NULL);
    close(f->fd);
    for (int i = 0; i < 15000 && f->live > 0; i++) {
        sleep_ms(1);
    }
    assert_int_equal(f->live, 0);
}
