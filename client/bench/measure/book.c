/* book.c - see book.h. */
#include "book.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ids.h"
#include "../../ordersched.h"

#define KEY_PREFIX "osd_"
#define KEY_DIGITS 16 /* that are kept, of 32: enough to tell billions of orders apart */

int book_open(struct book *b, const struct soak_plan *plan, uint32_t run)
{
    memset(b, 0, sizeof *b);
    b->plan = plan;
    b->run = run;
    b->keys = calloc(plan->orders, sizeof *b->keys);
    b->late_us = calloc(plan->orders, sizeof *b->late_us);
    b->ended = calloc(plan->orders / 8 + 1, 1);
    pthread_mutex_init(&b->mutex, NULL);
    return b->keys != NULL && b->late_us != NULL && b->ended != NULL ? 0 : -1;
}

void book_close(struct book *b)
{
    free(b->keys);
    free(b->late_us);
    free(b->ended);
    pthread_mutex_destroy(&b->mutex);
}

/* ---- faults ---- */

void book_fault(struct book *b, enum book_fault_kind kind, const char *format, ...)
{
    struct book_fault *f = &b->faults[kind];
    va_list args;

    va_start(args, format);
    pthread_mutex_lock(&b->mutex);
    if (f->n++ == 0) {
        vsnprintf(f->first, sizeof f->first, format, args);
    }
    pthread_mutex_unlock(&b->mutex);
    va_end(args);
}

/* About one order; the mutex is held, or nobody else is left. */
static void order_fault(struct book *b, enum book_fault_kind kind, uint64_t number,
                        const char *format, ...) __attribute__((format(printf, 4, 5)));
static void order_fault(struct book *b, enum book_fault_kind kind, uint64_t number,
                        const char *format, ...)
{
    struct book_fault *f = &b->faults[kind];
    char id[BENCH_ID_SIZE];
    va_list args;

    if (f->n++ > 0) {
        return;
    }
    bench_id(b->run, number, id);
    int used = snprintf(f->first, sizeof f->first, "order %.*s ", BENCH_ID_SIZE, id);
    va_start(args, format);
    vsnprintf(f->first + used, sizeof f->first - (size_t)used, format, args);
    va_end(args);
}

/* ---- deliveries ---- */

/* Half of a key as a number, never 0; 0: it is none. */
static uint64_t key_number(const char *key)
{
    char digits[KEY_DIGITS + 1] = "";
    char *end;

    if (strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) != 0) {
        return 0;
    }
    memcpy(digits, key + strlen(KEY_PREFIX), strnlen(key + strlen(KEY_PREFIX), KEY_DIGITS));
    uint64_t number = strtoull(digits, &end, 16);
    if (end != digits + KEY_DIGITS) {
        return 0;
    }
    return number != 0 ? number : 1;
}

static void note_leadership(struct book *b, const char *fence, uint64_t arrived_us)
{
    uint64_t leadership = strtoull(fence, NULL, 10);

    if (leadership > b->leadership) {
        b->leadership = leadership;
        b->leaderships++;
        b->leadership_us = arrived_us;
    }
}

static void note_first(struct book *b, uint64_t number, uint64_t key, uint64_t arrived_us)
{
    uint64_t deadline_us = soak_deadline_ms(b->plan, number) * 1000;
    uint64_t late_us = arrived_us > deadline_us ? arrived_us - deadline_us : 0;

    b->keys[number] = key;
    b->late_us[number] = late_us < UINT32_MAX ? (uint32_t)late_us : UINT32_MAX;
    b->delivered++;
}

static void note_delivery(struct book *b, uint64_t number, const char *key, uint64_t deadline_ms,
                          uint64_t arrived_us)
{
    uint64_t planned_ms = soak_deadline_ms(b->plan, number);
    uint64_t key_no = key_number(key);

    if (soak_is_paid(b->plan, number)) {
        order_fault(b, BOOK_PAID_FIRED, number, "was delivered although it was paid");
    }
    if (deadline_ms != planned_ms) {
        order_fault(b, BOOK_OTHER_DEADLINE, number,
                    "was delivered with the deadline %llu, not %llu",
                    (unsigned long long)deadline_ms, (unsigned long long)planned_ms);
    }
    if (arrived_us < planned_ms * 1000) {
        order_fault(b, BOOK_EARLY, number, "was delivered %.3f ms before its deadline",
                    (double)(planned_ms * 1000 - arrived_us) / 1000);
    }
    if (b->keys[number] == 0 && key_no != 0) {
        note_first(b, number, key_no, arrived_us);
    } else if (b->keys[number] == key_no && key_no != 0) {
        b->duplicates++;
    } else {
        order_fault(b, BOOK_SECOND_EFFECT, number, "was delivered under the key \"%s\", %s", key,
                    key_no != 0 ? "and before under another one: two effects"
                                : "which is not a key");
    }
}

void book_delivery(struct book *b, const void *id, size_t id_len, const char *key,
                   const char *fence, uint64_t deadline_ms, uint64_t arrived_us)
{
    uint64_t number = 0;
    bool ours = bench_id_number(b->run, id, id_len, &number) && number < b->plan->orders;

    if (!ours) {
        book_fault(b, BOOK_STRANGER,
                   "a delivery came for \"%.*s\", which is not an order of this run",
                   (int)(id_len < 128 ? id_len : 128), (const char *)id);
        return;
    }
    pthread_mutex_lock(&b->mutex);
    note_leadership(b, fence, arrived_us);
    note_delivery(b, number, key, deadline_ms, arrived_us);
    pthread_mutex_unlock(&b->mutex);
}

