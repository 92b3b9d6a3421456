/* test_snapshot.c - images of the machine: there and back, and every way to be damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <xxhash.h>

#include "../raft/recent.h"
#include "../raft/snapshot.h"
#include "support/bed.h"
#include "support/noise.h"

#define T BED_T0

struct image {
    uint8_t *data;
    size_t len;
};

static struct image encode(struct machine *m)
{
    struct image image;

    assert_int_equal(snapshot_encode(m, malloc, &image.data, &image.len), 0);
    return image;
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

/* Write the trailer anew, for so many bytes of base; the rest is the tail. */
static void mend_parts(struct image *image, size_t base)
{
    size_t len = image->len - 32;
    uint8_t *trailer = image->data + len;

    put_u64(trailer, base);
    put_u64(trailer + 8, XXH3_64bits(image->data, base));
    put_u64(trailer + 16, XXH3_64bits(image->data + base, len - base));
    put_u64(trailer + 24, XXH3_64bits(trailer, 24));
}

static void mend(struct image *image)
{
    mend_parts(image, image->len - 32);
}

/* A bed with orders in every state and place, and a few recent requests. */
static struct bed *lived(void)
{
    struct bed *b = bed_open();
    struct operation op;

    bed_apply(b, T, bed_route_put(b, "gone"));
    op = bed_route_put(b, "shoq"); /* one bit from BED_ROUTE */
    op.settings.n_secrets = 0;
    op.settings.n_retries = 0;
    bed_apply(b, T, op);
    bed_apply(b, T, bed_route_delete(b, "gone")); /* leaves a gap in the slots */
    for (char c = 'a'; c <= 'l'; c++) {
        char id[2] = {c, '\0'};

        op = bed_schedule(b, id, T + (c < 'e' ? 100000 : 100 + (uint64_t)c));
        op.payload.len = (size_t)(c % 4);
        op.route = bed_text(c % 2 ? "shoq" : BED_ROUTE);
        bed_apply(b, T, op);
    }
    bed_apply(b, T, bed_pay(b, "a"));
    bed_apply(b, T, bed_cancel(b, "b"));
    bed_apply(b, T, bed_extend(b, "c", T + 200000));
    bed_apply(b, T, bed_pay(b, "nobody"));
    bed_pass(b, T + 1000);
    assert_non_null(bed_take(b, 0));
    bed_apply(b, T + 1000, bed_outcome(b, "e", 1, 1, OUTCOME_EXPIRED, 0));
    bed_apply(b, T + 1000, bed_outcome(b, "f", 1, 1, OUTCOME_PAID, 0));
    bed_apply(b, T + 1000, bed_outcome(b, "g", 1, 1, OUTCOME_LATER, 5000));
    bed_apply(b, T + 1000, bed_outcome(b, "h", 1, 1, OUTCOME_FAILED, 0));
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        bed_apply(b, T + 1000, bed_outcome(b, "j", 1, attempt, OUTCOME_FAILED, 0));
    }
    bed_apply(b, T + 1000, bed_pay(b, "k")); /* too late, recorded */
    return b;
}

static void a_machine_comes_back_as_it_was(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);
    struct machine m;
    struct machine_counts counts;
    struct machine_counts want;

    (void)state;
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, image.data, image.len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    assert_int_equal(m.applied, b->m.applied);
    assert_int_equal(m.store.n, 12);
    assert_true(m.routes[2].used && !m.routes[1].used);
    machine_counts(&m, &counts);
    machine_counts(&b->m, &want);
    assert_memory_equal(&counts, &want, sizeof counts);
    assert_int_equal(machine_oldest_overdue_ms(&m), machine_oldest_overdue_ms(&b->m));
    machine_close(&m);
    free(image.data);
    bed_close(b);
}

static void an_empty_machine_comes_back_empty(void **state)
{
    struct bed *b = lived();
    struct machine empty;
    struct image image;

    (void)state;
    machine_init(&empty);
    image = encode(&empty);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), machine_digest(&empty));
    assert_int_equal(b->m.store.n, 0);
    assert_int_equal(b->m.n_routes, 0);
    assert_int_equal(machine_next_ms(&b->m), UINT64_MAX);
    machine_close(&empty);
    free(image.data);
    bed_close(b);
}

