/* Who may do what, with real processes: grants hold over failovers and restarts, a worker's token takes
 * the orders of its route and no others (docs/roles.md).
 * Runs beside others: waits 6 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../client/wire/grant.h"
#include "../support/cluster/cluster.h"

/* What orderctl prints, its first line; returns its exit code. */
static int orderctl(const struct cluster *c, const char *words, char *line, size_t len)
{
    char program[600], command[2400];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command, "'%s' --endpoints %s %s", program, c->endpoints, words);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    line[0] = '\0';
    if (fgets(line, (int)len, out) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char rest[256];
        while (fgets(rest, sizeof rest, out) != NULL) {
        }
    }
    int status = pclose(out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void expect(const struct cluster *c, int code, const char *words)
{
    char all[512], line[1024];

    snprintf(all, sizeof all, "%s 2>&1", words);
    int got = orderctl(c, all, line, sizeof line);
    if (got != code) {
        fail_msg("orderctl %s: exit code %d, not %d: %s", words, got, code, line);
    }
}

/* Make a token; the words are those behind "token". */
static void make_token(const struct cluster *c, const char *words, char token[TOKEN_TEXT_LEN + 1])
{
    char all[256], line[1024];

    snprintf(all, sizeof all, "token %s 2>/dev/null", words);
    assert_int_equal(orderctl(c, all, line, sizeof line), 0);
    assert_true(token_is_wellformed((struct slice){(uint8_t *)line, strlen(line)}));
    memcpy(token, line, TOKEN_TEXT_LEN + 1);
}

/* From here on root asks, whatever asks. */
static void begin(struct cluster *c, unsigned n)
{
    char root[TOKEN_TEXT_LEN + 1];

    unsetenv("ORDERSCHED_TOKEN");
    cluster_init(c, n);
    cluster_start_all(c);
    (void)cluster_wait_leader(c, 20000);
    expect(c, 0, "route put shop-eu --kind worker");
    expect(c, 0, "route put other --kind worker");
    make_token(c, "create root --role admin --expires 1h", root);
    assert_int_equal(setenv("ORDERSCHED_TOKEN", root, 1), 0);
    expect(c, 0, "auth on");
}

static ordersched_client *client_of(const struct cluster *c, const char *token)
{
    struct ordersched_config config = {.endpoints = c->endpoints,
                                       .timeout_ms = 20000,
                                       .token = token};
    ordersched_client *client;

    assert_int_equal(ordersched_open(&config, &client), ORDERSCHED_OK);
    return client;
}

static int schedule(ordersched_client *client, const char *id, const char *route)
{
    return ordersched_schedule(client, id, 3600000, route, "", 0, NULL);
}

static void kill_leader(struct cluster *c)
{
    unsigned leader = cluster_wait_leader(c, 20000);

    cluster_kill(c, leader);
    (void)cluster_wait_leader(c, 20000);
    cluster_start(c, leader);
}

/* Whoever may see a prefix lists what begins so, and no more. */
static void expect_lists_of_a_prefix(const struct cluster *c)
{
    char eye[TOKEN_TEXT_LEN + 1], words[256], line[1024];

    make_token(c, "create eye --role observer --prefix eu/ --expires 1h", eye);
    snprintf(words, sizeof words,
             "--token %s list --prefix eu/ --due-after 2020-01-01T00:00:00Z | grep -c /", eye);
    assert_int_equal(orderctl(c, words, line, sizeof line), 0);
    assert_string_equal(line, "2"); /* eu/1 and eu/3 */
    snprintf(words, sizeof words,
             "--token %s list --prefix eu/ --due-before 2020-01-02T00:00:00Z | grep -c /", eye);
    assert_int_equal(orderctl(c, words, line, sizeof line), 1);
    assert_string_equal(line, "0");
    snprintf(words, sizeof words, "--token %s list --prefix us/", eye);
    expect(c, 1, words);
    snprintf(words, sizeof words, "--token %s list", eye);
    expect(c, 1, words);
}

static void grants_hold_over_failovers_and_restarts(void **state)
{
    struct cluster c;
    struct ordersched_answer answer;
    char shop[TOKEN_TEXT_LEN + 1], rotated[TOKEN_TEXT_LEN + 1];

    (void)state;
    begin(&c, 3);
    make_token(&c, "create shop --role producer --routes 'shop-*' --prefix eu/ --expires 1h", shop);
    ordersched_client *client = client_of(&c, shop);
    ordersched_client *nobody = client_of(&c, "");
    assert_int_equal(schedule(client, "eu/1", "shop-eu"), ORDERSCHED_OK);
    assert_int_equal(schedule(client, "us/1", "shop-eu"), ORDERSCHED_DENIED);
    assert_int_equal(schedule(client, "eu/2", "other"), ORDERSCHED_DENIED);
    assert_int_equal(schedule(nobody, "eu/2", "shop-eu"), ORDERSCHED_DENIED);
    kill_leader(&c);
    assert_int_equal(schedule(client, "eu/3", "shop-eu"), ORDERSCHED_OK);
    assert_int_equal(schedule(client, "us/1", "shop-eu"), ORDERSCHED_DENIED);
    make_token(&c, "rotate shop --expires 1h --overlap 1h", rotated);
    ordersched_client *second = client_of(&c, rotated);
    assert_int_equal(ordersched_pay(second, "eu/1", &answer), ORDERSCHED_OK);
    assert_int_equal(ordersched_get(client, "eu/1", &answer), ORDERSCHED_OK);
    expect(&c, 0, "schedule us/2 --in 1h --route other");
    expect_lists_of_a_prefix(&c);
    expect(&c, 0, "token revoke shop");
    kill_leader(&c);
    assert_int_equal(ordersched_get(client, "eu/1", &answer), ORDERSCHED_DENIED);
    assert_int_equal(answer.state, ORDERSCHED_STATE_NONE);
    assert_int_equal(ordersched_cancel(second, "eu/3", &answer), ORDERSCHED_DENIED);
    for (unsigned i = 0; i < c.n; i++) {
        cluster_kill(&c, i);
    }
    cluster_start_all(&c);
    (void)cluster_wait_leader(&c, 20000);
    assert_int_equal(ordersched_cancel(second, "eu/3", &answer), ORDERSCHED_DENIED);
    assert_int_equal(schedule(nobody, "eu/2", "shop-eu"), ORDERSCHED_DENIED);
    cluster_expect_log(&c, "denied.*principal=shop .*order ids that begin");
    cluster_expect_log(&c, "denied.*principal=\"a token that is not good\"");
    cluster_expect_orderctl(&c, "get eu/3", "PENDING");
    cluster_expect_orderctl(&c, "status", "authorisation on");
    cluster_expect_equal_digests(&c, 20000);
    ordersched_close(client);
    ordersched_close(second);
    ordersched_close(nobody);
    cluster_close(&c, false);
}

static void a_worker_takes_the_orders_of_its_route_alone(void **state)
{
    struct cluster c;
    char worker[TOKEN_TEXT_LEN + 1], words[256];

    (void)state;
    begin(&c, 1);
    make_token(&c, "create w --role worker --routes shop-eu --expires 1h", worker);
    expect(&c, 0, "schedule a --in 100ms --route shop-eu");
    expect(&c, 0, "schedule b --in 100ms --route other");
    sleep_ms(300);
    snprintf(words, sizeof words, "--token %s work other --drain -- true", worker);
    expect(&c, 1, words);
    snprintf(words, sizeof words, "--token %s work shop-eu --drain -- true", worker);
    expect(&c, 0, words);
    cluster_expect_orderctl(&c, "get a", "EXPIRED");
    cluster_expect_orderctl(&c, "get b", "CLOSING");
    snprintf(words, sizeof words, "--token %s get a", worker);
    expect(&c, 1, words);
    cluster_close(&c, false);
}

/* The first line that it prints; its exit code. Whoever asks has no token. */
static int by_owner(const struct cluster *c, unsigned i, const char *words, char *line, size_t len)
{
    char program[600], command[2400];

    process_path("orderctl", program, sizeof program);
    snprintf(command, sizeof command, "unset ORDERSCHED_TOKEN; '%s' --local %s %s 2>&1", program,
             c->nodes[i].data, words);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    line[0] = '\0';
    (void)!fgets(line, (int)len, out);
    char rest[256];
    while (fgets(rest, sizeof rest, out) != NULL) {
    }
    return WEXITSTATUS(pclose(out));
}

static void who_has_the_directory_gets_in_without_a_token(void **state)
{
    struct cluster c;
    char line[1024];

    (void)state;
    begin(&c, 3);
    unsigned leader = cluster_wait_leader(&c, 20000);
    expect(&c, 1, "token revoke root"); /* not even root may lock itself out */
    assert_int_equal(by_owner(&c, leader, "schedule a --in 1h --route other", line, sizeof line),
                     0);
    assert_int_equal(by_owner(&c, leader, "get a", line, sizeof line), 0);
    assert_int_equal(by_owner(&c, leader, "status", line, sizeof line), 0);
    assert_int_equal(by_owner(&c, leader, "auth off", line, sizeof line), 0);
    assert_int_equal(by_owner(&c, leader, "token revoke root", line, sizeof line), 0);
    /* A node that does not lead says so: nothing of its owner's is sent elsewhere. */
    assert_int_equal(by_owner(&c, (leader + 1) % 3, "--timeout 2s get a", line, sizeof line), 3);
    assert_non_null(strstr(line, "NOT_LEADER"));
    assert_non_null(strstr(line, "does not lead"));
    unsetenv("ORDERSCHED_TOKEN");
    cluster_kill(&c, leader); /* its socket stays */
    (void)cluster_wait_leader(&c, 20000);
    cluster_start(&c, leader);
    cluster_expect_equal_digests(&c, 20000);
    cluster_close(&c, false);
}

/* Even where the permissions of the files would let them in. */
static void another_user_is_turned_away_at_the_owners_socket(void **state)
{
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct cluster c;
    uint8_t heard[8];

    (void)state;
    if (geteuid() != 0) {
        skip(); /* nobody else can be played */
    }
    begin(&c, 1);
    assert_true((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s/local.sock",
                                 c.nodes[0].data) < sizeof address.sun_path);
    assert_int_equal(chmod(c.dir, 0755) | chmod(c.nodes[0].data, 0755) |
                         chmod(address.sun_path, 0777),
                     0);
    for (unsigned other = 0; other < 2; other++) {
        pid_t pid = fork();
        if (pid == 0) {
            int fd = socket(AF_UNIX, SOCK_STREAM, 0);
            if ((other && setuid(65534) != 0) ||
                connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
                _exit(9);
            }
            (void)!send(fd, greeting, sizeof greeting, MSG_NOSIGNAL);
            _exit(read(fd, heard, sizeof heard) == (ssize_t)sizeof heard ? 1 : 0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), other ? 0 : 1);
    }
    cluster_expect_log(&c, "turned away at the owner.s socket");
    unsetenv("ORDERSCHED_TOKEN");
    cluster_close(&c, false);
}

/* Grants are counted by the log: the quota holds for whoever leads. */
static void a_quota_holds_over_failovers(void **state)
{
    struct cluster c;
    struct ordersched_answer answer;
    char shop[TOKEN_TEXT_LEN + 1], line[1024];

    (void)state;
    begin(&c, 3);
    make_token(&c, "create shop --role producer --max-pending 2 --max-bytes 1KiB --expires 1h",
               shop);
    ordersched_client *client = client_of(&c, shop);
    assert_int_equal(schedule(client, "a", "other"), ORDERSCHED_OK);
    assert_int_equal(schedule(client, "b", "other"), ORDERSCHED_OK);
    assert_int_equal(schedule(client, "c", "other"), ORDERSCHED_QUOTA);
    kill_leader(&c);
    assert_int_equal(schedule(client, "c", "other"), ORDERSCHED_QUOTA);
    assert_int_equal(ordersched_pay(client, "a", &answer), ORDERSCHED_OK);
    assert_int_equal(schedule(client, "c", "other"), ORDERSCHED_OK);
    assert_int_equal(schedule(client, "d", "other"), ORDERSCHED_QUOTA);
    assert_int_equal(orderctl(&c, "token list | grep shop", line, sizeof line), 0);
    assert_non_null(strstr(line, "2 of 2 orders, 2 of 1024 bytes"));
    assert_non_null(strstr(line, "127.0.0.1")); /* whence it was used last */
    /* A rate so low that the second cannot have filled it again, however slow the machine. */
    expect(&c, 0, "grant put shop --kind token --role producer --max-rate 1");
    int error = ORDERSCHED_OK;
    for (unsigned i = 0; i < 1000 && error != ORDERSCHED_QUOTA; i++) {
        error = ordersched_pay(client, "none", &answer);
    }
    assert_int_equal(error, ORDERSCHED_QUOTA);
    assert_in_range(answer.remaining_ms, 1, 1000);
    cluster_expect_equal_digests(&c, 20000);
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_hold_over_failovers_and_restarts),
        cmocka_unit_test(a_quota_holds_over_failovers),
        cmocka_unit_test(a_worker_takes_the_orders_of_its_route_alone),
        cmocka_unit_test(who_has_the_directory_gets_in_without_a_token),
        cmocka_unit_test(another_user_is_turned_away_at_the_owners_socket),
    };
    int rv = cmocka_run_group_tests(tests, NULL, NULL);
    unsetenv("ORDERSCHED_TOKEN");
    return rv;
}
