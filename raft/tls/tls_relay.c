/* tls_relay.c - see tls_relay.h: what crosses between the two threads, and the relay's life. */
#include "tls_relay.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../client/base/must.h"
#include "tls_internal.h"

/* --- from the relay to its owner --- */

static void relay_send_note(struct tls_relay *r, struct tls_note *note, bool is_tell)
{
    bool full;

    uv_mutex_lock(&r->mutex);
    full = is_tell && r->n_tells >= TLS_TELLS_MAX;
    if (!full) {
        r->n_tells += is_tell;
        *r->notes_end = note;
        r->notes_end = &note->next;
    }
    uv_mutex_unlock(&r->mutex);
    if (full) {
        free(note); /* the owner is told enough as it is */
        return;
    }
    wakeup_send(&r->told);
}

void tls_relay_arrived(struct tls_guest *guest, int socket, int status, const char *why)
{
    struct tls_note *note = must_have(calloc(1, sizeof *note));

    note->dial = guest->dial;
    note->accepted = guest->dial == NULL;
    note->socket = socket;
    note->status = status;
    note->peer = guest->peer;
    note->generation = guest->generation;
    snprintf(note->why, sizeof note->why, "%s", why != NULL ? why : "");
    if (socket >= 0) {
        tls_session_move(&note->session, &guest->session);
    }
    guest->dial = NULL;
    relay_send_note(guest->relay, note, note->accepted && socket < 0);
}

void tls_relay_tell(struct tls_relay *r, const char *level, const struct sockaddr_storage *from,
                    const char *sentence)
{
    struct tls_note *note = must_have(calloc(1, sizeof *note));

    note->level = level;
    note->socket = -1;
    if (from != NULL) {
        note->peer = *from;
    }
    snprintf(note->why, sizeof note->why, "%s", sentence);
    relay_send_note(r, note, true);
}

/* --- owner --- */

static void note_free(struct tls_note *note)
{
    if (note->socket >= 0) {
        close(note->socket);
    }
    tls_session_free(&note->session);
    free(note->dial);
    free(note);
}

static struct tls_note *relay_take_notes(struct tls_relay *r)
{
    uv_mutex_lock(&r->mutex);
    struct tls_note *note = r->notes;
    r->notes = NULL;
    r->notes_end = &r->notes;
    r->n_tells = 0;
    uv_mutex_unlock(&r->mutex);
    return note;
}

/* Somebody is through, or is not. */
static void relay_pass_arrival(struct tls_relay *r, struct tls_note *note)
{
    struct tls_arrival arrival = {.status = note->status, .from = note->peer, .why = note->why};

    if (note->dial != NULL && note->dial->cancelled) {
        return;
    }
    if (note->socket >= 0) {
        arrival.peer = note->session.peer;
        arrival.line = tls_line_open(r, note);
        arrival.why = arrival.line != NULL ? "" : "its socket cannot be used";
    }
    if (note->accepted) {
        r->config.accepted(r->config.arg, &arrival);
    } else {
        note->dial->done(note->dial->arg, &arrival);
    }
    if (arrival.line != NULL && arrival.line->wire == NULL && !arrival.line->ending) {
        tls_line_close(arrival.line, NULL); /* nobody took it */
    }
}

static void relay_pass_note(struct tls_relay *r, struct tls_note *note)
{
    const struct sockaddr *peer = (const struct sockaddr *)&note->peer;

    if (note->level == NULL) {
        relay_pass_arrival(r, note);
    } else {
        r->config.tells(r->config.arg, note->level, peer->sa_family != 0 ? peer : NULL, note->why);
    }
}

static void relay_told_cb(void *arg)
{
    struct tls_relay *r = arg;
    struct tls_note *note = relay_take_notes(r);

    while (note != NULL) {
        struct tls_note *next = note->next;
        if (!r->closing) {
            relay_pass_note(r, note);
        }
        note_free(note);
        note = next;
    }
}

static void relay_send_job(struct tls_relay *r, struct tls_job *job)
{
    job->next = NULL;
    uv_mutex_lock(&r->mutex);
    bool full = job->fd >= 0 && r->n_jobs >= TLS_JOBS_MAX;
    if (!full) {
        r->n_jobs++;
        *r->jobs_end = job;
        r->jobs_end = &job->next;
    }
    uv_mutex_unlock(&r->mutex);
    if (full) {
        close(job->fd);
        free(job);
        return;
    }
    wakeup_send(&r->asked);
}

void tls_relay_accept(struct tls_relay *r, int fd)
{
    struct tls_job *job = must_have(calloc(1, sizeof *job));

    assert(fd >= 0 && !r->closing);
    job->fd = fd;
    relay_send_job(r, job);
}