static void what_was_in_flight_is_ready_again_in_order_of_deadline(void **state)
{
    struct bed *b = bed_open();
    struct image image;
    static const char *const ids[] = {"d", "b", "c", "a"};
    static const unsigned at[] = {400, 200, 300, 100};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        bed_apply(b, T, bed_schedule(b, ids[i], T + at[i]));
    }
    bed_pass(b, T + 1000);
    assert_non_null(bed_take(b, 0));
    assert_non_null(bed_take(b, 0));
    bed_apply(b, T + 1000, bed_outcome(b, "c", 1, 1, OUTCOME_LATER, 5000));
    image = encode(&b->m);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    machine_check(&b->m);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "b"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "d"));
    assert_null(bed_take(b, 0));
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 900);
    assert_int_equal(machine_next_ms(&b->m), T + 6000);
    free(image.data);
    bed_close(b);
}

static void an_image_does_not_look_like_a_compressed_one(void **state)
{
    struct bed *b = bed_open();
    struct image image = encode(&b->m);

    (void)state;
    assert_memory_equal(image.data, "OSDSNAP1\x04\0\0\0", 12);
    free(image.data);
    bed_close(b);
}

static void every_truncation_is_corrupt_and_changes_nothing(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    for (size_t len = 0; len < image.len; len++) {
        uint8_t *cut = malloc(len + 1); /* of its own, so that a read past it is seen */

        memcpy(cut, image.data, len);
        assert_int_equal(snapshot_restore(&b->m, cut, len), SNAPSHOT_CORRUPT);
        free(cut);
    }
    machine_check(&b->m);
    assert_int_equal(machine_digest(&b->m), digest);
    free(image.data);
    bed_close(b);
}

static void every_truncation_with_a_right_checksum_is_corrupt(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    for (size_t len = 44; len < image.len; len++) {
        struct image cut = {.data = malloc(len), .len = len};

        memcpy(cut.data, image.data, len);
        mend(&cut);
        assert_int_equal(snapshot_restore(&b->m, cut.data, len), SNAPSHOT_CORRUPT);
        free(cut.data);
    }
    machine_check(&b->m);
    assert_int_equal(machine_digest(&b->m), digest);
    free(image.data);
    bed_close(b);
}

static void every_altered_byte_is_corrupt_and_changes_nothing(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    for (size_t i = 0; i < image.len; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            image.data[i] ^= (uint8_t)(1u << bit);
            assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_CORRUPT);
            image.data[i] ^= (uint8_t)(1u << bit);
        }
    }
    assert_int_equal(machine_digest(&b->m), digest);
    machine_check(&b->m);
    free(image.data);
    bed_close(b);
}

/* Whatever a forger writes, what is accepted is a sound machine, and the rest changes nothing. */
static void an_altered_image_with_a_right_checksum_is_refused_or_sound(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);
    struct machine m;
    unsigned accepted = 0;
    unsigned refused = 0;

    (void)state;
    machine_init(&m);
    for (size_t i = 8; i < image.len - 32; i++) {
        static const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0x90, 0xc0,
                                         0xc4, 0xcc, 0xcf, 0xdd, 0xff};
        uint8_t was = image.data[i];

        for (unsigned v = 0; v < sizeof values + 8; v++) {
            enum snapshot_error error;
            uint64_t before = machine_digest(&m);

            image.data[i] = v < sizeof values ? values[v]
                                              : was ^ (uint8_t)(1u << (v - sizeof values));
            mend(&image);
            error = snapshot_restore(&m, image.data, image.len);
            machine_check(&m);
            if (error == SNAPSHOT_OK) {
                accepted++;
            } else {
                assert_true(error == SNAPSHOT_CORRUPT ||
                            (error == SNAPSHOT_TOO_NEW && i < 12));
                assert_int_equal(machine_digest(&m), before);
                refused++;
            }
        }
        image.data[i] = was;
    }
    print_message("%u altered images accepted, %u refused\n", accepted, refused);
    assert_true(accepted > 0 && refused > 0);
    machine_close(&m);
    free(image.data);
    bed_close(b);
}

