/* aio.c - see aio.h. */
#include "aio.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One for the process, as syscall() is. */
static struct {
    pthread_mutex_t life;  /* held over a start or a stop as a whole */
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    struct disk_aio *disks;
    pthread_t thread;
    bool stop;
    bool failed; /* and said so */
    unsigned n, first;
    long queue[DISK_AIO_QUEUE_MAX];
    /* Outside the mutexes, which a child of fork may have got locked. */
    atomic_long owner; /* the process with the thread; 0: none */
    atomic_ullong destroyed;
} aio = {.life = PTHREAD_MUTEX_INITIALIZER,
         .mutex = PTHREAD_MUTEX_INITIALIZER,
         .changed = PTHREAD_COND_INITIALIZER};

static _Thread_local bool aio_is_the_thread;

static void aio_say(const char *sentence)
{
    if (aio.disks != NULL && aio.disks->log != NULL) {
        aio.disks->log(aio.disks->arg, "warn", sentence);
    }
}

/* With the mutex held, which is released meanwhile. */
static void aio_destroy_first(void)
{
    assert(aio.n > 0 && aio.n <= DISK_AIO_QUEUE_MAX);
    long context = aio.queue[aio.first];

    pthread_mutex_unlock(&aio.mutex);
    long rv = syscall(SYS_io_destroy, context);
    int error = errno;
    atomic_fetch_add(&aio.destroyed, rv == 0);
    pthread_mutex_lock(&aio.mutex);
    aio.first = (aio.first + 1) % DISK_AIO_QUEUE_MAX;
    aio.n--;
    if (rv != 0 && !aio.failed) {
        char sentence[200];
        snprintf(sentence, sizeof sentence,
                 "an AIO context of the log could not be destroyed (%s): it counts against "
                 "fs.aio-max-nr until this process ends",
                 strerror(error));
        aio.failed = true;
        aio_say(sentence);
    }
}

static void *aio_thread(void *arg)
{
    (void)arg;
    aio_is_the_thread = true;
    pthread_mutex_lock(&aio.mutex);
    while (aio.n > 0 || !aio.stop) {
        if (aio.n > 0) {
            aio_destroy_first();
        } else {
            pthread_cond_wait(&aio.changed, &aio.mutex);
        }
    }
    pthread_mutex_unlock(&aio.mutex);
    return NULL;
}

bool disk_aio_take(long context)
{
    bool taken = false;

    if (aio_is_the_thread || atomic_load(&aio.owner) != getpid()) {
        return false;
    }
    pthread_mutex_lock(&aio.mutex);
    if (aio.n < DISK_AIO_QUEUE_MAX && !aio.stop) {
        aio.queue[(aio.first + aio.n++) % DISK_AIO_QUEUE_MAX] = context;
        taken = true;
        pthread_cond_signal(&aio.changed);
    }
    pthread_mutex_unlock(&aio.mutex);
    return taken;
}

/* Does the thread belong to the process of which this one is a child by fork? Then its mutexes may
 * be in any state, and are left alone. */
static bool aio_is_the_parents(void)
{
    long owner = atomic_load(&aio.owner);

    return owner != 0 && owner != getpid();
}

void disk_aio_start(struct disk_aio *a,
                    void (*log)(void *arg, const char *level, const char *sentence), void *arg)
{
    *a = (struct disk_aio){.log = log, .arg = arg};
    if (aio_is_the_parents()) {
        return;
    }
    pthread_mutex_lock(&aio.life);
    pthread_mutex_lock(&aio.mutex);
    a->next = aio.disks;
    aio.disks = a;
    if (atomic_load(&aio.owner) == 0) {
        aio.stop = false;
        if (pthread_create(&aio.thread, NULL, aio_thread, NULL) == 0) {
            atomic_store(&aio.owner, getpid());
        } else {
            aio_say("no thread to destroy AIO contexts of the log: the loop stands still for some "
                    "30 ms whenever a segment is full");
        }
    }
    pthread_mutex_unlock(&aio.mutex);
    pthread_mutex_unlock(&aio.life);
}

void disk_aio_stop(struct disk_aio *a)
{
    struct disk_aio **at = &aio.disks;

    if (aio_is_the_parents()) {
        return;
    }
    pthread_mutex_lock(&aio.life);
    pthread_mutex_lock(&aio.mutex);
    while (*at != NULL && *at != a) {
        at = &(*at)->next;
    }
    if (*at == a) {
        *at = a->next;
    }
    bool last = aio.disks == NULL && atomic_load(&aio.owner) != 0;
    aio.stop = last;
    pthread_cond_signal(&aio.changed);
    pthread_mutex_unlock(&aio.mutex);
    if (last) {
        pthread_join(aio.thread, NULL);
        assert(aio.n == 0); /* it has destroyed what waited, and nothing was taken since */
        atomic_store(&aio.owner, 0);
    }
    pthread_mutex_unlock(&aio.life);
}

uint64_t disk_aio_destroyed(void)
{
    return atomic_load(&aio.destroyed);
}