uint64_t book_delivered(struct book *b)
{
    pthread_mutex_lock(&b->mutex);
    uint64_t delivered = b->delivered;
    pthread_mutex_unlock(&b->mutex);
    return delivered;
}

uint64_t book_leadership_after(struct book *b, uint64_t leadership)
{
    pthread_mutex_lock(&b->mutex);
    uint64_t us = b->leadership > leadership ? b->leadership_us : 0;
    pthread_mutex_unlock(&b->mutex);
    return us;
}

/* ---- endings ---- */

void book_end(struct book *b, uint64_t number, int error, int state)
{
    assert(number < b->plan->orders);
    int right = soak_is_paid(b->plan, number) ? ORDERSCHED_PAID : ORDERSCHED_EXPIRED;

    pthread_mutex_lock(&b->mutex);
    b->ended[number / 8] |= (uint8_t)(1u << number % 8);
    if (error != ORDERSCHED_OK) {
        order_fault(b, BOOK_ENDING, number, "should be %s, but a read of it was answered %s",
                    ordersched_state_name(right), ordersched_error_name(error));
    } else if (state != right) {
        order_fault(b, BOOK_ENDING, number, "ended %s, but should have ended %s",
                    ordersched_state_name(state), ordersched_state_name(right));
    }
    pthread_mutex_unlock(&b->mutex);
}

/* ---- the judgement ---- */

struct owned_key {
    uint64_t key;
    uint64_t number;
};

static int compare_keys(const void *a, const void *b)
{
    const struct owned_key *x = a;
    const struct owned_key *y = b;

    return (x->key > y->key) - (x->key < y->key);
}

static void judge_keys(struct book *b)
{
    struct owned_key *all = calloc(b->delivered > 0 ? b->delivered : 1, sizeof *all);
    uint64_t n = 0;

    if (all == NULL) {
        book_fault(b, BOOK_SHARED_KEY, "there is not enough memory to compare the orders' keys");
        return;
    }
    for (uint64_t i = 0; i < b->plan->orders; i++) {
        if (b->keys[i] != 0) {
            all[n++] = (struct owned_key){b->keys[i], i};
        }
    }
    qsort(all, n, sizeof *all, compare_keys);
    for (uint64_t i = 1; i < n; i++) {
        if (all[i].key == all[i - 1].key) {
            order_fault(b, BOOK_SHARED_KEY, all[i].number, "has the key of order number %llu",
                        (unsigned long long)all[i - 1].number);
        }
    }
    free(all);
}

uint64_t book_duplicates_max(const struct book *b, uint64_t under_way_max)
{
    return b->leaderships > 1 ? (b->leaderships - 1) * under_way_max : 0;
}

bool book_judge(struct book *b, uint64_t under_way_max)
{
    for (uint64_t i = 0; i < b->plan->orders; i++) {
        if (b->keys[i] == 0 && !soak_is_paid(b->plan, i)) {
            order_fault(b, BOOK_LOST, i, "was not paid, and never delivered");
        }
        if ((b->ended[i / 8] & 1u << i % 8) == 0) {
            order_fault(b, BOOK_NOT_READ, i, "was not read at the end");
        }
    }
    judge_keys(b);
    if (b->duplicates > book_duplicates_max(b, under_way_max)) {
        book_fault(b, BOOK_DUPLICATES,
                   "%llu deliveries came twice; with %u changes of leadership at most %llu can",
                   (unsigned long long)b->duplicates, b->leaderships > 0 ? b->leaderships - 1 : 0,
                   (unsigned long long)book_duplicates_max(b, under_way_max));
    }
    return book_faults(b) == 0;
}

uint64_t book_faults(const struct book *b)
{
    uint64_t n = 0;

    for (unsigned kind = 0; kind < BOOK_FAULTS; kind++) {
        n += b->faults[kind].n;
    }
    return n;
}

void book_print_faults(const struct book *b, FILE *out)
{
    for (unsigned kind = 0; kind < BOOK_FAULTS; kind++) {
        const struct book_fault *f = &b->faults[kind];
        if (f->n == 1) {
            fprintf(out, "orderbench: wrong: %s\n", f->first);
        } else if (f->n > 1) {
            fprintf(out, "orderbench: wrong: %s (the first of %llu of this kind)\n", f->first,
                    (unsigned long long)f->n);
        }
    }
}

void book_lateness(const struct book *b, uint64_t from_us, uint64_t to_us, uint64_t arrived_from_us,
                   uint64_t arrived_to_us, struct histogram *late)
{
    memset(late, 0, sizeof *late);
    for (uint64_t i = 0; i < b->plan->orders; i++) {
        uint64_t deadline_us = soak_deadline_ms(b->plan, i) * 1000;
        uint64_t arrived_us = deadline_us + b->late_us[i];
        if (b->keys[i] != 0 && deadline_us >= from_us && deadline_us < to_us &&
            arrived_us >= arrived_from_us && arrived_us < arrived_to_us) {
            histogram_add(late, b->late_us[i]);
        }
    }
}