static void a_newer_version_is_told_from_a_corrupt_one(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);
    uint64_t digest = machine_digest(&b->m);

    (void)state;
    image.data[8] = SNAPSHOT_VERSION + 1;
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_CORRUPT);
    mend(&image);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_TOO_NEW);
    image.data[8] = 0;
    mend(&image);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_CORRUPT);
    assert_int_equal(machine_digest(&b->m), digest);
    free(image.data);
    bed_close(b);
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static void an_image_without_memory_is_an_error(void **state)
{
    struct bed *b = bed_open();
    uint8_t *data = NULL;
    size_t len = 0;

    (void)state;
    assert_int_equal(snapshot_encode(&b->m, no_memory, &data, &len), -1);
    assert_null(data);
    bed_close(b);
}

/* tests/data/snapshot-N.osd is what version N wrote of a machine like that of lived(). */
static void restore_version(struct machine *m, unsigned version)
{
    static uint8_t data[4096];
    char path[64];

    snprintf(path, sizeof path, "tests/data/snapshot-%u.osd", version);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(data, 1, sizeof data, file);
    fclose(file);
    assert_int_equal(data[8], version);
    machine_init(m);
    assert_int_equal(snapshot_restore(m, data, len), SNAPSHOT_OK);
    machine_check(m);
    assert_int_equal(m->now_ms, T + 1000);
    assert_int_equal(m->store.n, 12);
    assert_int_equal(m->stored.dead, 1);
    assert_int_equal(m->stored.paid, 2);
    assert_int_equal(m->stored.closing, 6 - 1);
    assert_int_equal(machine_find(m, bed_text("j"))->state, ORDERSCHED_DEAD);
    assert_int_equal(m->secret_index, 0);
}

static void goes_on_in_the_present_form(struct machine *m)
{
    struct image image = encode(m);
    uint64_t digest = machine_digest(m);

    assert_int_equal(image.data[8], SNAPSHOT_VERSION);
    assert_int_equal(snapshot_restore(m, image.data, image.len), SNAPSHOT_OK);
    machine_check(m);
    assert_int_equal(machine_digest(m), digest);
    free(image.data);
    machine_close(m);
}

static void an_image_of_version_1_is_read(void **state)
{
    struct machine m;

    (void)state;
    restore_version(&m, 1);
    const struct route *shop = machine_find_route(&m, bed_text(BED_ROUTE));
    assert_false(shop->paused);
    assert_int_equal(shop->settings.kind, ROUTE_HTTP);
    assert_int_equal(shop->settings.timeout_ms, 5000);
    assert_int_equal(shop->settings.window, 16);
    assert_int_equal(shop->settings.n_secrets, 1);
    assert_int_equal(shop->settings.retries_ms[1], 2000);
    assert_int_equal(machine_find_route(&m, bed_text("shoq"))->settings.n_retries, 15);
    goes_on_in_the_present_form(&m);
}

static void images_of_versions_2_and_3_are_read(void **state)
{
    struct machine m;

    (void)state;
    for (unsigned version = 2; version <= 3; version++) {
        restore_version(&m, version);
        assert_int_equal(machine_find_route(&m, bed_text(BED_ROUTE))->settings.timeout_ms, 5000);
        assert_int_equal(recent_count(m.recent), 5);
        goes_on_in_the_present_form(&m);
    }
}

static void identity_and_secret_come_back(void **state)
{
    struct bed *b = lived();
    struct machine m;

    (void)state;
    struct image image = encode(&b->m);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(m.identity[15], 7);
    assert_int_equal(m.secret[31], 8);
    assert_int_equal(m.secret_index, b->m.secret_index);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(image.data);
    bed_close(b);
}

