/* pages_reserve.c - see pages_reserve.h. */
#include "pages_reserve.h"

#include <assert.h>
#include <pthread.h>
#include <stddef.h>

#include "../../client/base/clocks.h"
#include "pages_system.h"

#define IDLE_S 1    /* whole seconds in which nobody took one: few are kept */
#define WINDOW_S 10 /* what was not needed for so long is not kept either */
#define TOUCH 4096

/* A piece that nobody uses holds the next one. */
struct spare {
    struct spare *next;
};

static struct {
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t changed;
    pthread_t thread;
    bool there; /* the thread runs and is not to end */
    unsigned n_ready;
    unsigned target;  /* so many are to be ready */
    uint64_t taken_s; /* when one was last asked for */
    struct spare *ready;
    struct spare *returned; /* to be used again, or dropped when nobody wants them */
    unsigned n_returned;
    unsigned least;   /* of them, since the window began */
    unsigned surplus; /* of them, in the window before: to be dropped */
    uint64_t began_s; /* the window */
} reserve = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void push(struct spare **list, void *pages)
{
    struct spare *spare = pages;

    spare->next = *list;
    *list = spare;
}

static void *pop(struct spare **list)
{
    struct spare *spare = *list;

    assert(spare != NULL); /* its count said so */
    *list = spare->next;
    return spare;
}

/* --- the thread --- */

/* Its memory is there from here on: with a huge page that is one page fault, without one 512. */
static void *make_ready(void)
{
    volatile char *pages = pages_from_system(true);

    for (size_t at = 0; pages != NULL && at < PAGES_SIZE; at += TOUCH) {
        pages[at] = 0;
    }
    return (void *)pages;
}

/* With the mutex held, which is released meanwhile. */
static void drop(void *pages)
{
    pthread_mutex_unlock(&reserve.mutex);
    pages_to_system(pages);
    pthread_mutex_lock(&reserve.mutex);
}

/* With the mutex held, which is released meanwhile. */
static bool add(void)
{
    pthread_mutex_unlock(&reserve.mutex);
    void *pages = make_ready();
    pthread_mutex_lock(&reserve.mutex);
    if (pages != NULL) { /* else whoever wants some finds out that there is no memory */
        push(&reserve.ready, pages);
        reserve.n_ready++;
    }
    return pages != NULL;
}

/* With the mutex held. */
static void *pop_returned(void)
{
    void *pages = pop(&reserve.returned);
    unsigned left = --reserve.n_returned;

    reserve.least = left < reserve.least ? left : reserve.least;
    reserve.surplus = left < reserve.surplus ? left : reserve.surplus;
    return pages;
}

/* With the mutex held. How many are to be ready, and how many of the others are to go. */
static void review(void)
{
    uint64_t now_s = clocks_running_ms() / 1000;

    if (!reserve.there || now_s > reserve.taken_s + IDLE_S) {
        reserve.target = reserve.there ? PAGES_RESERVE_MIN : 0;
        reserve.surplus = reserve.n_returned;
    } else if (now_s >= reserve.began_s + WINDOW_S) {
        reserve.surplus = reserve.least;
        reserve.least = reserve.n_returned;
        reserve.began_s = now_s;
    }
    assert(reserve.least <= reserve.n_returned && reserve.surplus <= reserve.n_returned);
}

/* With the mutex held. False: there is nothing to do, or no memory to do it. */
static bool work_one(void)
{
    if (reserve.n_ready > reserve.target) {
        reserve.n_ready--;
        drop(pop(&reserve.ready));
    } else if (reserve.n_ready < reserve.target && reserve.returned != NULL) {
        push(&reserve.ready, pop_returned());
        reserve.n_ready++;
    } else if (reserve.n_ready < reserve.target) {
        return add();
    } else if (reserve.surplus > 0) {
        reserve.surplus--;
        drop(pop_returned());
    } else {
        return false;
    }
    return true;
}

/* With the mutex held, until one is taken or given, or it is time for a review. */
static void wait_for_work(void)
{
    if (reserve.target == PAGES_RESERVE_MIN && reserve.returned == NULL) {
        pthread_cond_wait(&reserve.changed, &reserve.mutex);
        return;
    }
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, IDLE_S * 1000);
    (void)pthread_cond_clockwait(&reserve.changed, &reserve.mutex, CLOCK_MONOTONIC, &until);
}

static void *reserve_thread(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&reserve.mutex);
    while (reserve.there) {
        review();
        if (!work_one() && reserve.there) {
            wait_for_work();
        }
    }
    review();
    while (reserve.ready != NULL || reserve.returned != NULL) {
        (void)work_one();
    }
    assert(reserve.n_ready == 0 && reserve.n_returned == 0);
    pthread_mutex_unlock(&reserve.mutex);
    return NULL;
}

/* --- for the others --- */

bool pages_reserve_start(void)
{
    pthread_mutex_lock(&reserve.mutex);
    assert(!reserve.there);
    reserve.target = PAGES_RESERVE_MIN;
    reserve.there = pthread_create(&reserve.thread, NULL, reserve_thread, NULL) == 0;
    bool there = reserve.there;
    pthread_mutex_unlock(&reserve.mutex);
    return there;
}

void pages_reserve_stop(void)
{
    pthread_mutex_lock(&reserve.mutex);
    bool there = reserve.there;
    reserve.there = false;
    pthread_cond_signal(&reserve.changed);
    pthread_mutex_unlock(&reserve.mutex);
    if (there) {
        pthread_join(reserve.thread, NULL);
    }
}

bool pages_reserve_is_there(void)
{
    pthread_mutex_lock(&reserve.mutex);
    bool there = reserve.there;
    pthread_mutex_unlock(&reserve.mutex);
    return there;
}

void *pages_reserve_take(void)
{
    void *pages = NULL;

    pthread_mutex_lock(&reserve.mutex);
    if (reserve.ready != NULL) {
        pages = pop(&reserve.ready);
        reserve.n_ready--;
    } else if (2 * reserve.target <= PAGES_RESERVE_MAX) {
        reserve.target *= 2;
    }
    reserve.taken_s = clocks_running_ms() / 1000;
    pthread_cond_signal(&reserve.changed);
    pthread_mutex_unlock(&reserve.mutex);
    return pages;
}

bool pages_reserve_give(void *pages)
{
    pthread_mutex_lock(&reserve.mutex);
    bool there = reserve.there;
    if (there) {
        push(&reserve.returned, pages);
        reserve.n_returned++;
        pthread_cond_signal(&reserve.changed);
    }
    pthread_mutex_unlock(&reserve.mutex);
    return there;
}