struct tls_dial *tls_relay_dial(struct tls_relay *r, const struct sockaddr *address,
                                uint64_t expected,
                                void (*done)(void *arg, struct tls_arrival *arrival), void *arg)
{
    struct tls_dial *dial = calloc(1, sizeof *dial);

    assert(!r->closing);
    if (dial == NULL) {
        return NULL;
    }
    memcpy(&dial->address, address,
           address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                          : sizeof(struct sockaddr_in));
    dial->job.fd = -1;
    dial->job.dial = dial;
    dial->expected = expected;
    dial->done = done;
    dial->arg = arg;
    relay_send_job(r, &dial->job);
    return dial;
}

void tls_dial_cancel(struct tls_dial *dial)
{
    assert(!dial->cancelled);
    dial->cancelled = true; /* the relay does not look: its answer is dropped when it comes */
}

void tls_relay_look(struct tls_relay *r)
{
    atomic_store_explicit(&r->look, true, memory_order_relaxed);
    wakeup_send(&r->asked);
}

unsigned tls_relay_lines(const struct tls_relay *r)
{
    return atomic_load_explicit(&r->n_lines, memory_order_relaxed);
}

unsigned tls_relay_shaking(const struct tls_relay *r)
{
    return atomic_load_explicit(&r->n_guests, memory_order_relaxed);
}

/* --- relay --- */

static struct tls_job *relay_take_jobs(struct tls_relay *r, bool *over)
{
    uv_mutex_lock(&r->mutex);
    struct tls_job *job = r->jobs;
    r->jobs = NULL;
    r->jobs_end = &r->jobs;
    r->n_jobs = 0;
    *over = r->over;
    uv_mutex_unlock(&r->mutex);
    return job;
}

static void relay_end(struct tls_relay *r)
{
    r->ending = true;
    for (struct tls_guest *guest = r->guests; guest != NULL; guest = guest->next) {
        tls_guest_fail(guest, 0, "this node stops"); /* frees nothing yet */
    }
    wakeup_close(&r->asked, NULL);
    uv_close((uv_handle_t *)&r->stepping, NULL);
    uv_close((uv_handle_t *)&r->tick, NULL);
}

static void relay_look(struct tls_relay *r, bool at_once)
{
    char why[TLS_SENTENCE_MAX], sentence[TLS_SENTENCE_MAX];

    switch (tls_files_look(r->config.files, at_once, why, sizeof why)) {
        case TLS_FILES_SAME: break;
        case TLS_FILES_NEW:
            tls_relay_tell(r, "info", NULL,
                           "the TLS certificate, key and authorities were read again and are in "
                           "force");
            break;
        case TLS_FILES_REFUSED:
            snprintf(sentence, sizeof sentence,
                     "the TLS files before them stay in force, as the new ones do not do: %.400s",
                     why);
            tls_relay_tell(r, "error", NULL, sentence);
            break;
    }
}

static void relay_asked_cb(void *arg)
{
    struct tls_relay *r = arg;
    bool over;
    struct tls_job *job = relay_take_jobs(r, &over);

    while (job != NULL) {
        struct tls_job *next = job->next;
        if (job->fd < 0) {
            tls_guest_dial(r, job->dial); /* the job is a part of it */
        } else {
            tls_guest_accept(r, job->fd);
            free(job);
        }
        job = next;
    }
    if (atomic_exchange_explicit(&r->look, false, memory_order_relaxed)) {
        relay_look(r, true);
    }
    if (over && !r->ending) {
        relay_end(r);
    }
}

static void relay_tick_cb(uv_timer_t *timer)
{
    struct tls_relay *r = timer->data;
    uint64_t now_ms = uv_now(&r->loop);

    if (r->config.looks && now_ms - r->looked_ms >= TLS_LOOK_MS) {
        r->looked_ms = now_ms;
        relay_look(r, false);
    }
    tls_door_tick(r);
}

/* One step in a turn: between two all others have theirs. */
static void relay_step_cb(uv_idle_t *idle)
{
    struct tls_relay *r = idle->data;
    struct tls_guest *guest = r->ready;

    assert(guest != NULL);
    tls_relay_unready(guest);
    tls_guest_step(guest);
}

void tls_relay_ready(struct tls_guest *guest)
{
    struct tls_relay *r = guest->relay;

    assert(!guest->ready);
    guest->ready = true;
    guest->ready_next = NULL;
    *r->ready_end = guest;
    r->ready_end = &guest->ready_next;
    uv_idle_start(&r->stepping, relay_step_cb);
}