static void the_largest_of_everything_fits_its_bound(void **state)
{
    struct bed *b = bed_open();
    static char pem[PROTOCOL_CA_MAX];
    char text[ORDERSCHED_PAYLOAD_MAX];
    struct operation op;
    struct image image;

    (void)state;
    memset(text, 'x', sizeof text);
    memset(pem, 'p', sizeof pem);
    b->epoch = UINT64_MAX;
    bed_apply(b, T, bed_epoch_with(255, 255));
    op = bed_route_put(b, BED_ROUTE);
    op.id = (struct slice){(uint8_t *)text, ORDERSCHED_ROUTE_NAME_MAX};
    memcpy(text, "http://", 7);
    op.settings.url = (struct slice){(uint8_t *)text, PROTOCOL_URL_MAX};
    op.id.data += 7;
    op.settings.n_secrets = PROTOCOL_SECRETS_MAX;
    for (unsigned i = 0; i < PROTOCOL_SECRETS_MAX; i++) {
        op.settings.secrets[i] = bed_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    }
    op.settings.n_retries = PROTOCOL_RETRIES_MAX;
    for (unsigned i = 0; i < PROTOCOL_RETRIES_MAX; i++) {
        op.settings.retries_ms[i] = UINT32_MAX;
    }
    op.settings.n_headers = PROTOCOL_HEADERS_MAX;
    for (unsigned i = 0; i < PROTOCOL_HEADERS_MAX; i++) {
        op.settings.headers[i].name =
            (struct slice){(uint8_t *)text + 7, PROTOCOL_HEADER_NAME_MAX};
        op.settings.headers[i].value =
            (struct slice){(uint8_t *)text + 7, PROTOCOL_HEADER_VALUE_MAX};
    }
    op.settings.ca_pem = (struct slice){(uint8_t *)pem, PROTOCOL_CA_MAX};
    assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_OK);
    op = bed_schedule(b, "a", T + 100);
    op.id = (struct slice){(uint8_t *)text, ORDERSCHED_ID_MAX};
    op.payload = (struct slice){(uint8_t *)text, ORDERSCHED_PAYLOAD_MAX};
    assert_int_equal(bed_apply(b, T, op).error, ORDERSCHED_OK);
    for (unsigned i = 0; i < ORDER_REQUESTS_MAX; i++) {
        op = bed_extend(b, "a", i < ORDER_EXTENDS_MAX ? T + 100 + i : T + 1); /* earlier: refused */
        op.id = (struct slice){(uint8_t *)text, ORDERSCHED_ID_MAX};
        bed_apply(b, T, op);
    }
    image = encode(&b->m);
    uint64_t digest = machine_digest(&b->m);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), digest);
    free(image.data);
    bed_close(b);
}

static void refuse_many(struct bed *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct operation op = bed_pay(b, "a");

        bed_add(b, &op);
        if (b->n == 1000 || i == n - 1) {
            bed_commit(b, b->m.now_ms);
        }
    }
}

static void a_million_recent_requests_come_back_in_their_order(void **state)
{
    struct bed *b = bed_open();
    struct image image;
    uint64_t digest;

    (void)state;
    refuse_many(b, MACHINE_RECENT_MAX);
    assert_int_equal(recent_count(b->m.recent),
                     MACHINE_RECENT_MAX - MACHINE_RECENT_MAX / MACHINE_RECENT_SPARE);
    digest = machine_digest(&b->m);
    image = encode(&b->m);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), digest);
    free(image.data);
    bed_close(b);
}

/* --- images that are built while the machine goes on --- */

static struct image finish(struct machine *m)
{
    struct snapshot_part *parts;
    struct image image = {0};
    unsigned n;

    snapshot_finish(m->image, &parts, &n);
    image.data = snapshot_parts_join(parts, n, malloc, &image.len);
    assert_non_null(image.data);
    snapshot_parts_free(parts, n);
    return image;
}

static void recent_requests_that_leave_or_come_under_an_image_are_as_at_its_begin(void **state)
{
    struct bed *b = bed_open();
    const uint64_t later = T + PROTOCOL_REQUEST_LIFETIME_MS;

    (void)state;
    refuse_many(b, 5000);
    bed_pass(b, T + 1000);
    refuse_many(b, 3000);
    assert_non_null(snapshot_begin(&b->m));
    snapshot_step(b->m.image, 700);
    bed_pass(b, later);
    for (unsigned i = 0; i < 20; i++) { /* those of T leave, some of them not written yet */
        refuse_many(b, 100);
        snapshot_step(b->m.image, 10);
    }
    assert_true(recent_count(b->m.recent) < 6000);
    while (!snapshot_step(b->m.image, 1000)) {
    }
    uint64_t digest = machine_digest(&b->m);
    struct image image = finish(&b->m);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), digest);
    free(image.data);
    bed_close(b);
}

