/* pest.c - see pest.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../client/base/descriptors.h"
#include "../../../client/wire/protocol.h"
#include "../cluster/process.h"
#include "pest.h"
#include "visitor.h"

#define BATCH 16384 /* bytes that are said at once */
#define PACE_US \
    100 /* thousands a second, and not all that the kernel can do: that would be a test of it */

/* What it says to who started it, and is told. */
struct pest_shared {
    atomic_uint n;
    atomic_bool stop;
};

/* In its own process. */
struct self {
    struct tls_stranger who;
    bool is_client;
    struct pest_shared *shared;
};

static bool stops(const struct self *p)
{
    return atomic_load(&p->shared->stop);
}

static void count(struct self *p)
{
    atomic_fetch_add(&p->shared->n, 1);
}

static void wait_for_the_end(const struct self *p)
{
    while (!stops(p)) {
        usleep(2000);
    }
}

/* --- strangers --- */

/* A hello of OpenSSL's. Its length. */
static size_t hello_of(const struct self *p, uint8_t *bytes, size_t size)
{
    SSL_CTX *ctx = tls_stranger_context(&p->who);
    SSL *ssl = SSL_new(ctx);
    BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

    assert_true(ssl != NULL && in != NULL && out != NULL);
    SSL_set_bio(ssl, in, out);
    SSL_set_connect_state(ssl);
    (void)SSL_do_handshake(ssl);
    int n = BIO_read(out, bytes, (int)size);
    assert_in_range(n, 100, size - 1);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    return (size_t)n;
}

static void do_half_open(struct self *p)
{
    static int fds[PEST_CROWD];
    uint8_t hello[4096];
    size_t len = hello_of(p, hello, sizeof hello);
    unsigned n = 0;

    for (; n < PEST_CROWD && !stops(p); n++) {
        fds[n] = tls_stranger_connect(&p->who);
        if (n % 2 == 1) {
            (void)send(fds[n], hello, len / 2, MSG_NOSIGNAL);
        }
        count(p);
    }
    wait_for_the_end(p);
    while (n > 0) {
        close(fds[--n]);
    }
}

static void close_with_a_reset(int fd)
{
    struct linger none = {.l_onoff = 1, .l_linger = 0};

    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(fd);
}

static void do_reset(struct self *p)
{
    close_with_a_reset(tls_stranger_connect(&p->who));
    count(p);
    usleep(PACE_US);
}

static void do_hello(struct self *p)
{
    uint8_t hello[4096];
    size_t len = hello_of(p, hello, sizeof hello);

    while (!stops(p)) {
        int fd = tls_stranger_connect(&p->who);
        (void)send(fd, hello, len, MSG_NOSIGNAL);
        usleep(200); /* it is read before the reset */
        close_with_a_reset(fd);
        count(p);
    }
}

static void do_noise(struct self *p)
{
    uint8_t noise[BATCH];
    int fd = tls_stranger_connect(&p->who);

    assert_int_equal(RAND_bytes(noise, sizeof noise), 1);
    (void)send(fd, noise, sizeof noise, MSG_NOSIGNAL);
    (void)tls_stranger_is_closed(fd, 100);
    close(fd);
    count(p);
    usleep(PACE_US);
}

static void do_knock(struct self *p)
{
    (void)tls_stranger_try(&p->who, 100, NULL);
    count(p);
}

/* --- with a certificate --- */

/* What clients say first; nodes' port has another protocol, in which it is garbage, too. */
static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

/* As many as come in. */
static unsigned come_in(struct self *p, struct tls_visitor *v, unsigned max)
{
    unsigned n = 0;

    while (n < max && !stops(p)) {
        if (!tls_visitor_begin(&v[n], &p->who)) {
            tls_visitor_end(&v[n]);
            break;
        }
        n++;
        count(p);
    }
    return n;
}

static void leave(struct tls_visitor *v, unsigned n)
{
    while (n > 0) {
        tls_visitor_end(&v[--n]);
    }
}