void tls_relay_unready(struct tls_guest *guest)
{
    struct tls_relay *r = guest->relay;
    struct tls_guest **at = &r->ready;

    if (!guest->ready) {
        return;
    }
    while (*at != guest) { /* the first, but where it is being closed */
        at = &(*at)->ready_next;
    }
    *at = guest->ready_next;
    r->ready_end = guest->ready_next == NULL ? at : r->ready_end;
    guest->ready = false;
    if (r->ready == NULL && !r->ending) {
        uv_idle_stop(&r->stepping);
    }
}

static void relay_thread(void *arg)
{
    struct tls_relay *r = arg;

    /* Of this thread alone, on Linux. Where it is refused, handshakes take what all others take. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), TLS_NICE);
    uv_run(&r->loop, UV_RUN_DEFAULT);
}

/* --- life --- */

static void relay_stay_cb(uv_timer_t *timer)
{
    tls_stay_tick(timer->data);
}

struct tls_relay *tls_relay_new(const struct tls_relay_config *config, uv_loop_t *loop, char *why,
                                size_t why_size)
{
    struct tls_relay *r = must_have(calloc(1, sizeof *r));

    r->config = *config;
    snprintf(r->cluster, sizeof r->cluster, "%s", config->cluster);
    r->config.cluster = r->cluster;
    r->home = loop;
    r->jobs_end = &r->jobs;
    r->notes_end = &r->notes;
    r->ready_end = &r->ready;
    r->due_end = &r->due;
    if (uv_mutex_init(&r->mutex) != 0 || uv_loop_init(&r->loop) != 0 ||
        wakeup_init(&r->told, loop, relay_told_cb, r) != 0 ||
        wakeup_init(&r->asked, &r->loop, relay_asked_cb, r) != 0) {
        abort(); /* no descriptors at the very start */
    }
    uv_idle_init(&r->loop, &r->stepping);
    uv_timer_init(&r->loop, &r->tick);
    r->stepping.data = r->tick.data = r;
    uv_timer_start(&r->tick, relay_tick_cb, TLS_TICK_MS, TLS_TICK_MS);
    uv_timer_init(loop, &r->stay);
    uv_idle_init(loop, &r->due_idle);
    r->stay.data = r->due_idle.data = r;
    uv_timer_start(&r->stay, relay_stay_cb, TLS_TICK_MS, TLS_TICK_MS);
    /* On a failure the caller ends the process: the handles stay with their loops. */
    if (uv_thread_create(&r->thread, relay_thread, r) != 0) {
        snprintf(why, why_size, "no thread for TLS connections");
        return NULL;
    }
    return r;
}

static void relay_closed_cb(void *arg)
{
    struct tls_relay *r = arg;

    if (--r->handles == 0 && r->closed != NULL) {
        r->closed(r->closed_arg);
    }
}

static void handle_closed_cb(uv_handle_t *handle)
{
    relay_closed_cb(handle->data);
}

/* No line is left. */
static void relay_finish(struct tls_relay *r)
{
    assert(r->closing && r->lines == NULL && r->handles == 0);
    r->handles = 3;
    wakeup_close(&r->told, relay_closed_cb);
    uv_close((uv_handle_t *)&r->stay, handle_closed_cb);
    uv_close((uv_handle_t *)&r->due_idle, handle_closed_cb);
}

void tls_relay_line_gone(struct tls_relay *r)
{
    if (r->closing && r->lines == NULL) {
        relay_finish(r);
    }
}

/* They had their time. */
static void relay_linger_cb(uv_timer_t *timer)
{
    struct tls_relay *r = timer->data;

    for (struct tls_line *line = r->lines; line != NULL; line = line->next) {
        tls_line_close(line, NULL); /* frees nothing yet */
    }
}

void tls_relay_close(struct tls_relay *r, void (*closed)(void *arg), void *arg)
{
    assert(!r->closing);
    r->closing = true;
    r->closed = closed;
    r->closed_arg = arg;
    uv_mutex_lock(&r->mutex);
    r->over = true;
    uv_mutex_unlock(&r->mutex);
    wakeup_send(&r->asked);
    uv_thread_join(&r->thread);
    relay_told_cb(r); /* what nobody will be told of */
    int rv = uv_loop_close(&r->loop);
    assert(rv == 0);
    wakeup_free(&r->asked);
    if (r->lines == NULL) {
        relay_finish(r);
    } else { /* what their owners have written and closed is still sent */
        uv_timer_start(&r->stay, relay_linger_cb, TLS_LINGER_MS, TLS_LINGER_MS);
    }
}

void tls_relay_free(struct tls_relay *r)
{
    relay_told_cb(r); /* sentences of the last lines */
    wakeup_free(&r->told);
    uv_mutex_destroy(&r->mutex);
    free(r);
}
