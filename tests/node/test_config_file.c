/* test_config_file.c - the configuration file: the same settings, and each mistake with its line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/bench/config_bench.h"

/* Refused at this line of the file. */
static void assert_file_refused(struct config_bench *f, const char *text, unsigned line,
                                const char *words)
{
    char place[96];
    config_bench_write(f, text);
    assert_config_refused(f, "--config FILE", words);
    snprintf(place, sizeof place, "orderschedd: %s:%u: ", f->file, line);
    if (strncmp(f->err, place, strlen(place)) != 0) {
        fail_msg("expected line %u: %s", line, f->err);
    }
}

static void a_file_gives_the_same_settings_as_flags(void **state)
{
    struct config_bench *f = *state;
    config_bench_write(f, "# a comment\n"
                          "id: 2\n"
                          "data: /srv/orders\n"
                          "peers:\n"
                          "  - id: 1\n"
                          "    address: 127.0.0.1:7410\n"
                          "  - {id: 2, address: \"127.0.0.1:7420\"}\n"
                          "retention: 48h\n"
                          "max-bytes: 64MiB\n"
                          "max-orders: 1000\n"
                          "insecure: true\n"
                          "clock-wait: 0s\n"
                          "max-clock-jump: 12h\n"
                          "accept-clock: true\n"
                          "log-level: warn\n");
    assert_config_parsed(f, "--config FILE");
    const struct config *c = &f->config;
    assert_int_equal(c->id, 2);
    assert_int_equal(c->clock_wait_ms, 0);
    assert_int_equal(c->max_clock_jump_ms, 12u * 3600 * 1000);
    assert_true(c->accept_clock);
    assert_string_equal(c->data, "/srv/orders");
    assert_int_equal(c->n_peers, 2);
    assert_string_equal(c->peers[0].address, "127.0.0.1:7410");
    assert_string_equal(c->address, "127.0.0.1:7420");
    assert_int_equal(c->retention_ms, 48u * 3600 * 1000);
    assert_int_equal(c->max_bytes, 64u << 20);
    assert_int_equal(c->max_orders, 1000);
    assert_true(c->insecure);
    assert_int_equal(c->log_level, LOG_WARN);
}

static void flags_win_over_the_file_wherever_they_stand(void **state)
{
    struct config_bench *f = *state;
    config_bench_write(f, "id: 2\ndata: a\ninsecure: true\n"
                          "peers:\n- {id: 2, address: 127.0.0.1:1000}\n");
    assert_config_parsed(f, "--data b --config FILE --insecure=false "
                            "--peers 2=127.0.0.1:7400,3=127.0.0.1:7410");
    assert_string_equal(f->config.data, "b");
    assert_false(f->config.insecure);
    assert_int_equal(f->config.id, 2);
    assert_int_equal(f->config.n_peers, 2);
    assert_string_equal(f->config.address, "127.0.0.1:7400");
}

static void origins_of_pages_are_a_list_and_those_of_flags_take_its_place(void **state)
{
    struct config_bench *f = *state;
    config_bench_write(f, "data: a\nhttp-origin: [https://a, \"http://b:3000\"]\n");
    assert_config_parsed(f, "--config FILE");
    assert_int_equal(f->config.n_web_origins, 2);
    assert_string_equal(f->config.web_origins[1], "http://b:3000");
    assert_config_parsed(f, "--config FILE --http-origin https://c --http-origin https://d");
    assert_int_equal(f->config.n_web_origins, 2);
    assert_string_equal(f->config.web_origins[0], "https://c");
    config_bench_write(f, "data: a\nhttp-origin: []\n");
    assert_config_parsed(f, "--config FILE");
    assert_int_equal(f->config.n_web_origins, 0);

    assert_file_refused(f, "data: a\nhttp-origin:\n  - https://a\n  - https://b/\n", 4,
                        "http-origin: must be http:// or https://");
    assert_file_refused(f, "data: https://b/\nhttp-origin: [https://a, https://b/]\n", 2,
                        "http-origin: must be http:// or https://");
    assert_file_refused(f, "data: a\nhttp-origin: ['*']\n", 2, "there are no wildcards");
    assert_file_refused(f, "data: a\nhttp-origin: https://a\n", 2, "");
    assert_file_refused(f, "data: a\nhttp-origin: [{a: b}]\n", 2, "");
}

static void an_empty_file_sets_nothing(void **state)
{
    struct config_bench *f = *state;
    config_bench_write(f, "");
    assert_config_parsed(f, "--config FILE --data d");
    config_bench_write(f, "# nothing yet\n");
    assert_config_parsed(f, "--data d --config FILE");
}

static void mistakes_in_the_file_are_named_with_their_line(void **state)
{
    struct config_bench *f = *state;
    assert_file_refused(f, "data: d\n\nretenton: 24h\n", 3,
                        "unknown key \"retenton\": did you mean retention?");
    assert_file_refused(f, "data: retenton\nretenton: 24h\n", 2, "unknown key \"retenton\"");
    assert_file_refused(f, "data: d\nfoo:\n  bar: 1\n", 2, "unknown key \"foo\"");
    assert_file_refused(f, "data: d\nid: 1\ndata: e\n", 3, "data is given twice");
    assert_file_refused(f, "data: d\nretention: 24\n", 2,
                        "retention: must be a duration such as 500ms, 30m or 24h, not \"24\"");
    assert_file_refused(f, "cluster: id\ndata: d\nid: x\n", 3,
                        "id: must be a whole number, not \"x\"");
    assert_file_refused(f, "data: d\nmax-orders: 0\n", 2,
                        "max-orders: must be from 1 to 4294967295, not 0");
    assert_file_refused(f, "data: d\nmax-orders:\n", 2, "must be a whole number, not \"\"");
    assert_file_refused(f, "data: d\njoin: perhaps\n", 2, "must be true or false");
    assert_file_refused(f, "data:\n  - d\n", 2, "STRING");
    assert_file_refused(f, "data: d\nheartbeat: 70ms\n", 2, "must be a multiple");
    assert_file_refused(f, "data: d\nbind: 0.0.0.0\n", 2, "not on the loopback");
    assert_file_refused(f, "data: d\naddress: 127.0.0.1\n", 2,
                        "address: must be HOST:PORT, not \"127.0.0.1\"");
}

