/* resource_bed.h - what the tests of the HTTP API's resources have in common: a desk that is opened and closed
 * around each, and what a response must be. For one file of each program; include <cmocka.h> first. */
#ifndef RESOURCE_BED_H
#define RESOURCE_BED_H

#include <string.h>

#include "front_desk.h"

#define NOON_MS 1796126400000 /* 2026-12-01T12:00:00Z */

static struct front_desk desk;

static inline int open_desk(void **state)
{
    (void)state;
    front_desk_open(&desk);
    return 0;
}

static inline int close_desk(void **state)
{
    (void)state;
    front_desk_close(&desk);
    return 0;
}

static inline void again(void)
{
    front_desk_close(&desk);
    front_desk_open(&desk);
}

static inline void slice_is(struct slice s, const char *text)
{
    assert_int_equal(s.len, strlen(text));
    assert_memory_equal(s.data, text, s.len);
}

static inline const char *text(void)
{
    return (const char *)desk.text.data;
}

/* The response's text begins so. */
static inline void begins(const char *want)
{
    if (strncmp(text(), want, strlen(want)) != 0) {
        fail_msg("%s", text());
    }
}

/* The response is this problem, whose text has these words. */
static inline void refused(unsigned status, const char *name, const char *words)
{
    assert_true(desk.answered);
    if (desk.problem == NULL || strcmp(desk.problem, name) != 0 || desk.status != status ||
        strstr(text(), words) == NULL) {
        fail_msg("%u %s", desk.status, text());
    }
}

static inline struct ordersched_answer answer_of(int error, int state, uint64_t index)
{
    return (struct ordersched_answer){.error = error,
                                      .state = state,
                                      .deadline_ms = NOON_MS,
                                      .remaining_ms = state == ORDERSCHED_PENDING ? 1500 : 0,
                                      .index = index};
}

#define RESOURCE_TEST(name) cmocka_unit_test_setup_teardown(name, open_desk, close_desk)

#endif
