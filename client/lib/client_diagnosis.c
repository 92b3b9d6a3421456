/* client_diagnosis.c - see client_diagnosis.h.
 *
 * A thread starts for each look that is taken, and ends with it. What it shares with the client is freed
 * by who leaves last. */
#include "client_diagnosis.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "client_logic.h"
#include "client_look.h"
#include "../base/clocks.h"
#include "../wire/certificate_name.h"

#define AGAIN_MS 5000   /* between two looks at the same address... */
#define NOTHING_MS 1000 /* ...that found nothing */
#define LEAVE_MS 1000   /* at the end: for a look that was told to end */

struct finding {
    char address[PROTOCOL_ADDRESS_MAX];
    uint64_t looked_ms; /* 0: never */
    bool over;          /* a connection has come since */
    bool found;
    char text[CLIENT_LOOK_TEXT];
};

struct client_diagnosis {
    struct client_tls_paths paths;
    char name[CERTIFICATE_DNS_MAX + 1];
    bool tls;
    pthread_mutex_t mutex; /* guards the rest */
    pthread_cond_t ended;
    bool looking;
    bool closing;
    bool abandoned; /* the thread frees all this */
    int fd;         /* of the look, -1: none */
    unsigned slot;  /* that is looked at */
    char address[PROTOCOL_ADDRESS_MAX];
    struct finding *findings[CLIENT_ENDPOINTS_MAX]; /* made when one is needed */
};

static void destroy(struct client_diagnosis *d)
{
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        free(d->findings[i]);
    }
    free((char *)d->paths.ca);
    free((char *)d->paths.cert);
    free((char *)d->paths.key);
    pthread_cond_destroy(&d->ended);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

static bool copy_path(const char *path, const char **copy)
{
    *copy = path != NULL ? strdup(path) : NULL;
    return path == NULL || *copy != NULL;
}

static bool init_locks(struct client_diagnosis *d)
{
    bool good = pthread_mutex_init(&d->mutex, NULL) == 0;

    if (good && clocks_cond_init(&d->ended) != 0) {
        pthread_mutex_destroy(&d->mutex);
        good = false;
    }
    return good;
}

struct client_diagnosis *client_diagnosis_new(const struct client_tls_paths *paths,
                                              const char *name)
{
    struct client_diagnosis *d = calloc(1, sizeof *d);

    if (d == NULL || !init_locks(d)) {
        free(d);
        return NULL;
    }
    d->fd = -1;
    if (paths == NULL) {
        return d;
    }
    d->tls = true;
    strcpy(d->name, name);
    if (!copy_path(paths->ca, &d->paths.ca) || !copy_path(paths->cert, &d->paths.cert) ||
        !copy_path(paths->key, &d->paths.key)) {
        destroy(d);
        return NULL;
    }
    return d;
}

/* ---------------------------------------------------------------- the thread */

static bool look_uses(void *arg, int fd)
{
    struct client_diagnosis *d = arg;

    pthread_mutex_lock(&d->mutex);
    d->fd = fd;
    bool go_on = !d->closing;
    pthread_mutex_unlock(&d->mutex);
    return go_on;
}

static void *look_run(void *arg)
{
    struct client_diagnosis *d = arg;
    char text[CLIENT_LOOK_TEXT];
    struct client_look look = {.address = d->address, /* nobody changes it while we look */
                               .paths = d->tls ? &d->paths : NULL,
                               .name = d->name,
                               .uses = look_uses,
                               .arg = d};

    bool found = client_look(&look, text);
    pthread_mutex_lock(&d->mutex);
    struct finding *f = d->findings[d->slot];
    if (strcmp(f->address, d->address) == 0 && !f->over) {
        f->found = found;
        strcpy(f->text, found ? text : "");
    }
    d->looking = false;
    bool abandoned = d->abandoned;
    pthread_cond_signal(&d->ended);
    pthread_mutex_unlock(&d->mutex);
    if (abandoned) {
        destroy(d);
    }
    return NULL;
}

static bool start_thread(struct client_diagnosis *d)
{
    sigset_t all, before;
    pthread_t thread;

    sigfillset(&all); /* the program's signals are not for this thread */
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return false;
    }
    bool started = pthread_create(&thread, NULL, look_run, d) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started) {
        pthread_detach(thread);
    }
    return started;
}

/* ---------------------------------------------------------------- the client's thread */

/* With the mutex held. NULL: no memory. */
static struct finding *finding_of(struct client_diagnosis *d, unsigned slot, const char *address)
{
    struct finding *f = d->findings[slot];

    if (f == NULL && (f = d->findings[slot] = calloc(1, sizeof *f)) == NULL) {
        return NULL;
    }
    if (strcmp(f->address, address) != 0) {
        memset(f, 0, sizeof *f);
        strcpy(f->address, address);
    }
    return f;
}

void client_diagnosis_want(struct client_diagnosis *d, unsigned slot, const char *address,
                           uint64_t now_ms)
{
    pthread_mutex_lock(&d->mutex);
    struct finding *f = d->looking ? NULL : finding_of(d, slot, address);
    if (f != NULL &&
        (f->looked_ms == 0 || f->looked_ms + (f->found ? AGAIN_MS : NOTHING_MS) <= now_ms)) {
        f->looked_ms = now_ms;
        f->over = false;
        d->slot = slot;
        strcpy(d->address, address);
        d->looking = start_thread(d);
    }
    pthread_mutex_unlock(&d->mutex);
}

void client_diagnosis_forget(struct client_diagnosis *d, unsigned slot)
{
    pthread_mutex_lock(&d->mutex);
    if (d->findings[slot] != NULL) {
        d->findings[slot]->found = false;
        d->findings[slot]->looked_ms = 0;
        d->findings[slot]->over = true;
    }
    pthread_mutex_unlock(&d->mutex);
}

bool client_diagnosis_tell(struct client_diagnosis *d, unsigned slot, const char *address,
                           char *text, size_t size)
{
    pthread_mutex_lock(&d->mutex);
    const struct finding *f = d->findings[slot];
    bool found = f != NULL && f->found && strcmp(f->address, address) == 0;
    if (found) {
        snprintf(text, size, "%s", f->text);
    }
    pthread_mutex_unlock(&d->mutex);
    return found;
}

void client_diagnosis_free(struct client_diagnosis *d)
{
    if (d == NULL) {
        return;
    }
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, LEAVE_MS);
    pthread_mutex_lock(&d->mutex);
    d->closing = true;
    if (d->fd >= 0) {
        shutdown(d->fd, SHUT_RDWR);
    }
    while (d->looking && pthread_cond_timedwait(&d->ended, &d->mutex, &until) == 0) {
    }
    bool ours = !d->looking;
    d->abandoned = !ours;
    pthread_mutex_unlock(&d->mutex);
    if (ours) {
        destroy(d);
    }
}
