/* tls_door.c - who may shake hands when many want to, and whose time is over. */
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "../loop/tcp_watch.h"
#include "tls_internal.h"

#define ENDING_MAX_MS 2000u /* for what is still to be written */
#define JUDGED_AT_ONCE 16u  /* chains verified in a tick: a fraction of a ms each */
#define AGE_STEPS 16u

static bool is_shaking(const struct tls_line *line)
{
    return !line->closing && (line->state == LINE_SHAKING || line->state == LINE_DIALING);
}

/* A host: an IPv4 address, or the 64 bits of an IPv6 one that are a network's. */
static uint64_t host_of(const struct sockaddr_storage *address)
{
    uint64_t host = 0;

    if (address->ss_family == AF_INET) {
        memcpy(&host, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->ss_family == AF_INET6) {
        const uint8_t *bytes = ((const struct sockaddr_in6 *)address)->sin6_addr.s6_addr;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&((const struct sockaddr_in6 *)address)->sin6_addr);
        memcpy(&host, mapped ? bytes + 12 : bytes, mapped ? 4 : 8);
    }
    return host;
}

static unsigned shaking_of(const struct tls_relay *r, uint64_t host)
{
    unsigned n = 0;

    for (const struct tls_line *line = r->lines; line != NULL; line = line->next) {
        n += is_shaking(line) && line->dial == NULL && host_of(&line->peer) == host;
    }
    return n;
}

void tls_door_make_room(struct tls_relay *r, const struct tls_line *newcomer)
{
    struct tls_line *victim = NULL;
    unsigned most = 0, all = 0;
    uint64_t host = 0;

    if (atomic_load_explicit(&r->n_shaking, memory_order_relaxed) <= r->config.shaking_max) {
        return;
    }
    /* The list has the latest first, so the last one seen is the oldest. What this node dials is its
     * own. */
    for (struct tls_line *line = r->lines; line != NULL; line = line->next) {
        if (!is_shaking(line) || line->dial != NULL) {
            continue;
        }
        all++;
        if (victim == NULL || host_of(&line->peer) != host) {
            unsigned n = shaking_of(r, host_of(&line->peer));
            if (n > most) {
                most = n;
                host = host_of(&line->peer);
                victim = line;
            }
        } else {
            victim = line;
        }
    }
    if (all > r->config.shaking_max && victim != NULL && victim != newcomer) {
        tls_line_close(victim, "too many shake hands at once, and its address has most of them");
    }
}

/* Would its certificate be taken now? */
static void judge_again(struct tls_line *line)
{
    struct tls_relay *r = line->relay;
    char why[TLS_SENTENCE_MAX], whose[TLS_WHOSE_MAX];
    X509 *certificate = SSL_get1_peer_certificate(line->session.ssl);

    line->generation = tls_files_generation(r->config.files);
    if (certificate == NULL) {
        return; /* never: one was asked for */
    }
    int error = tls_files_judge(r->config.files, line->session.use, certificate,
                                SSL_get_peer_cert_chain(line->session.ssl));
    X509_free(certificate);
    if (error != X509_V_OK) {
        tls_certificate_whose(&line->session.peer, whose);
        snprintf(why, sizeof why,
                 "%s: by the authorities that are in force now, its certificate %s", whose,
                 tls_certificate_verdict(error));
        tls_line_close(line, why);
    }
}

static void check_standing(struct tls_line *line, uint64_t now_ms, unsigned *judged)
{
    struct tls_relay *r = line->relay;
    unsigned limit_ms = r->config.user_timeout_ms;
    char why[TLS_SENTENCE_MAX];

    if (line->age_max_ms != 0 && now_ms - line->begun_ms >= line->age_max_ms) {
        tls_relay_tell(r, "info", &line->peer, "closed, as old as --tls-max-age lets it be");
        tls_line_close(line, NULL);
    } else if (limit_ms != 0 && line->session.use == TLS_DIAL_NODE &&
               tcp_watch_is_silent(&line->tcp, &line->silence, limit_ms)) {
        snprintf(why, sizeof why, "no acknowledgement for %u ms", limit_ms);
        tls_line_close(line, why);
    } else if (*judged < JUDGED_AT_ONCE &&
               line->generation != tls_files_generation(r->config.files)) {
        ++*judged;
        judge_again(line);
    }
}

void tls_door_age(struct tls_line *line)
{
    uint64_t max_ms = line->relay->config.max_age_ms;

    /* Not all at once: what was made together would be made anew together. */
    line->age_max_ms = max_ms - max_ms / 8 * (line->relay->n_begun++ % AGE_STEPS) / AGE_STEPS;
}

void tls_door_tick(struct tls_relay *r)
{
    uint64_t now_ms = uv_now(&r->loop);
    unsigned judged = 0;
    struct tls_line *next;

    for (struct tls_line *line = r->lines; line != NULL; line = next) {
        next = line->next; /* closing one does not take it out of the list at once */
        if (line->closing) {
            continue;
        }
        if (line->state == LINE_THROUGH) {
            check_standing(line, now_ms, &judged);
        } else if (line->state == LINE_ENDING) {
            if (now_ms - line->ending_ms >= ENDING_MAX_MS) {
                tls_line_close(line, NULL);
            }
        } else if (now_ms - line->begun_ms >= TLS_SHAKING_MS) {
            tls_line_close(line, "no TLS handshake in time");
        }
    }
}
