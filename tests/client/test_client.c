/* test_client.c - the client library over real connections, against small servers (support/fleet):
 * every kind of call, and what cannot be answered. test_client_lost has connections that die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../support/fleet.h"
#include "../support/cluster/process.h"

struct status {
    atomic_int calls;
    int error;
    uint8_t body;
};

static void take_status(void *arg, const struct ordersched_answer *answer)
{
    struct status *st = arg;

    st->error = answer->error;
    st->body = answer->body_len == 1 ? answer->body[0] : 0;
    st->calls++;
}

static void every_kind_of_call_is_answered(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct ordersched_client *client = fleet_client(s->address, 5000);
    struct ordersched_answer answer;

    assert_int_equal(ordersched_schedule(client, "order-1", 1800000, "shop", "{}", 2, &answer),
                     ORDERSCHED_OK);
    assert_int_equal(answer.error, ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_PENDING);
    assert_int_equal(answer.deadline_ms, 1800000);
    assert_int_equal(answer.remaining_ms, 1); /* this server's way to say "relative" */
    assert_int_equal(answer.index, 7);
    assert_null(answer.body);
    assert_null(answer.text);
    assert_int_equal(ordersched_extend(client, "order-1", 5000, &answer), ORDERSCHED_OK);
    assert_int_equal(answer.deadline_ms, 5000);
    assert_int_equal(ordersched_pay(client, "order-1", &answer), ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_PAID);
    assert_int_equal(ordersched_cancel(client, "order-22", &answer), ORDERSCHED_OK);
    assert_int_equal(answer.state, ORDERSCHED_CANCELLED);
    assert_int_equal(answer.index, 8);
    assert_int_equal(ordersched_get(client, "order-1", NULL), ORDERSCHED_OK);
    assert_int_equal(fleet_requests(fleet), 4);
    assert_int_equal(fleet->n_ids, fleet_requests(fleet));
    ordersched_close(client);
    fleet_free(fleet);
}

static void a_redirect_leads_to_the_leader(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *leader = fleet_start(fleet, 0, 99, 0, LEADS);
    struct server *follower = fleet_start(fleet, 1, 1, 0, FOLLOWS);
    follower->leader = leader->port;
    struct ordersched_client *client = fleet_client(follower->address, 5000);

    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_int_equal(fleet_requests(fleet), 1);
    /* They change places. */
    follower->term = leader->term = 2;
    follower->id = 99;
    leader->id = 1;
    leader->leader = follower->port;
    follower->behaviour = LEADS;
    leader->behaviour = FOLLOWS;
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_int_equal(fleet_requests(fleet), 2);
    assert_int_equal(fleet->n_ids, fleet_requests(fleet));
    ordersched_close(client);
    fleet_free(fleet);
}

static void a_leader_that_never_answers_leaves_the_outcome_unknown(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, SILENT);
    struct ordersched_client *client = fleet_client(s->address, 400);
    uint64_t start = monotonic_ms();

    int error = ordersched_pay(client, "a", NULL);
    assert_int_equal(error, ORDERSCHED_TIMEOUT);
    assert_int_equal(ordersched_error_class(error), ORDERSCHED_UNKNOWN);
    assert_in_range(monotonic_ms() - start, 390, 1500);
    assert_int_equal(ordersched_get(client, "a", NULL), ORDERSCHED_UNREACHABLE);
    ordersched_close(client);
    fleet_free(fleet);
}

static void where_nobody_listens_nothing_has_happened(void **state)
{
    (void)state;
    char address[32];
    char both[80];
    uint8_t id[16];

    address_of_nobody(address);
    snprintf(both, sizeof both, "%s, localhost:%s", address, strchr(address, ':') + 1);
    struct ordersched_client *client = fleet_client(both, 700);
    uint64_t start = monotonic_ms();
    int error = ordersched_pay(client, "a", NULL);
    assert_int_equal(error, ORDERSCHED_UNREACHABLE);
    assert_int_equal(ordersched_error_class(error), ORDERSCHED_DEFINITE);
    assert_in_range(monotonic_ms() - start, 690, 2000);
    start = monotonic_ms();
    assert_int_equal(ordersched_request_id(client, 200, id), ORDERSCHED_UNREACHABLE);
    assert_in_range(monotonic_ms() - start, 190, 1000);
    ordersched_close(client);
}

