/* test_client_caller.c - a caller that waits for its answer runs the client by itself, as long as
 * there is nothing else to do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/fleet.h"
#include "../support/cluster/process.h"

struct waiting {
    struct ordersched_client *client;
    pthread_t thread;
    unsigned timeout_ms;
    int error;
};

static void *waiting_run(void *arg)
{
    struct waiting *w = arg;
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};

    w->error = ordersched_call(w->client, &op, w->timeout_ms, NULL);
    return NULL;
}

static bool client_is_idle(struct ordersched_client *c)
{
    return c->idle && !c->woken && c->inbox.first == NULL;
}

static bool caller_runs(struct ordersched_client *c)
{
    return c->caller_runs;
}

static bool clients_thread_runs(struct ordersched_client *c)
{
    return !c->caller_runs;
}

static void client_until(struct ordersched_client *c, bool (*holds)(struct ordersched_client *c))
{
    bool so = false;

    for (int i = 0; i < 10000 && !so; i++) {
        pthread_mutex_lock(&c->mutex);
        so = holds(c);
        pthread_mutex_unlock(&c->mutex);
        sleep_ms(1);
    }
    assert_true(so);
}

/* It is the only one, and so runs the client. */
static void waiting_start(struct waiting *w, struct ordersched_client *client, unsigned timeout_ms)
{
    *w = (struct waiting){.client = client, .timeout_ms = timeout_ms};
    client_until(client, client_is_idle);
    assert_int_equal(pthread_create(&w->thread, NULL, waiting_run, w), 0);
    client_until(client, caller_runs);
}

struct on_thread {
    atomic_int calls;
    pthread_t thread;
};

static void note_thread(void *arg, const struct ordersched_answer *answer)
{
    struct on_thread *t = arg;

    (void)answer;
    t->thread = pthread_self();
    t->calls++;
}

static void callbacks_run_on_the_clients_thread_while_a_caller_waits(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, SILENT);
    struct ordersched_client *client = fleet_client(s->address, 60000);
    struct ordersched_operation op = {.kind = ORDERSCHED_GET, .id = "b", .id_len = 1};
    struct on_thread other = {0};
    struct waiting w;

    waiting_start(&w, client, 2000);
    assert_int_equal(ordersched_submit(client, &op, 100, note_thread, &other), ORDERSCHED_OK);
    client_until(client, clients_thread_runs);
    collected_wait(&other.calls, 1, 1500); /* in its own time, not in the caller's */
    assert_true(pthread_equal(other.thread, client->thread));
    pthread_join(w.thread, NULL);
    assert_int_equal(w.error, ORDERSCHED_TIMEOUT);

    s->behaviour = LEADS; /* and after that everything is as before */
    assert_int_equal(ordersched_pay(client, "c", NULL), ORDERSCHED_OK);
    assert_int_equal(ordersched_submit(client, &op, 0, note_thread, &other), ORDERSCHED_OK);
    collected_wait(&other.calls, 2, 5000);
    assert_true(pthread_equal(other.thread, client->thread));
    ordersched_close(client);
    fleet_free(fleet);
}

static void a_caller_that_runs_the_client_times_out_by_itself(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, DEAF);
    struct ordersched_client *client = fleet_client(s->address, 60000);
    struct waiting w;

    waiting_start(&w, client, 300);
    pthread_join(w.thread, NULL);
    assert_int_equal(ordersched_error_class(w.error), ORDERSCHED_DEFINITE);
    client_until(client, clients_thread_runs);
    ordersched_close(client);
    fleet_free(fleet);
}

static void closing_ends_the_call_whose_caller_runs_the_client(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, SILENT);
    struct ordersched_client *client = fleet_client(s->address, 60000);
    struct waiting w;

    waiting_start(&w, client, 60000);
    for (int i = 0; i < 5000 && s->received < 2; i++) { /* the search, and the call */
        sleep_ms(1);
    }
    ordersched_close(client);
    pthread_join(w.thread, NULL);
    assert_int_equal(w.error, ORDERSCHED_TIMEOUT);
    fleet_free(fleet);
}

static void two_callers_take_turns_with_the_clients_thread(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct ordersched_client *client = fleet_client(s->address, 20000);
    struct payer payers[2];

    payers_start(payers, 2, 1000, client);
    assert_int_equal(payers_join(payers, 2), 0);
    assert_int_equal(fleet_requests(fleet), 2000);
    assert_int_equal(fleet->n_ids, 2000);
    ordersched_close(client);
    fleet_free(fleet);
}

int main(int argc, char **argv)
{
    fleet_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(callbacks_run_on_the_clients_thread_while_a_caller_waits),
        cmocka_unit_test(a_caller_that_runs_the_client_times_out_by_itself),
        cmocka_unit_test(closing_ends_the_call_whose_caller_runs_the_client),
        cmocka_unit_test(two_callers_take_turns_with_the_clients_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
