/* tls_stay.c - which connections may stay: not those that are too old, whose peer acknowledges nothing, or
 * whose certificate would not be taken any more. */
#include <inttypes.h>
#include <stdio.h>

#include "../loop/tcp_watch.h"
#include "tls_internal.h"

#define ENDING_MAX_MS 2000u /* for what is still to be sent */
#define JUDGING_TICKS 64u   /* in which all are judged again; a chain takes a fraction of a ms */
#define AGE_STEPS 16u

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

static void check_standing(struct tls_line *line, uint64_t now_ms, unsigned *may_judge)
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
    } else if (*may_judge > 0 && line->generation != tls_files_generation(r->config.files)) {
        --*may_judge;
        judge_again(line);
    }
}

void tls_stay_begin(struct tls_line *line)
{
    uint64_t max_ms = line->relay->config.max_age_ms;

    /* Not all at once: what was made together would be made anew together. */
    line->age_max_ms = max_ms - max_ms / 8 * (line->relay->n_begun++ % AGE_STEPS) / AGE_STEPS;
}

void tls_stay_tick(struct tls_relay *r)
{
    uint64_t now_ms = uv_now(r->home);
    unsigned n = atomic_load_explicit(&r->n_lines, memory_order_relaxed);
    unsigned may_judge = 1 + n / JUDGING_TICKS;

    for (struct tls_line *line = r->lines; line != NULL; line = line->next) {
        if (line->ending && now_ms - line->ending_ms >= ENDING_MAX_MS) {
            tls_line_close(line, NULL); /* frees nothing yet */
        } else if (!line->ending && !line->closing) {
            check_standing(line, now_ms, &may_judge);
        }
    }
}