static void nodes_that_hang_or_talk_nonsense_do_not_keep_the_client_from_the_others(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    char all[128];
    unsigned hung;
    int fd = listen_somewhere(&hung); /* connects, but never says a word */
    struct server *deaf = fleet_start(fleet, 1, 2, 0, DEAF);
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);

    snprintf(all, sizeof all, "127.0.0.1:%u,%s,%s", hung, deaf->address, s->address);
    struct ordersched_client *client = fleet_client(all, 5000);
    uint64_t start = monotonic_ms();
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    assert_in_range(monotonic_ms() - start, 0, 2000);
    ordersched_close(client);

    snprintf(all, sizeof all, "127.0.0.1:%u", hung);
    client = fleet_client(all, 600);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_UNREACHABLE);
    ordersched_close(client);
    close(fd);
    fleet_free(fleet);
}

static void sixty_four_threads_share_a_client_and_its_messages(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct ordersched_client *client = fleet_client(s->address, 20000);
    struct payer payers[64];

    payers_start(payers, 64, 50, client);
    assert_int_equal(payers_join(payers, 64), 0);
    assert_int_equal(fleet_requests(fleet), 64 * 50);
    assert_int_equal(fleet->n_ids, fleet_requests(fleet));
    assert_true(fleet->messages < 64 * 50); /* some travelled together */
    ordersched_close(client);
    fleet_free(fleet);
}

static void closing_completes_what_is_pending(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, SILENT);
    struct ordersched_client *client = fleet_client(s->address, 60000);
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct collected sent = {0};
    struct collected read = {0};
    struct collected unsent = {0};
    char address[32];

    assert_int_equal(ordersched_submit(client, &op, 0, collected_take, &sent), ORDERSCHED_OK);
    op.kind = ORDERSCHED_GET;
    assert_int_equal(ordersched_submit(client, &op, 0, collected_take, &read), ORDERSCHED_OK);
    for (int i = 0; i < 2000 && s->received < 2; i++) {
        sleep_ms(1);
    }
    assert_true(s->received >= 2);
    ordersched_close(client);
    assert_int_equal(sent.calls, 1);
    assert_int_equal(sent.error, ORDERSCHED_TIMEOUT);
    assert_int_equal(read.calls, 1);
    assert_int_equal(read.error, ORDERSCHED_CLOSED);

    address_of_nobody(address);
    client = fleet_client(address, 60000);
    op.kind = ORDERSCHED_PAY;
    assert_int_equal(ordersched_submit(client, &op, 0, collected_take, &unsent), ORDERSCHED_OK);
    sleep_ms(50);
    ordersched_close(client);
    assert_int_equal(unsent.calls, 1);
    assert_int_equal(unsent.error, ORDERSCHED_CLOSED);
    ordersched_close(NULL);
    fleet_free(fleet);
}

static void a_callback_may_submit_but_not_wait(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct ordersched_client *client = fleet_client(s->address, 5000);
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct collected c = {.client = client};

    assert_int_equal(ordersched_submit(client, &op, 0, collected_take, &c), ORDERSCHED_OK);
    collected_wait(&c.calls, 2, 5000);
    assert_int_equal(c.error, ORDERSCHED_OK);
    assert_int_equal(c.from_callback, ORDERSCHED_ARGUMENT);
    ordersched_close(client);
    fleet_free(fleet);
}

static void a_made_request_id_repeats_a_call_safely(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct ordersched_client *client = fleet_client(s->address, 5000);
    uint8_t id[16];
    uint8_t other[16];

    assert_int_equal(ordersched_request_id(client, 0, id), ORDERSCHED_OK);
    assert_int_equal(ordersched_request_id(client, 0, other), ORDERSCHED_OK);
    assert_memory_not_equal(id + 6, other + 6, 10);
    assert_in_range(request_id_time_ms(id), FLEET_NOW, FLEET_NOW + 10000);
    struct ordersched_operation op = {.kind = ORDERSCHED_CANCEL,
                                      .id = "a",
                                      .id_len = 1,
                                      .request_id = id};
    assert_int_equal(ordersched_call(client, &op, 0, NULL), ORDERSCHED_OK);
    assert_int_equal(ordersched_call(client, &op, 0, NULL), ORDERSCHED_OK);
    assert_int_equal(fleet_requests(fleet), 1);
    assert_int_equal(fleet->n_ids, 2);
    ordersched_close(client);
    fleet_free(fleet);
}