/* Every kind of change, each to an order that the image does not hold yet, and new orders. */
static struct image built_while_living(struct bed *b)
{
    assert_non_null(snapshot_begin(&b->m));
    bed_apply(b, T + 1100, bed_schedule(b, "new", T + 9000));
    bed_apply(b, T + 1100, bed_pay(b, "new"));
    bed_apply(b, T + 1100, bed_pay(b, "c"));
    bed_apply(b, T + 1100, bed_extend(b, "d", T + 300000));
    bed_apply(b, T + 1100, bed_cancel(b, "l")); /* too late, recorded */
    bed_apply(b, T + 1100, bed_outcome(b, "i", 1, 1, OUTCOME_FAILED, 0));
    bed_apply(b, T + 1100, bed_outcome(b, "k", 1, 1, OUTCOME_EXPIRED, 0));
    bed_apply(b, T + 1100, bed_epoch(0, 50)); /* of the epoch before: void */
    b->epoch = 2;
    bed_apply(b, T + 1200, bed_epoch(0, 50)); /* short retention: the decided are purged */
    bed_pass(b, T + 1300);
    assert_null(bed_order(b, "a"));
    bed_apply(b, T + 1300, bed_schedule(b, "a", T + 8000));
    while (!snapshot_step(b->m.image, 1)) {
    }
    bed_apply(b, T + 1400, bed_route_put(b, "later"));
    bed_apply(b, T + 1400, bed_pay(b, "a"));
    return finish(&b->m);
}

static void an_image_built_while_orders_change_is_of_its_end(void **state)
{
    struct bed *b = lived();
    struct image image = built_while_living(b);
    struct image again = encode(&b->m);
    struct machine m;

    (void)state;
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, image.data, image.len), SNAPSHOT_OK);
    machine_check(&m);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    assert_int_equal(m.applied, b->m.applied);
    assert_int_equal(m.now_ms, b->m.now_ms);
    assert_int_equal(snapshot_restore(&m, again.data, again.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(image.data);
    free(again.data);
    bed_close(b);
}

static void a_slice_is_one_shard_at_most_beyond_what_was_asked(void **state)
{
    struct bed *b = bed_open();
    unsigned steps = 0;
    char id[16];

    (void)state;
    bed_apply(b, T, bed_epoch(7, 1000000));
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(id, sizeof id, "order-%u", i);
        struct operation op = bed_schedule(b, id, T + 100000);
        bed_add(b, &op);
        if (b->n == 500) {
            bed_commit(b, T);
        }
    }
    assert_non_null(snapshot_begin(&b->m));
    while (!snapshot_step(b->m.image, 100)) {
        steps++;
    }
    assert_in_range(steps, 4000 / 120, 4000 / 100);
    struct image image = finish(&b->m);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(b->m.store.n, 4000);
    free(image.data);
    bed_close(b);
}

