/* The digest: each field of the replicated state moves it, and one made in slices is that of the
 * moment at which it was begun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/core/machine_parts.h"
#include "../../raft/core/recent.h"
#include "../../raft/core/snapshot.h"
#include "../support/bed.h"
#include "../support/random.h"

#define T BED_T0

static int setup(void **state)
{
    *state = bed_open();
    return 0;
}

static int teardown(void **state)
{
    bed_close(*state);
    return 0;
}

/* Flip one bit of a field, and demand another digest each time; then the first one again. */
static void flip(struct bed *b, void *field, size_t len, const char *name)
{
    uint64_t before = machine_digest(&b->m);
    uint8_t *bytes = field;

    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= 1;
        if (machine_digest(&b->m) == before) {
            fail_msg("the digest leaves out byte %zu of %s", i, name);
        }
        bytes[i] ^= 1;
    }
    assert_int_equal(machine_digest(&b->m), before);
}
#define FLIP(b, field) flip((b), &(field), sizeof(field), #field)

/* The same for a bit field. */
#define FLIP_BITS(b, field)                               \
    do {                                                  \
        uint64_t was = machine_digest(&(b)->m);           \
        (field) ^= 1;                                     \
        if (machine_digest(&(b)->m) == was) {             \
            fail_msg("the digest leaves out %s", #field); \
        }                                                 \
        (field) ^= 1;                                     \
    } while (0)

/* An order with a payload, a failed attempt with its reason, and requests. */
static struct order *full_order(struct bed *b)
{
    struct operation op = bed_schedule(b, "a", T + 100);

    op.payload = bed_text("payload");
    bed_apply(b, T, op);
    bed_apply(b, T, bed_extend(b, "a", T + 200));
    bed_pass(b, T + 200);
    op = bed_outcome(b, "a", 2, 1, OUTCOME_FAILED, 0);
    op.reason = bed_text("status 500");
    bed_apply(b, T + 201, op);
    bed_apply(b, T + 202, bed_pay(b, "a")); /* TOO_LATE, recorded */
    struct order *o = bed_order(b, "a");
    assert_true(o->extra != NULL && o->extra->failures == 1 && o->extra->n_requests == 2);
    return o;
}

static void each_field_of_an_order_counts(void **state)
{
    struct bed *b = *state;
    struct order *o = full_order(b);
    struct order_extra *extra = o->extra;

    flip(b, o->bytes, (size_t)o->id_len + o->payload_len, "id and payload");
    FLIP_BITS(b, o->deadline_ms);
    FLIP_BITS(b, o->payload_len);
    FLIP_BITS(b, o->schedule_index);
    FLIP_BITS(b, o->route);
    FLIP(b, o->version);
    FLIP_BITS(b, o->id_len);
    FLIP_BITS(b, o->state);
    FLIP_BITS(b, o->charge_low);
    FLIP_BITS(b, o->charge_high);
    FLIP(b, o->schedule_request);
    FLIP(b, extra->next_ms);
    FLIP(b, extra->first_deadline_ms);
    FLIP(b, extra->redriven_ms);
    FLIP(b, extra->decided_ms);
    FLIP(b, extra->decision_index);
    FLIP(b, extra->attempts);
    FLIP(b, extra->failures);
    uint64_t before = machine_digest(&b->m);
    extra->n_requests--;
    assert_int_not_equal(machine_digest(&b->m), before);
    extra->n_requests++;
    for (unsigned i = 0; i < extra->n_requests; i++) {
        struct order_request *r = &extra->requests[i];
        FLIP(b, r->id);
        FLIP(b, r->index);
        FLIP(b, r->deadline_ms);
        FLIP(b, r->error);
        FLIP(b, r->state);
    }
}

static void each_byte_of_an_orders_history_counts(void **state)
{
    struct bed *b = *state;
    struct history *h = full_order(b)->extra->history;
    struct slice events = history_events(h);
    struct slice reason = history_reason(h);

    assert_true(events.len > 0 && reason.len > 0);
    flip(b, (void *)(uintptr_t)events.data, events.len, "the events");
    flip(b, (void *)(uintptr_t)reason.data, reason.len, "the reason");
    FLIP_BITS(b, h->dropped);
}

static void each_field_of_the_machine_counts_but_applied(void **state)
{
    struct bed *b = *state;
    uint64_t before = machine_digest(&b->m);

    FLIP(b, b->m.now_ms);
    FLIP(b, b->m.epoch);
    FLIP(b, b->m.seed);
    FLIP(b, b->m.retention_ms);
    FLIP(b, b->m.request_floor_ms);
    FLIP(b, b->m.identity);
    FLIP(b, b->m.secret);
    FLIP(b, b->m.secret_index);
    FLIP(b, b->m.clock_trusted);
    b->m.applied++;
    assert_int_equal(machine_digest(&b->m), before);
    b->m.applied--;
}

static void each_field_of_a_route_counts(void **state)
{
    struct bed *b = *state;
    struct route *r = &b->m.routes[0];

    flip(b, r->name, r->name_len, "the name");
    FLIP_BITS(b, r->paused);
    FLIP(b, r->revision);
    FLIP(b, r->hash);
}

/* The hash of a route's settings follows them, whatever part of them changes. */
static void each_setting_of_a_route_counts(void **state)
{
    struct bed *b = *state;
    struct slice command[] = {bed_text("/bin/true")};
    struct operation ops[12];
    uint64_t seen[12];

    for (unsigned i = 0; i < 12; i++) {
        ops[i] = bed_route_put(b, "r");
    }
    ops[1].settings.url = bed_text("http://example.org/other");
    ops[2].settings.connect_timeout_ms = 200;
    ops[3].settings.timeout_ms++;
    ops[4].settings.window++;
    ops[5].settings.rate_per_s = 5;
    ops[6].settings.batch = 2;
    ops[7].settings.linger_ms = 9;
    ops[8].settings.retries_ms[0]++;
    ops[9].settings.ca_pem = bed_text("x");
    ops[10].settings.http1_only = true;
    ops[11].settings.kind = ROUTE_EXEC;
    ops[11].settings.url = (struct slice){NULL, 0};
    ops[11].settings.command[0] = command[0];
    ops[11].settings.n_command = 1;
    for (unsigned i = 0; i < 12; i++) {
        bed_apply(b, T, ops[i]);
        seen[i] = machine_find_route(&b->m, bed_text("r"))->hash;
        for (unsigned k = 0; k < i; k++) {
            assert_int_not_equal(seen[k], seen[i]);
        }
    }
}

static void each_field_of_a_recent_request_counts(void **state)
{
    struct bed *b = *state;
    struct recent_request r = {.index = 7, .deadline_ms = 8, .error = 2, .state = 3};
    struct recent_request others[] = {r, r, r, r, r};

    (void)b;
    others[0].id[5] ^= 1;
    others[1].index ^= 1;
    others[2].deadline_ms ^= 1;
    others[3].error ^= 1;
    others[4].state ^= 1;
    struct recent *one = recent_new();
    recent_add(one, &r);
    for (unsigned i = 0; i < 5; i++) {
        struct recent *other = recent_new();
        recent_add(other, &others[i]);
        assert_int_not_equal(recent_digest(other), recent_digest(one));
        recent_free(other);
    }
    recent_free(one);
}

static void the_order_of_recent_requests_counts_and_their_past_does_not(void **state)
{
    struct recent_request r[3] = {{.index = 1}, {.index = 2}, {.index = 3}};

    (void)state;
    for (unsigned i = 0; i < 3; i++) { /* of times 1, 2, 3 */
        r[i].id[5] = (uint8_t)(i + 1);
    }
    struct recent *a = recent_new(), *b = recent_new(), *c = recent_new();
    for (unsigned i = 0; i < 3; i++) {
        recent_add(a, &r[i]);
    }
    recent_drop_oldest(a);
    recent_add(b, &r[1]);
    recent_add(b, &r[2]);
    recent_add(c, &r[2]);
    recent_add(c, &r[1]);
    assert_int_equal(recent_digest(a), recent_digest(b));
    assert_int_not_equal(recent_digest(b), recent_digest(c));
    assert_int_equal(recent_digest(a), recent_digest_anew(a));
    recent_free(a);
    recent_free(b);
    recent_free(c);
}

/* --- in slices --- */

/* Anything that changes, adds or removes an order. */
static void change_something(struct bed *b, struct random *random, uint64_t now_ms)
{
    char id[16];

    snprintf(id, sizeof id, "o%u", (unsigned)random_below(random, 3000));
    switch (random_below(random, 4)) {
        case 0:
            bed_apply(b, now_ms, bed_schedule(b, id, now_ms + 1 + random_below(random, 5000)));
            break;
        case 1: bed_apply(b, now_ms, bed_pay(b, id)); break;
        case 2: bed_apply(b, now_ms, bed_extend(b, id, now_ms + 5000)); break;
        default: bed_apply(b, now_ms, bed_outcome(b, id, 1, 1, OUTCOME_FAILED, 0)); break;
    }
}

static void a_digest_in_slices_is_that_of_the_moment_of_its_beginning(void **state)
{
    struct bed *b = *state;
    struct random random = random_start();
    uint64_t now_ms = T;

    bed_apply(b, T, bed_epoch(0, 3000)); /* ids come again within the test */
    for (unsigned i = 0; i < 2000; i++) {
        change_something(b, &random, now_ms);
    }
    for (unsigned round = 0; round < 4; round++) {
        uint64_t wanted = machine_digest(&b->m);
        uint64_t applied = b->m.applied;
        unsigned slices = 0;
        uint64_t budget_ns;
        machine_digest_begin(&b->m);
        do {
            slices++;
            for (unsigned i = 0; i < 5; i++) {
                change_something(b, &random, now_ms += random_below(&random, 3));
            }
            budget_ns = round == 0 ? 1 : 3000;
        } while (!machine_digest_step(&b->m, &budget_ns));
        assert_true(slices > 50);
        assert_int_equal(b->m.digest.value, wanted);
        assert_int_equal(b->m.digest.applied, applied);
        assert_int_not_equal(machine_digest(&b->m), wanted);
    }
}

static void a_restore_ends_the_digest_that_is_made(void **state)
{
    struct bed *b = *state;
    uint64_t budget_ns = UINT64_MAX;
    uint8_t *snapshot;
    size_t len;

    (void)full_order(b);
    assert_int_equal(snapshot_encode(&b->m, malloc, &snapshot, &len), 0);
    machine_digest_begin(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot, len), SNAPSHOT_OK);
    assert_false(b->m.digest.running);
    machine_digest_begin(&b->m);
    assert_true(machine_digest_step(&b->m, &budget_ns));
    assert_int_equal(b->m.digest.value, machine_digest(&b->m));
    free(snapshot);
}

static void a_slice_takes_no_more_than_its_budget(void **state)
{
    struct bed *b = *state;
    unsigned slices = 0;
    uint64_t budget_ns;

    for (unsigned i = 0; i < 4000; i++) {
        char id[16];
        snprintf(id, sizeof id, "o%u", i);
        bed_apply(b, T, bed_schedule(b, id, T + 5000));
    }
    machine_digest_begin(&b->m);
    do {
        budget_ns = 100000;
        slices++;
    } while (!machine_digest_step(&b->m, &budget_ns));
    assert_true(slices >= 4000 * 400 / 100000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_field_of_an_order_counts),
        TEST(each_byte_of_an_orders_history_counts),
        TEST(each_field_of_the_machine_counts_but_applied),
        TEST(each_field_of_a_route_counts),
        TEST(each_setting_of_a_route_counts),
        TEST(each_field_of_a_recent_request_counts),
        TEST(the_order_of_recent_requests_counts_and_their_past_does_not),
        TEST(a_digest_in_slices_is_that_of_the_moment_of_its_beginning),
        TEST(a_restore_ends_the_digest_that_is_made),
        TEST(a_slice_takes_no_more_than_its_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
