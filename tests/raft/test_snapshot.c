/* test_snapshot.c - snapshots of the machine: all of it comes back, of older versions too.
 * Runs beside others: computes 5 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/recent.h"
#include "../../raft/core/snapshot.h"
#include "../support/bed.h"
#include "../support/bench/snapshot_bench.h"

#define T BED_T0

static void a_machine_comes_back_as_it_was(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    struct machine m;
    struct machine_counts counts;
    struct machine_counts want;

    (void)state;
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
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
    free(snapshot.data);
    bed_close(b);
}

static void an_empty_machine_comes_back_empty(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct machine empty;
    struct snapshot_bytes snapshot;

    (void)state;
    machine_init(&empty);
    snapshot = snapshot_of(&empty);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), machine_digest(&empty));
    assert_int_equal(b->m.store.n, 0);
    assert_int_equal(b->m.n_routes, 0);
    assert_int_equal(machine_next_ms(&b->m), UINT64_MAX);
    machine_close(&empty);
    free(snapshot.data);
    bed_close(b);
}

static void what_was_in_flight_is_ready_again_in_order_of_deadline(void **state)
{
    struct bed *b = bed_open();
    struct snapshot_bytes snapshot;
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
    snapshot = snapshot_of(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(&b->m);
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "a"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "b"));
    assert_ptr_equal(bed_take(b, 0), bed_order(b, "d"));
    assert_null(bed_take(b, 0));
    assert_int_equal(machine_oldest_overdue_ms(&b->m), 900);
    assert_int_equal(machine_next_ms(&b->m), T + 6000);
    free(snapshot.data);
    bed_close(b);
}

static void a_snapshot_does_not_look_like_a_compressed_one(void **state)
{
    struct bed *b = bed_open();
    struct snapshot_bytes snapshot = snapshot_of(&b->m);

    (void)state;
    assert_memory_equal(snapshot.data, "OSDSNAP1\x05\0\0\0", 12);
    free(snapshot.data);
    bed_close(b);
}

static void *no_memory(size_t size)
{
    (void)size;
    return NULL;
}

static void a_snapshot_without_memory_is_an_error(void **state)
{
    struct bed *b = bed_open();
    uint8_t *data = NULL;
    size_t len = 0;

    (void)state;
    assert_int_equal(snapshot_encode(&b->m, no_memory, &data, &len), -1);
    assert_null(data);
    bed_close(b);
}

/* tests/data/snapshot-N.osd is what version N wrote of a machine like that of snapshot_bed_lived().
 * */
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
    assert_int_equal(m->store.n, version < 8 ? 12 : 13);
    assert_int_equal(m->stored.dead, 1);
    assert_int_equal(m->stored.paid, 2);
    assert_int_equal(m->stored.closing, 6 - 1);
    assert_int_equal(machine_find(m, bed_text("j"))->state, ORDERSCHED_DEAD);
    assert_int_equal(m->secret_index != 0, version >= 4);
    assert_int_equal(m->secret[31], version >= 4 ? 8 : 0);
    assert_int_equal(m->era, 0);
    assert_int_equal(m->clock_trusted, 0);
}