static void a_target_is_asked_even_if_it_does_not_lead(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *leader = fleet_start(fleet, 0, 1, 0, LEADS);
    struct server *follower = fleet_start(fleet, 1, 2, 0, FOLLOWS);
    struct ordersched_client *client = fleet_client(leader->address, 5000);
    struct status st = {0};
    struct buffer b = {0};

    operation_encode(&b, &(struct operation){.code = OPERATION_STATUS});
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, false, follower->address, 0,
                                           take_status, &st),
                     ORDERSCHED_OK);
    collected_wait(&st.calls, 1, 5000);
    assert_int_equal(st.error, ORDERSCHED_OK);
    assert_int_equal(st.body, 2);
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, false, NULL, 0, take_status, &st),
                     ORDERSCHED_OK);
    collected_wait(&st.calls, 2, 5000);
    assert_int_equal(st.body, 1);
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, false, "nonsense", 0, take_status,
                                           &st),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_submit_raw(client, b.data, 0, false, NULL, 0, take_status, &st),
                     ORDERSCHED_ARGUMENT);
    buffer_free(&b);
    ordersched_close(client);
    fleet_free(fleet);
}

static void wrong_arguments_are_refused_before_anything_is_sent(void **state)
{
    (void)state;
    const char *bad[] = {"",       ",",          "host",     "host:",   ":7401",
                         "host:0", "host:70000", "a:1,,b:2", "a:1 b:2", "a:1,"};
    struct ordersched_client *client = NULL;
    char address[32];
    char long_id[ORDERSCHED_ID_MAX + 2];
    static char payload[ORDERSCHED_PAYLOAD_MAX + 1];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ordersched_config config = {.endpoints = bad[i]};
        if (ordersched_open(&config, &client) != ORDERSCHED_ARGUMENT) {
            fail_msg("\"%s\" was taken for endpoints", bad[i]);
        }
    }
    struct ordersched_config config = {.cluster = ""};
    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_ARGUMENT);

    address_of_nobody(address);
    client = fleet_client(address, 60000);
    memset(long_id, 'x', sizeof long_id);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(ordersched_pay(client, "", NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_pay(client, NULL, NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_pay(client, long_id, NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, NULL, NULL, 0, NULL), ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, "no spaces", NULL, 0, NULL),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, "r", payload, sizeof payload, NULL),
                     ORDERSCHED_ARGUMENT);
    assert_int_equal(ordersched_schedule(client, "a", 1, "r", NULL, 5, NULL), ORDERSCHED_ARGUMENT);
    struct ordersched_operation op = {.kind = 77, .id = "a", .id_len = 1};
    struct ordersched_answer answer;
    assert_int_equal(ordersched_call(client, &op, 0, &answer), ORDERSCHED_ARGUMENT);
    assert_int_equal(answer.error, ORDERSCHED_ARGUMENT);
    ordersched_close(client);
}

static void a_full_queue_answers_busy(void **state)
{
    (void)state;
    char address[32];
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct collected c = {0};
    int taken = 0;
    int error;

    address_of_nobody(address);
    struct ordersched_client *client = fleet_client(address, 60000);
    while ((error = ordersched_submit(client, &op, 0, collected_take, &c)) == ORDERSCHED_OK) {
        taken++;
        assert_true(taken <= 65536);
    }
    assert_int_equal(error, ORDERSCHED_BUSY);
    assert_int_equal(taken, 65536);
    ordersched_close(client);
    assert_int_equal(c.calls, 65536);
    assert_int_equal(c.error, ORDERSCHED_CLOSED);
}

int main(int argc, char **argv)
{
    fleet_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_call_is_answered),
        cmocka_unit_test(a_redirect_leads_to_the_leader),
        cmocka_unit_test(a_leader_that_never_answers_leaves_the_outcome_unknown),
        cmocka_unit_test(where_nobody_listens_nothing_has_happened),
        cmocka_unit_test(nodes_that_hang_or_talk_nonsense_do_not_keep_the_client_from_the_others),
        cmocka_unit_test(sixty_four_threads_share_a_client_and_its_messages),
        cmocka_unit_test(closing_completes_what_is_pending),
        cmocka_unit_test(a_callback_may_submit_but_not_wait),
        cmocka_unit_test(a_made_request_id_repeats_a_call_safely),
        cmocka_unit_test(a_target_is_asked_even_if_it_does_not_lead),
        cmocka_unit_test(wrong_arguments_are_refused_before_anything_is_sent),
        cmocka_unit_test(a_full_queue_answers_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
