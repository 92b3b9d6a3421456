/* by_hand.c - see by_hand.h. */
#include "by_hand.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "../text/tls_flags.h"
#include "../wire/certificate_name.h"
#include "measure/flood.h"
#include "measure/ids.h"

#define LEADER_TIMEOUT_MS 10000

/* In front of a message: its length in big endian, and the number of the request, whose first bit is set. */
struct by_hand_head {
    uint64_t len;
    uint32_t number;
} __attribute__((packed));

struct by_hand {
    int fd;
    SSL_CTX *context; /* NULL: in the clear */
    SSL *ssl;
    uint32_t number; /* of the last request */
    struct buffer out;
    uint8_t in[PROTOCOL_ANSWER_MAX];
};

/* ---- the connection ---- */

static bool say(struct by_hand *h, const void *data, size_t len)
{
    return h->ssl != NULL ? SSL_write(h->ssl, data, (int)len) == (int)len
                          : send(h->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool hear(struct by_hand *h, void *data, size_t len)
{
    uint8_t *at = data;

    while (len > 0) {
        ssize_t n = h->ssl != NULL ? SSL_read(h->ssl, at, (int)len) : recv(h->fd, at, len, 0);
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool shake_hands(struct by_hand *h, const char *cluster)
{
    struct tls_flags files;
    char name[CERTIFICATE_DNS_MAX + 1];

    certificate_dns_write(cluster, name);
    h->context = SSL_CTX_new(TLS_client_method());
    if (tls_flags_settle(&files, NULL, NULL, NULL) != NULL || h->context == NULL ||
        SSL_CTX_load_verify_locations(h->context, files.ca, NULL) != 1 ||
        SSL_CTX_use_certificate_chain_file(h->context, files.cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(h->context, files.key, SSL_FILETYPE_PEM) != 1) {
        return false;
    }
    SSL_CTX_set_verify(h->context, SSL_VERIFY_PEER, NULL);
    h->ssl = SSL_new(h->context);
    return h->ssl != NULL && SSL_set_tlsext_host_name(h->ssl, name) == 1 &&
           SSL_set1_host(h->ssl, name) == 1 && SSL_set_fd(h->ssl, h->fd) == 1 &&
           SSL_connect(h->ssl) == 1;
}

static bool by_hand_open(struct by_hand *h, const struct measure *m, const char *api)
{
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    const struct timeval patience = {.tv_sec = m->timeout_ms / 1000,
                                     .tv_usec = m->timeout_ms % 1000 * 1000};
    uint8_t greeted[sizeof greeting];
    int on = 1;

    h->fd = flood_connect(api);
    return h->fd >= 0 &&
           setsockopt(h->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
           setsockopt(h->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
           setsockopt(h->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
           (!m->cluster_config.tls || shake_hands(h, m->cluster_config.name)) &&
           say(h, greeting, sizeof greeting) && hear(h, greeted, sizeof greeted);
}

static void by_hand_close(struct by_hand *h)
{
    SSL_free(h->ssl);
    SSL_CTX_free(h->context);
    if (h->fd >= 0) {
        close(h->fd);
    }
    buffer_free(&h->out);
}

/* ---- a call ---- */

/* The message, whole. ORDERSCHED_OK, NO_MEMORY, or UNREACHABLE: the client knows no time for its request id. */
static int write_request(struct by_hand *h, const struct measure *m,
                         const struct engine_config *config, uint64_t number)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];
    char id[BENCH_ID_SIZE];
    struct by_hand_head head = {0};
    int error = ordersched_request_id(m->client, config->timeout_ms, request_id);

    if (error != ORDERSCHED_OK) {
        return error;
    }
    bench_id(config->run, number, id);
    const struct operation op = {.code = OPERATION_SCHEDULE,
                                 .request_id = request_id,
                                 .id = {(const uint8_t *)id, sizeof id},
                                 .relative = true,
                                 .time_ms = bench_delay_ms(number),
                                 .route = {(const uint8_t *)config->route, strlen(config->route)},
                                 .payload = {(const uint8_t *)bench_payload, BENCH_PAYLOAD_SIZE}};
    buffer_reset(&h->out);
    buffer_append(&h->out, &head, sizeof head); /* its place */
    request_encode_head(&h->out, config->cluster, 0, 1);
    operation_encode(&h->out, &op);
    if (h->out.failed) {
        return ORDERSCHED_NO_MEMORY;
    }
    head = (struct by_hand_head){htobe64(h->out.len - sizeof head.len),
                                 htobe32(0x80000000u | ++h->number)};
    memcpy(h->out.data, &head, sizeof head);
    return ORDERSCHED_OK;
}

/* ORDERSCHED_OK, what the node answered, or UNKNOWN_OUTCOME when no good answer came. */
static int exchange(struct by_hand *h)
{
    struct by_hand_head head;
    struct answer answer;
    struct result result;
    size_t used;

    if (!say(h, h->out.data, h->out.len) || !hear(h, &head, sizeof head) ||
        be32toh(head.number) != (0x80000000u | h->number)) {
        return ORDERSCHED_UNKNOWN_OUTCOME;
    }
    uint64_t len = be64toh(head.len) - sizeof head.number;
    if (len > sizeof h->in || !hear(h, h->in, len) ||
        answer_decode(h->in, len, &answer) != ORDERSCHED_OK) {
        return ORDERSCHED_UNKNOWN_OUTCOME;
    }
    if (answer.error != ORDERSCHED_OK) {
        return answer.error;
    }
    return answer.n_results == 1 && result_decode(answer.results.data, answer.results.len, &result,
                                                  &used) == ORDERSCHED_OK
               ? result.error
               : ORDERSCHED_UNKNOWN_OUTCOME;
}

static int schedule_all(struct by_hand *h, const struct measure *m,
                        const struct engine_config *config, struct engine_result *result)
{
    double cpu_before_s = clocks_process_cpu_s();
    uint64_t start_us = clocks_running_us();
    uint64_t ended_us = start_us;

    *result = (struct engine_result){0};
    for (uint64_t i = 0; i < config->n; i++) {
        uint64_t began_us = clocks_running_us();
        int error = write_request(h, m, config, config->first + i);
        error = error == ORDERSCHED_OK ? exchange(h) : error;
        if (error != ORDERSCHED_OK) {
            return bench_explain(error, NULL, "scheduling by hand");
        }
        ended_us = clocks_running_us();
        histogram_add(&result->latency, ended_us - began_us);
        result->done++;
    }
    result->seconds = (double)(ended_us - start_us) / 1e6;
    result->cpu_s = clocks_process_cpu_s() - cpu_before_s;
    return 0;
}

int by_hand_schedule(const struct measure *m, const struct engine_config *config,
                     struct engine_result *result)
{
    static struct by_hand h; /* too large for a stack */
    int leader = measure_leader(m, LEADER_TIMEOUT_MS, NULL);
    int rv = 3;

    if (leader < 0) {
        return 3;
    }
    h = (struct by_hand){.fd = -1};
    signal(SIGPIPE, SIG_IGN); /* SSL_write() has no MSG_NOSIGNAL */
    if (!by_hand_open(&h, m, m->cluster.nodes[leader].api)) {
        unsigned long error = ERR_peek_last_error();
        fprintf(stderr, "orderbench: no connection by hand to %s: %s\n",
                m->cluster.nodes[leader].api,
                error != 0 ? ERR_reason_error_string(error) : strerror(errno));
    } else {
        rv = schedule_all(&h, m, config, result);
    }
    by_hand_close(&h);
    return rv;
}