/* What is not whole, out of order or no entry of ours is found before anything changes. */
static void an_altered_tail_with_a_right_checksum_is_refused_or_sound(void **state)
{
    struct bed *b = lived();
    struct image image = built_while_living(b);
    struct machine m;
    size_t base = 0;
    unsigned refused = 0;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        base |= (size_t)image.data[image.len - 32 + i] << (8 * i);
    }
    machine_init(&m);
    for (size_t i = base; i < image.len - 32; i++) {
        uint64_t before = machine_digest(&m);
        image.data[i] ^= 0x41;
        mend_parts(&image, base);
        if (snapshot_restore(&m, image.data, image.len) == SNAPSHOT_OK) {
            machine_check(&m);
        } else {
            assert_int_equal(machine_digest(&m), before);
            refused++;
        }
        image.data[i] ^= 0x41;
    }
    assert_true(refused > (image.len - 32 - base) * 9 / 10); /* each entry has a checksum */
    mend_parts(&image, base);
    assert_int_equal(snapshot_restore(&m, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(image.data);
    bed_close(b);
}

static void an_image_that_is_given_up_leaves_the_machine_free_to_go(void **state)
{
    struct bed *b = lived();
    struct image image = encode(&b->m);

    (void)state;
    assert_non_null(snapshot_begin(&b->m));
    (void)snapshot_step(b->m.image, 1);
    bed_apply(b, T + 1100, bed_pay(b, "c"));
    snapshot_abort(b->m.image);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    free(image.data);
    image = encode(&b->m);
    assert_int_equal(snapshot_restore(&b->m, image.data, image.len), SNAPSHOT_OK);
    free(image.data);
    bed_close(b); /* and closing it with a build under way */
}

/* --- the same log on several machines --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ENTRIES 6000
#else
#define ENTRIES 20000
#endif

static void apply_to(struct machine *m, const struct bed *b)
{
    assert_int_equal(machine_apply(m, b->index, b->entry.data, b->entry.len, NULL), 0);
}

static void restart(struct machine *m)
{
    struct image image = encode(m);

    machine_close(m);
    machine_init(m);
    assert_int_equal(snapshot_restore(m, image.data, image.len), SNAPSHOT_OK);
    machine_check(m);
    free(image.data);
}

/* One machine leads a busy life, one never looks at its indexes, one is restarted from its
 * snapshot at random points: their states never differ. */
static void the_same_log_gives_the_same_state_whatever_else_is_done(void **state)
{
    struct bed *b = bed_open();
    struct noise *n = malloc(sizeof *n);
    struct machine idle;
    struct machine restarted;
    struct image image = encode(&b->m);

    (void)state;
    noise_init(n, noise_seed(4711));
    machine_init(&idle);
    machine_init(&restarted);
    assert_int_equal(snapshot_restore(&idle, image.data, image.len), SNAPSHOT_OK);
    assert_int_equal(snapshot_restore(&restarted, image.data, image.len), SNAPSHOT_OK);
    free(image.data);
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t k = noise_below(n, 9);

        while (k-- > 0) {
            bed_add(b, noise_operation(n, &b->m));
        }
        b->epoch = b->m.epoch + noise_below(n, 2);
        bed_commit(b, noise_time(n, b->m.now_ms));
        apply_to(&idle, b);
        apply_to(&restarted, b);
        machine_advance(&b->m, 1 + (unsigned)noise_below(n, 5));
        machine_take_ready(&b->m, (uint16_t)noise_below(n, NOISE_ROUTES + 1),
                           (enum route_ready)noise_below(n, ROUTE_READY_LISTS));
        if (noise_below(n, 50) == 0) {
            machine_put_back_all(&b->m);
        }
        if (noise_below(n, 200) == 0) {
            restart(&restarted);
        }
        if (i % 20 == 0) {
            uint64_t digest = machine_digest(&b->m);

            assert_int_equal(machine_digest(&idle), digest);
            assert_int_equal(machine_digest(&restarted), digest);
            machine_check(&b->m);
            machine_check(&idle);
        }
    }
    machine_close(&idle);
    machine_close(&restarted);
    free(n);
    bed_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_comes_back_as_it_was),
        cmocka_unit_test(an_empty_machine_comes_back_empty),
        cmocka_unit_test(what_was_in_flight_is_ready_again_in_order_of_deadline),
        cmocka_unit_test(an_image_does_not_look_like_a_compressed_one),
        cmocka_unit_test(every_truncation_is_corrupt_and_changes_nothing),
        cmocka_unit_test(every_truncation_with_a_right_checksum_is_corrupt),
        cmocka_unit_test(every_altered_byte_is_corrupt_and_changes_nothing),
        cmocka_unit_test(an_altered_image_with_a_right_checksum_is_refused_or_sound),
        cmocka_unit_test(a_newer_version_is_told_from_a_corrupt_one),
        cmocka_unit_test(an_image_without_memory_is_an_error),
        cmocka_unit_test(an_image_of_version_1_is_read),
        cmocka_unit_test(images_of_versions_2_and_3_are_read),
        cmocka_unit_test(identity_and_secret_come_back),
        cmocka_unit_test(the_largest_of_everything_fits_its_bound),
        cmocka_unit_test(an_image_built_while_orders_change_is_of_its_end),
        cmocka_unit_test(a_slice_is_one_shard_at_most_beyond_what_was_asked),
        cmocka_unit_test(an_altered_tail_with_a_right_checksum_is_refused_or_sound),
        cmocka_unit_test(an_image_that_is_given_up_leaves_the_machine_free_to_go),
        cmocka_unit_test(a_million_recent_requests_come_back_in_their_order),
        cmocka_unit_test(recent_requests_that_leave_or_come_under_an_image_are_as_at_its_begin),
        cmocka_unit_test(the_same_log_gives_the_same_state_whatever_else_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