static void do_silent(struct self *p)
{
    struct tls_visitor v[PEST_VISITORS];
    unsigned n = come_in(p, v, PEST_VISITORS);

    wait_for_the_end(p);
    leave(v, n);
}

static void do_half_closed(struct self *p)
{
    struct tls_visitor v[PEST_VISITORS];
    unsigned n = come_in(p, v, PEST_VISITORS);

    for (unsigned i = 0; i < n; i++) {
        (void)shutdown(v[i].fd, SHUT_WR);
    }
    wait_for_the_end(p);
    leave(v, n);
}

/* Comes in, says this, and is in again once it is closed. */
static void say_and_leave(struct self *p, const void *bytes, size_t len)
{
    struct tls_visitor v;
    uint8_t heard[256];

    if (tls_visitor_begin(&v, &p->who) && tls_visitor_say(&v, bytes, len) &&
        tls_visitor_flush(&v)) {
        while (tls_visitor_hear(&v, heard, sizeof heard, 100) > 0) {
        }
    }
    tls_visitor_end(&v);
    count(p);
}

static void do_garbage(struct self *p)
{
    uint8_t noise[BATCH];

    assert_int_equal(RAND_bytes(noise, sizeof noise), 1);
    say_and_leave(p, noise, sizeof noise);
}

static void do_huge(struct self *p)
{
    uint8_t bytes[BATCH] = {0};

    memcpy(bytes, greeting, p->is_client ? sizeof greeting : 0);
    bytes[p->is_client ? sizeof greeting : 0] = 0x40;
    say_and_leave(p, bytes, sizeof bytes);
}

/* One visitor who does the same without end, and comes again once it is closed. */
static void go_on(struct self *p, bool (*one)(struct tls_visitor *v))
{
    struct tls_visitor v;
    bool in = tls_visitor_begin(&v, &p->who);

    while (in && !stops(p)) {
        char *bytes;
        do {
            in = one(&v);
            count(p);
        } while (in && BIO_get_mem_data(v.out, &bytes) < BATCH && !stops(p));
        in = in && tls_visitor_flush(&v);
    }
    tls_visitor_end(&v);
}

static void do_keys(struct self *p)
{
    go_on(p, tls_visitor_replace_keys);
}

static bool say_a_crumb(struct tls_visitor *v)
{
    return tls_visitor_say(v, "\0", 1);
}

static void do_crumbs(struct self *p)
{
    go_on(p, say_a_crumb);
}

/* OpenSSL's client gives up at the first refusal. */
static void do_renegotiate(struct self *p)
{
    struct tls_visitor v;
    char some[64];

    p->who.version_max = TLS1_2_VERSION;
    if (tls_visitor_begin(&v, &p->who) && tls_visitor_renegotiate(&v) && tls_visitor_flush(&v)) {
        (void)tls_visitor_hear(&v, some, sizeof some, 100);
    }
    tls_visitor_end(&v);
    count(p);
}

/* More than fits into the buffers of the kernel, and the 4 MiB besides after which it is not read from. */
#define DEAF_MESSAGES 1000

/* A read of 256 operations, whose answer is long. */
static void ask_much(struct buffer *b, uint32_t request)
{
    struct operation status = {.code = OPERATION_ROUTE_LIST};
    uint8_t *head = b->data;

    buffer_reset(b);
    buffer_append(b, "0123456789ab", 12);
    request_encode_head(b, "orderschedd", PROTOCOL_LOCAL, 256);
    for (unsigned i = 0; i < 256; i++) {
        operation_encode(b, &status);
    }
    head = b->data;
    for (unsigned i = 0; i < 8; i++) {
        head[i] = (uint8_t)((uint64_t)(b->len - 8) >> (56 - 8 * i));
    }
    request |= 0x80000000u;
    for (unsigned i = 0; i < 4; i++) {
        head[8 + i] = (uint8_t)(request >> (24 - 8 * i));
    }
}