static void mistakes_among_the_files_peers_are_named_with_their_line(void **state)
{
    struct config_bench *f = *state;
    assert_file_refused(f,
                        "data: d\nid: 1\npeers:\n- {id: 1, address: \"127.0.0.1:7400\"}\n"
                        "- {id: 2, address: nonsense}\n",
                        5, "peers: an address must be HOST:PORT, not \"nonsense\"");
    assert_file_refused(f,
                        "data: d\nid: 1\npeers:\n  - id: 1\n    address: 127.0.0.1:7400\n"
                        "  - id: 1\n    address: 127.0.0.1:7410\n",
                        6, "peers: id 1 is given twice");
    assert_file_refused(f, "data: d\npeers:\n  - id: 1\n    addres: 127.0.0.1:7400\n", 4,
                        "unknown key \"addres\"");
    assert_file_refused(f, "data: d\npeers:\n  - id: 1\n    id: 2\n", 4, "id is given twice");
    assert_file_refused(f, "data: d\npeers:\n  - id: 1\n", 3, "address");
    assert_file_refused(f, "data: d\npeers: 1=127.0.0.1:7400\n", 2,
                        "here belongs a list: a line for each, behind \"- \"; peers as \"- {id: 1, "
                        "address: HOST:PORT}\"");
    assert_file_refused(f, "data: d\nhttp-origin: https://a\n", 2, "here belongs a list");
    assert_file_refused(f,
                        "data: d\nid: 1\npeers:\n  - {id: 1, address: \"127.0.0.1:7400\"}\n"
                        "  - {id: 2, address: \"10.0.0.2:7400\"}\n",
                        5, "not on the loopback");
    assert_file_refused(f, "data: d\nid: 3\npeers:\n  - {id: 1, address: \"127.0.0.1:7400\"}\n", 3,
                        "is not among them");
}

static void what_is_not_yaml_is_refused_with_its_line(void **state)
{
    struct config_bench *f = *state;
    assert_file_refused(f, "data: /x\n id: 3\n", 2, "mapping values are not allowed");
    assert_file_refused(f, "data: d\ncluster: \"open\n", 3, "unexpected end of stream");
    assert_file_refused(f, "data: d\n\xff\xfe\n", 2, "UTF-8");
    assert_file_refused(f, "data: a\x01z\n", 1, "control characters");
    assert_file_refused(f, "- data\n", 1, "MAPPING");
    assert_file_refused(f, "just a word\n", 1, "MAPPING");
    assert_file_refused(f, "data: &x d\ncluster: *x\n", 2, "alias");
    assert_file_refused(f, "data: a\n---\ndata: b\n", 1, "documents after first");
}

static void an_unreadable_file_is_named(void **state)
{
    struct config_bench *f = *state;
    assert_config_refused(f, "--config /nonexistent/x.yaml",
                          "cannot open /nonexistent/x.yaml: No such");
    assert_config_refused(f, "--config /tmp", "cannot read /tmp: Is a directory");
    assert_config_refused(f, "--config", "--config needs a value");
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    for (int i = 0; i <= 1024; i++) {
        fprintf(file, "#%01023d", 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_config_refused(f, "--config FILE", "is larger than 1048576 bytes");
}

static void random_bytes_in_a_file_never_pass_unnoticed(void **state)
{
    struct config_bench *f = *state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)getpid();
    print_message("seed %u (replay with SEED=%u)\n", seed, seed);
    srand(seed);
    static const char base[] = "data: d\nid: 1\npeers:\n  - id: 1\n    address: 127.0.0.1:7400\n"
                               "retention: 24h\nlog-level: info\nmax-bytes: 64MiB\n";
    for (int round = 0; round < 1000; round++) {
        char text[sizeof base];
        memcpy(text, base, sizeof base);
        for (int n = 1 + rand() % 3; n > 0; n--) {
            text[(size_t)rand() % (sizeof base - 1)] = (char)(1 + rand() % 255);
        }
        config_bench_write(f, text);
        enum config_status status = config_bench_parse(f, "--config FILE");
        assert_true(status == CONFIG_OK || status == CONFIG_ERROR);
        assert_true((status == CONFIG_ERROR) == (f->err[0] != '\0'));
        if (status == CONFIG_OK) {
            assert_non_null(f->config.data);
            assert_int_equal(f->config.n_peers, 1);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_config_bench(a_file_gives_the_same_settings_as_flags),
        on_config_bench(flags_win_over_the_file_wherever_they_stand),
        on_config_bench(origins_of_pages_are_a_list_and_those_of_flags_take_its_place),
        on_config_bench(an_empty_file_sets_nothing),
        on_config_bench(mistakes_in_the_file_are_named_with_their_line),
        on_config_bench(mistakes_among_the_files_peers_are_named_with_their_line),
        on_config_bench(what_is_not_yaml_is_refused_with_its_line),
        on_config_bench(an_unreadable_file_is_named),
        on_config_bench(random_bytes_in_a_file_never_pass_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