static void goes_on_in_the_form_of(struct machine *m, unsigned version)
{
    struct snapshot_bytes snapshot = snapshot_of(m);
    uint64_t digest = machine_digest(m);

    assert_int_equal(snapshot.data[8], version);
    assert_int_equal(snapshot_restore(m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(m);
    assert_int_equal(machine_digest(m), digest);
    free(snapshot.data);
    machine_close(m);
}

/* 6 only once there was a principal, 7 once something was administered, 8 once there was a quota, or the use
 * of a token was noted, 9 once a request id was keyed, 10 once an order had a traceparent. */
static void goes_on_in_the_present_form(struct machine *m)
{
    goes_on_in_the_form_of(m, 5);
}

static void a_snapshot_of_version_1_is_read(void **state)
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

static void snapshots_of_versions_2_to_5_are_read(void **state)
{
    struct machine m;

    (void)state;
    for (unsigned version = 2; version <= 5; version++) {
        restore_version(&m, version);
        assert_int_equal(machine_find_route(&m, bed_text(BED_ROUTE))->settings.timeout_ms, 5000);
        assert_int_equal(recent_count(m.recent), 5);
        goes_on_in_the_present_form(&m);
    }
}

static void a_snapshot_of_version_6_has_principals(void **state)
{
    struct machine m;

    (void)state;
    restore_version(&m, 6);
    const struct principal *root = grants_find(&m.grants, bed_text("root"));
    assert_non_null(root);
    assert_int_equal(root->tokens[0].hash[31], 1);
    assert_int_equal(m.audit.made, 0);
    goes_on_in_the_form_of(&m, 6);
}

static void a_snapshot_of_version_7_has_the_audit_trail(void **state)
{
    struct machine m;

    (void)state;
    restore_version(&m, 7);
    assert_non_null(grants_find(&m.grants, bed_text("root")));
    assert_int_equal(audit_count(&m.audit), 2);
    const struct audit_row *done = audit_after(&m.audit, 0);
    assert_int_equal(done->number, 1);
    assert_int_equal(done->code, OPERATION_ROUTE_PAUSE);
    assert_int_equal(done->time_ms, T + 1000);
    assert_memory_equal(done->name.data, "root", done->name.len);
    assert_memory_equal(done->from.data, "192.0.2.7", done->from.len);
    const struct audit_row *refused = audit_after(&m.audit, 1);
    assert_int_equal(refused->number, 4);
    assert_int_equal(refused->error, ORDERSCHED_DENIED);
    assert_int_equal(refused->count, 3);
    goes_on_in_the_form_of(&m, 7);
}

static void a_snapshot_of_version_8_has_quotas_and_uses(void **state)
{
    struct machine m;

    (void)state;
    restore_version(&m, 8);
    assert_int_equal(audit_count(&m.audit), 2);
    const struct principal *shop = grants_find(&m.grants, bed_text("shop"));
    assert_non_null(shop);
    assert_int_equal(shop->slot, 1);
    assert_int_equal(shop->grants[0].quota.operations_per_s, 5);
    assert_int_equal(shop->tokens[0].used_ms, T + 1000);
    assert_memory_equal(shop->tokens[0].from, "192.0.2.8", shop->tokens[0].from_len);
    assert_int_equal(grants_find(&m.grants, bed_text("root"))->slot, 0);
    const struct quota_account *account = grants_accounts(&m.grants, shop);
    assert_int_equal(account->bucket.level, 4000);
    assert_int_equal(account->bucket.time_ms, T + 1000);
    assert_int_equal(account->orders, 1);
    assert_int_equal(order_charge(machine_find(&m, bed_text("quoted"))), quota_charge(1, 0));
    goes_on_in_the_form_of(&m, 8);
}

static void a_snapshot_of_version_9_has_keyed_request_ids(void **state)
{
    struct machine m;

    (void)state;
    restore_version(&m, 9);
    const struct order *o = machine_find(&m, bed_text("keyed"));
    assert_non_null(o);
    assert_true(request_id_is_keyed(o->schedule_request));
    assert_true(m.keyed);
    assert_false(m.traced || o->traced);
    goes_on_in_the_form_of(&m, 9);
}

static void whose_clock_is_trusted_comes_back(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct machine m;

    (void)state;
    bed_apply(b, T + 1000, bed_clock_trust(b, INT64_MAX));
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_true(m.clock_trusted == INT64_MAX);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(snapshot.data);
    bed_close(b);
}

static void identity_and_secret_come_back(void **state)
{
    struct bed *b = snapshot_bed_lived();
    struct machine m;

    (void)state;
    struct snapshot_bytes snapshot = snapshot_of(&b->m);
    machine_init(&m);
    assert_int_equal(snapshot_restore(&m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(m.identity[15], 7);
    assert_int_equal(m.secret[31], 8);
    assert_int_equal(m.secret_index, b->m.secret_index);
    assert_int_equal(machine_digest(&m), machine_digest(&b->m));
    machine_close(&m);
    free(snapshot.data);
    bed_close(b);
}

static void the_largest_of_everything_fits_its_bound(void **state)
{
    struct bed *b = bed_open();
    static char pem[PROTOCOL_CA_MAX];
    char text[ORDERSCHED_PAYLOAD_MAX];
    struct operation op;
    struct snapshot_bytes snapshot;

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
        op.settings.headers[i].name = (struct slice){(uint8_t *)text + 7, PROTOCOL_HEADER_NAME_MAX};
        op.settings.headers[i].value = (struct slice){(uint8_t *)text + 7,
                                                      PROTOCOL_HEADER_VALUE_MAX};
    }
    op.settings.ca_pem = (struct slice){(uint8_t *)pem, PROTOCOL_CA_MAX};
    op.settings.client_cert_pem = (struct slice){(uint8_t *)pem, PROTOCOL_CLIENT_CERT_MAX};
    op.settings.client_key_pem = (struct slice){(uint8_t *)pem, PROTOCOL_CLIENT_KEY_MAX};
    op.settings.n_signing_keys = PROTOCOL_SECRETS_MAX;
    for (unsigned i = 0; i < PROTOCOL_SECRETS_MAX; i++) {
        op.settings.signing_keys[i] = bed_text("whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DX"
                                               "WpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==");
    }
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
    snapshot = snapshot_of(&b->m);
    uint64_t digest = machine_digest(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
    bed_close(b);
}

static void a_million_recent_requests_come_back_in_their_order(void **state)
{
    struct bed *b = bed_open();
    struct snapshot_bytes snapshot;
    uint64_t digest;

    (void)state;
    snapshot_bed_refuse(b, MACHINE_RECENT_MAX);
    assert_int_equal(recent_count(b->m.recent),
                     MACHINE_RECENT_MAX - MACHINE_RECENT_MAX / MACHINE_RECENT_SPARE);
    digest = machine_digest(&b->m);
    snapshot = snapshot_of(&b->m);
    assert_int_equal(snapshot_restore(&b->m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(machine_digest(&b->m), digest);
    free(snapshot.data);
    bed_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_comes_back_as_it_was),
        cmocka_unit_test(an_empty_machine_comes_back_empty),
        cmocka_unit_test(what_was_in_flight_is_ready_again_in_order_of_deadline),
        cmocka_unit_test(a_snapshot_does_not_look_like_a_compressed_one),
        cmocka_unit_test(a_snapshot_without_memory_is_an_error),
        cmocka_unit_test(a_snapshot_of_version_1_is_read),
        cmocka_unit_test(snapshots_of_versions_2_to_5_are_read),
        cmocka_unit_test(a_snapshot_of_version_6_has_principals),
        cmocka_unit_test(a_snapshot_of_version_7_has_the_audit_trail),
        cmocka_unit_test(a_snapshot_of_version_8_has_quotas_and_uses),
        cmocka_unit_test(a_snapshot_of_version_9_has_keyed_request_ids),
        cmocka_unit_test(whose_clock_is_trusted_comes_back),
        cmocka_unit_test(identity_and_secret_come_back),
        cmocka_unit_test(the_largest_of_everything_fits_its_bound),
        cmocka_unit_test(a_million_recent_requests_come_back_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
