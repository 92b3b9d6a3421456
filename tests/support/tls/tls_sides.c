/* tls_sides.c - see tls_sides.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "tls_sides.h"

void tls_sides_turn_cb(uv_timer_t *timer)
{
    ((struct tls_sides *)timer->data)->turns++;
}

static void accepted(void *arg, struct tls_arrival *a)
{
    struct tls_side *side = arg;

    if (a->line == NULL) {
        side->n_refused++;
        snprintf(side->why, sizeof side->why, "%s", a->why);
        assert_int_equal(a->from.ss_family, AF_INET);
        return;
    }
    side->n_accepted++;
    side->peer = a->peer;
    if (side->wire != NULL) {
        wire_take(side->wire, a->line);
        return;
    }
    if (side->fd >= 0) {
        close(side->fd);
    }
    side->fd = tls_pair_open(a, &side->scene->loop);
    assert_true(side->fd >= 0);
}

static void tells(void *arg, const char *level, const struct sockaddr *from, const char *sentence)
{
    struct tls_side *side = arg;

    (void)from;
    snprintf(side->told, sizeof side->told, "%s", sentence);
    snprintf(side->level, sizeof side->level, "%s", level);
}

static void came(struct listening *l, int fd)
{
    tls_relay_accept(((struct tls_side *)l->data)->relay, fd);
}

static void side_begin(struct tls_sides *s, struct tls_side *side, enum tls_use accepts,
                       uint64_t max_age_ms)
{
    unsigned i = side == &s->side[0] ? 0 : 1;
    const char *dir = s->dir;
    struct certificates_wish node = {.node = i + 1};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    char why[TLS_SENTENCE_MAX] = "";

    side->scene = s;
    side->fd = -1;
    snprintf(side->cert, sizeof side->cert, "%.24s/node-%u.crt", dir, i + 1);
    snprintf(side->key, sizeof side->key, "%.24s/node-%u.key", dir, i + 1);
    certificates_issue(s->ca, &node, side->cert, side->key);
    struct tls_files_config files = {.cert = side->cert,
                                     .key = side->key,
                                     .ca = s->ca_path,
                                     .cluster = CERTIFICATES_CLUSTER,
                                     .node = i + 1};
    side->files = tls_files_open(&files, why, sizeof why);
    assert_string_equal(why, "");
    struct tls_relay_config config = {.files = side->files,
                                      .cluster = CERTIFICATES_CLUSTER,
                                      .accepts = accepts,
                                      .shaking_max = SIDES_SHAKING_MAX,
                                      .max_age_ms = max_age_ms,
                                      .user_timeout_ms = accepts == TLS_ACCEPT_NODE ? 2000 : 0,
                                      .accepted = accepted,
                                      .tells = tells,
                                      .arg = side};
    side->relay = tls_relay_new(&config, &s->loop, why, sizeof why);
    assert_non_null(side->relay);
    side->listening = (struct listening){.came = came, .data = side};
    assert_int_equal(listening_open(&side->listening, &s->loop, (struct sockaddr *)&address, false,
                                    64),
                     0);
    assert_int_equal(getsockname(side->listening.fd, (struct sockaddr *)&address, &len), 0);
    side->port = ntohs(address.sin_port);
}

static struct tls_sides *scene_new(enum tls_use accepts, uint64_t max_age_ms)
{
    struct tls_sides *s = calloc(1, sizeof *s);

    signal(SIGPIPE, SIG_IGN);
    snprintf(s->dir, sizeof s->dir, "/tmp/tls-relay-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->ca_path, sizeof s->ca_path, "%s/ca.crt", s->dir);
    snprintf(s->cert, sizeof s->cert, "%s/stranger.crt", s->dir);
    snprintf(s->key, sizeof s->key, "%s/stranger.key", s->dir);
    s->ca = certificates_ca_new("first");
    s->other = certificates_ca_new("second");
    certificates_write_ca(s->ca, s->ca_path);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    uv_timer_init(&s->loop, &s->timer);
    s->timer.data = s;
    s->fd = -1;
    side_begin(s, &s->side[0], TLS_ACCEPT_NODE, 0);
    side_begin(s, &s->side[1], accepts, max_age_ms);
    return s;
}

int tls_sides_begin_nodes(void **state)
{
    *state = scene_new(TLS_ACCEPT_NODE, 0);
    return 0;
}

int tls_sides_begin_clients(void **state)
{
    *state = scene_new(TLS_ACCEPT_CLIENT, 0);
    return 0;
}

int tls_sides_begin_aging(void **state)
{
    *state = scene_new(TLS_ACCEPT_NODE, 700);
    return 0;
}

static void relay_closed(void *arg)
{
    *(bool *)arg = true;
}

int tls_sides_end(void **state)
{
    struct tls_sides *s = *state;
    char command[64];

    for (unsigned i = 0; i < 2; i++) {
        struct tls_side *side = &s->side[i];
        bool closed = false;
        listening_close(&side->listening, NULL);
        tls_relay_close(side->relay, relay_closed, &closed);
        UNTIL(s, closed);
        tls_relay_free(side->relay);
        tls_files_free(side->files);
        if (side->fd >= 0) {
            close(side->fd);
        }
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    uv_close((uv_handle_t *)&s->timer, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    snprintf(command, sizeof command, "rm -r %s", s->dir);
    assert_int_equal(system(command), 0);
    certificates_ca_free(s->ca);
    certificates_ca_free(s->other);
    free(s);
    return 0;
}

static void done(void *arg, struct tls_arrival *a)
{
    struct tls_sides *s = arg;

    assert_false(s->done);
    s->done = true;
    if (a->line != NULL && s->wire != NULL) {
        wire_take(s->wire, a->line);
    } else {
        s->fd = a->line != NULL ? tls_pair_open(a, &s->loop) : -1;
    }
    s->status = a->status;
    s->peer = a->peer;
    snprintf(s->why, sizeof s->why, "%s", a->why);
}

struct tls_dial *tls_sides_dial(struct tls_sides *s, unsigned port, uint64_t expected)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    s->done = false;
    struct tls_dial *d = tls_relay_dial(s->side[0].relay, (struct sockaddr *)&address, expected,
                                        done, s);
    assert_non_null(d);
    return d;
}

void tls_sides_meet(struct tls_sides *s)
{
    tls_sides_dial(s, s->side[1].port, 2);
    UNTIL(s, s->done && s->side[1].n_accepted == 1);
    assert_string_equal(s->why, "");
    assert_true((s->wire != NULL || s->fd >= 0) && (s->side[1].wire != NULL || s->side[1].fd >= 0));
}

void tls_sides_renew(struct tls_sides *s)
{
    char why[TLS_SENTENCE_MAX];
    struct tls_relay_config config = {.files = s->side[0].files,
                                      .cluster = CERTIFICATES_CLUSTER,
                                      .accepts = TLS_ACCEPT_NODE,
                                      .shaking_max = SIDES_SHAKING_MAX,
                                      .accepted = accepted,
                                      .tells = tells,
                                      .arg = &s->side[0]};
    s->side[0].relay = tls_relay_new(&config, &s->loop, why, sizeof why);
    assert_non_null(s->side[0].relay);
}