static void do_deaf(struct self *p)
{
    struct tls_visitor v[PEST_VISITORS];
    struct buffer b = {0};
    unsigned n = come_in(p, v, PEST_DEAF_VISITORS);

    for (unsigned i = 0; i < n; i++) {
        struct timeval short_patience = {.tv_usec = 100000};
        setsockopt(v[i].fd, SOL_SOCKET, SO_SNDTIMEO, &short_patience, sizeof short_patience);
        (void)tls_visitor_say(&v[i], greeting, sizeof greeting);
        for (unsigned k = 0; k < DEAF_MESSAGES && !stops(p); k++) {
            ask_much(&b, k);
            if (!tls_visitor_say(&v[i], b.data, b.len) || !tls_visitor_flush(&v[i])) {
                break;
            }
        }
    }
    wait_for_the_end(p);
    buffer_free(&b);
    leave(v, n);
}

/* --- processes --- */

static const struct {
    const char *name;
    void (*work)(struct self *p);
} works[] = {
    {PEST_HALF_OPEN, do_half_open},
    {PEST_RESETS, do_reset},
    {PEST_HELLOS, do_hello},
    {PEST_NOISE, do_noise},
    {PEST_KNOCKS, do_knock},
    {PEST_SILENT, do_silent},
    {PEST_GARBAGE, do_garbage},
    {PEST_HUGE, do_huge},
    {PEST_KEYS, do_keys},
    {PEST_CRUMBS, do_crumbs},
    {PEST_RENEGOTIATION, do_renegotiate},
    {PEST_DEAF, do_deaf},
    {PEST_HALF_CLOSED, do_half_closed},
};

static struct pest_shared *shared_at(int fd)
{
    void *at = mmap(NULL, sizeof(struct pest_shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    assert_true(at != MAP_FAILED);
    return at;
}

/* The kernel shares the processor among sessions first. */
static void be_humble(void)
{
    (void)setsid();
    (void)setpriority(PRIO_PROCESS, 0, 19);
    FILE *f = fopen("/proc/self/autogroup", "w");
    if (f != NULL) {
        fputs("10", f);
        fclose(f);
    }
}

static const char *or_none(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

int pest_main(int argc, char **argv)
{
    assert_int_equal(argc, 8);
    struct self p = {.shared = shared_at(atoi(argv[2])), .is_client = argv[4][0] == '1'};

    p.who = (struct tls_stranger){.port = (unsigned)atoi(argv[3]),
                                  .from = or_none(argv[5]),
                                  .cert = or_none(argv[6]),
                                  .key = or_none(argv[7])};
    be_humble();
    (void)descriptors_raise();
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        while (strcmp(works[i].name, argv[1]) == 0 && !stops(&p)) {
            works[i].work(&p);
        }
    }
    return 0;
}

void pest_start(struct pest *p)
{
    char self[512], port[16], shared[16];
    ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);
    int fd = memfd_create("pest", 0);

    assert_true(len > 0 && fd >= 0 && ftruncate(fd, sizeof(struct pest_shared)) == 0);
    self[len] = '\0';
    snprintf(port, sizeof port, "%u", p->who.port);
    snprintf(shared, sizeof shared, "%d", fd);
    char *argv[] = {self,
                    (char *)p->work,
                    shared,
                    port,
                    p->is_client ? "1" : "0",
                    (char *)(p->who.from != NULL ? p->who.from : ""),
                    (char *)(p->who.cert != NULL ? p->who.cert : ""),
                    (char *)(p->who.key != NULL ? p->who.key : ""),
                    NULL};
    p->shared = shared_at(fd);
    p->pid = process_start(argv, "/proc/self/fd/2", NULL, NULL);
    close(fd);
}

unsigned pest_so_far(const struct pest *p)
{
    return atomic_load(&p->shared->n);
}

void pest_stop(struct pest *p)
{
    atomic_store(&p->shared->stop, true);
    assert_int_equal(process_wait(p->pid), 0);
    p->n += pest_so_far(p);
    munmap(p->shared, sizeof *p->shared);
}
