/* test_config.c - flags to configuration: each mistake has its sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../support/bench/config_bench.h"

static void the_defaults_are_those_of_the_design(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d");
    const struct config *c = &f->config;
    assert_string_equal(c->data, "d");
    assert_string_equal(c->cluster, "orderschedd");
    assert_string_equal(c->address, "127.0.0.1:7400");
    assert_int_equal(c->election_timeout_ms, 500);
    assert_int_equal(c->heartbeat_ms, 50);
    assert_int_equal(c->clock_wait_ms, 10000);
    assert_int_equal(c->max_clock_jump_ms, 7u * 24 * 3600 * 1000);
    assert_false(c->accept_clock);
    assert_int_equal(c->retention_ms, 24u * 3600 * 1000);
    assert_int_equal(c->max_orders, 20000000);
    assert_int_equal(c->max_bytes, UINT64_C(8) << 30);
    assert_int_equal(c->min_free_bytes, 256u << 20);
    assert_int_equal(c->max_requests, 4096);
    assert_int_equal(c->max_deliveries, 1024);
    assert_int_equal(c->max_delivery_bytes, 64u << 20);
    assert_true(c->allow_private_callbacks); /* on the loopback */
    assert_int_equal(c->snapshot_threshold, 0);
    assert_int_equal(c->snapshot_trailing, 0);
    assert_int_equal(c->snapshot_slice, 0);
    assert_int_equal(c->canary_ms, 5000);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->log_format, LOG_LOGFMT);
    assert_false(c->join);
    assert_false(c->insecure);
    assert_null(c->bind);
}

static void without_peers_it_is_a_cluster_of_one(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d");
    assert_int_equal(f->config.id, 1);
    assert_int_equal(f->config.n_peers, 1);
    assert_int_equal(f->config.peers[0].id, 1);
    assert_string_equal(f->config.peers[0].address, "127.0.0.1:7400");
    assert_config_parsed(f, "--data d --id 9 --address localhost:7500");
    assert_int_equal(f->config.peers[0].id, 9);
    assert_string_equal(f->config.peers[0].address, "localhost:7500");
    assert_string_equal(f->config.address, "localhost:7500");
}

static void every_flag_is_taken(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--id 2 --data=/var/d --cluster shop-1 --bind 127.0.0.2 --insecure "
                            "--peers 1=127.0.0.1:7410,2=10.0.0.2:7420,3=[::1]:7430 "
                            "--election-timeout 1s --heartbeat 100ms --retention 7d --max-orders 5 "
                            "--max-bytes 1MiB --min-free 0 --max-requests 6 --snapshot-threshold 7 "
                            "--snapshot-trailing 1024 --snapshot-slice 3 --canary off "
                            "--max-deliveries 8 --max-delivery-bytes 2MiB "
                            "--clock-wait 3s --max-clock-jump 2d --accept-clock "
                            "--allow-exec --max-exec 9 --allow-private-callbacks --log-level debug "
                            "--log-format json");
    const struct config *c = &f->config;
    assert_int_equal(c->id, 2);
    assert_string_equal(c->data, "/var/d");
    assert_string_equal(c->cluster, "shop-1");
    assert_string_equal(c->bind, "127.0.0.2");
    assert_true(c->insecure);
    assert_int_equal(c->n_peers, 3);
    assert_int_equal(c->peers[2].id, 3);
    assert_string_equal(c->peers[2].address, "[::1]:7430");
    assert_string_equal(c->address, "10.0.0.2:7420");
    assert_int_equal(c->election_timeout_ms, 1000);
    assert_int_equal(c->heartbeat_ms, 100);
    assert_int_equal(c->clock_wait_ms, 3000);
    assert_int_equal(c->max_clock_jump_ms, 2u * 24 * 3600 * 1000);
    assert_true(c->accept_clock);
    assert_int_equal(c->retention_ms, 7u * 24 * 3600 * 1000);
    assert_int_equal(c->max_orders, 5);
    assert_int_equal(c->max_bytes, 1u << 20);
    assert_int_equal(c->min_free_bytes, 0);
    assert_int_equal(c->max_requests, 6);
    assert_int_equal(c->snapshot_threshold, 7);
    assert_int_equal(c->snapshot_trailing, 1024);
    assert_int_equal(c->snapshot_slice, 3);
    assert_int_equal(c->canary_ms, 0);
    assert_int_equal(c->max_deliveries, 8);
    assert_int_equal(c->max_delivery_bytes, 2u << 20);
    assert_true(c->allow_exec);
    assert_int_equal(c->max_exec, 9);
    assert_true(c->allow_private_callbacks);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_int_equal(c->log_format, LOG_JSON);
}

static void private_callbacks_are_allowed_by_default_on_the_loopback_alone(void **state)
{
    static const struct {
        const char *flags;
        bool allowed;
    } cases[] = {
        {"--data d", true},
        {"--data d --id 1 --peers 1=127.0.0.1:7410,2=[::1]:7420", true},
        {"--data d --id 1 --insecure --peers 1=127.0.0.1:7410,2=10.0.0.2:7420", false},
        {"--data d --id 2 --insecure --peers 1=127.0.0.1:7410,2=10.0.0.2:7420", false},
        {"--data d --id 1 --insecure --address 192.168.1.1:7410", false},
        {"--data d --id 4 --join --address 127.0.0.1:7440", true},
        {"--data d --allow-private-callbacks=false", false},
        {"--data d --insecure --address 192.168.1.1:7410 --allow-private-callbacks", true},
    };
    struct config_bench *f = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_config_parsed(f, cases[i].flags);
        if (f->config.allow_private_callbacks != cases[i].allowed) {
            fail_msg("%s", cases[i].flags);
        }
    }
}

static void the_last_of_a_repeated_flag_counts(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data a --id 5 --data b --insecure --insecure=false --peers 1=h:1 "
                            "--peers 5=127.0.0.1:7400,6=127.0.0.1:7410");
    assert_string_equal(f->config.data, "b");
    assert_false(f->config.insecure);
    assert_int_equal(f->config.n_peers, 2);
}

static void unknown_flags_are_named_with_a_hint(void **state)
{
    struct config_bench *f = *state;
    assert_config_refused(f, "--dta d", "unknown flag --dta: did you mean --data?");
    assert_config_refused(f, "--election=1s",
                          "unknown flag --election: did you mean --election-timeout?");
    assert_config_refused(f, "--ma 5", "unknown flag --ma: orderschedd --help lists the flags");
    assert_config_refused(f, "--dat d", "unknown flag --dat: did you mean --data?");
    assert_config_refused(f, "--frobnicate", "unknown flag --frobnicate: orderschedd --help");
    assert_config_refused(f, "--data d -x", "unknown flag -x: orderschedd --help");
    assert_config_refused(f, "--confg FILE", "did you mean --config?");
}

static void misplaced_words_and_values_are_refused(void **state)
{
    struct config_bench *f = *state;
    assert_config_refused(f, "--data d stray", "unexpected argument \"stray\"");
    assert_config_refused(f, "--data d --join true", "unexpected argument \"true\"");
    assert_config_refused(f, "--data", "--data needs a value");
    assert_config_refused(f, "--help=3", "--help takes no value");
    assert_config_refused(f, "--data ''", "--data: must not be empty");
    assert_config_refused(f, "--data d --join=maybe",
                          "--join: must be true or false, not \"maybe\"");
}

static void values_out_of_range_or_kind_are_refused(void **state)
{
    struct config_bench *f = *state;
    assert_config_refused(f, "--data d --id 0",
                          "--id: must be from 1 to 9223372036854775807, not 0");
    assert_config_refused(f, "--data d --id 9223372036854775808",
                          "must be from 1 to 9223372036854775807");
    assert_config_refused(f, "--data d --id 99999999999999999999", "must be a whole number");
    assert_config_refused(f, "--data d --id -1", "--id: must be a whole number, not \"-1\"");
    assert_config_refused(f, "--data d --id 1x", "must be a whole number");
    assert_config_refused(f, "--data d --retention 24",
                          "--retention: must be a duration such as 500ms, 30m or 24h, not \"24\"");
    assert_config_refused(f, "--data d --clock-wait 10",
                          "--clock-wait: must be a duration such as 500ms, 30m or 24h, not \"10\"");
    assert_config_parsed(f, "--data d --clock-wait 0s");
    assert_config_refused(f, "--data d --clock-wait 61m",
                          "--clock-wait: must be from 0 ms to 1h 0m, not 61m");
    assert_config_refused(f, "--data d --max-clock-jump 59s",
                          "--max-clock-jump: must be from 1m 0.0s to 400d 0h, not 59s");
    assert_config_refused(f, "--data d --max-clock-jump 401d", "to 400d 0h, not 401d");
    assert_config_refused(f, "--data d --max-clock-jump", "--max-clock-jump needs a value");
    assert_config_refused(f, "--data d --accept-clock=yes",
                          "--accept-clock: must be true or false, not \"yes\"");
    assert_config_refused(
        f, "--data d --canary never",
        "--canary: must be a duration such as 500ms, 30m or 24h, or off, not \"never\"");
    assert_config_refused(f, "--data d --canary 10ms", "must be from 1.00s to 1h 0m, not 10ms");
    assert_config_refused(f, "--data d --retention 401d", "must be from 1.00s to 400d 0h");
    assert_config_refused(
        f, "--data d --max-bytes 8G",
        "--max-bytes: must be a size such as 256MiB, 8GiB or a number of bytes, not \"8G\"");
    assert_config_refused(f, "--data d --max-bytes 1", "must be from 1MiB to 1024GiB");
    assert_config_refused(f, "--data d --max-requests 4294967297", "must be from 1 to 1000000");
    assert_config_refused(f, "--data d --log-level loud",
                          "--log-level: must be one of debug, info, warn, error, not \"loud\"");
    assert_config_refused(f, "--data d --log-format xml",
                          "must be one of logfmt, json, not \"xml\"");
    assert_config_refused(f, "--data d --snapshot-trailing 1023", "at least 1024");
    assert_config_refused(f, "--data d --cluster a/b",
                          "--cluster: must be letters, digits, '-', '_' and '.', not \"a/b\"");
    char line[2000], data[900], cluster[66];
    memset(data, 'd', sizeof data);
    snprintf(line, sizeof line, "--data %.801s", data);
    assert_config_refused(f, line, "--data: longer than 800 bytes");
    memset(cluster, 'c', sizeof cluster);
    snprintf(line, sizeof line, "--data d --cluster %.65s", cluster);
    assert_config_refused(f, line, "--cluster: longer than 64 bytes");
}

static void the_election_timeout_is_a_multiple_of_the_heartbeat(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d --election-timeout 150ms");
    assert_config_refused(f, "--data d --heartbeat 70ms",
                          "--heartbeat: the election timeout must be a multiple");
    assert_config_refused(f, "--data d --election-timeout 510ms",
                          "--election-timeout: the election");
    assert_config_refused(f, "--data d --election-timeout 100ms", "three times or more");
}

static void a_node_without_a_data_directory_is_refused(void **state)
{
    struct config_bench *f = *state;
    assert_config_refused(f, "", "--data DIR is required");
    assert_config_refused(f, "--id 1 --peers 1=127.0.0.1:7400", "--data DIR is required");
}

static void bad_peer_lists_are_refused(void **state)
{
    struct config_bench *f = *state;
    static const struct {
        const char *peers, *words;
    } bad[] = {
        {"nonsense", "--peers: must be ID=HOST:PORT, as in 1=127.0.0.1:7400, not \"nonsense\""},
        {"1=127.0.0.1:7400,", "--peers: must be ID=HOST:PORT, as in 1=127.0.0.1:7400, not \"\""},
        {"1=127.0.0.1", "--peers: an address must be HOST:PORT, not \"127.0.0.1\""},
        {"x=127.0.0.1:7400",
         "--peers: an id must be a number from 1 to 9223372036854775807, not \"x\""},
        {"0=127.0.0.1:7400",
         "--peers: an id must be a number from 1 to 9223372036854775807, not \"0\""},
        {"=127.0.0.1:7400",
         "--peers: an id must be a number from 1 to 9223372036854775807, not \"\""},
        {"1=::1:7400", "must be HOST:PORT"},
        {"1=127.0.0.1:65534", "the port must be from 1 to 65533, not 65534"},
        {"1=0.0.0.0:7400", "the host must be one that others can connect to, not 0.0.0.0"},
        {"1=127.0.0.1:7400,1=127.0.0.1:7410", "id 1 is given twice"},
        {"1=127.0.0.1:7400,2=127.0.0.1:7400", "1 and 2 have the same address 127.0.0.1:7400"},
        {"1=localhost:7400,2=LOCALHOST:7402", "overlap"},
        {"2=127.0.0.1:7400,3=127.0.0.1:7410", "this node (--id 1) is not among them"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "--data d --id 1 --peers %s", bad[i].peers);
        assert_config_refused(f, line, bad[i].words);
    }
    assert_config_refused(f, "--data d --peers 1=127.0.0.1:7400", "--id is required with --peers");
    assert_config_refused(f, "--data d --id 1 --peers 1=127.0.0.1:7400 --address 127.0.0.1:7500",
                          "--address: 127.0.0.1:7500, but --peers has 127.0.0.1:7400 for node 1");
    assert_config_parsed(f, "--data d --id 1 --peers 1=127.0.0.1:7400 --address 127.0.0.1:7400");
    assert_config_parsed(f, "--data d --id 1 --peers 1=127.0.0.1:65533");
    assert_config_parsed(f, "--data d --id 1 --peers 1=127.0.0.1:7400,2=127.0.0.1:7403");
}

static void more_peers_than_there_is_room_for_are_refused(void **state)
{
    struct config_bench *f = *state;
    char line[2048] = "--data d --id 1 --peers 1=127.0.0.1:1000";
    for (int i = 2; i <= CONFIG_PEERS_MAX; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), ",%d=127.0.0.1:%d", i,
                 1000 + 3 * i);
    }
    assert_config_parsed(f, line);
    assert_int_equal(f->config.n_peers, CONFIG_PEERS_MAX);
    snprintf(line + strlen(line), sizeof line - strlen(line), ",99=127.0.0.1:9999");
    assert_config_refused(f, line, "more than 32 members");
}

static void a_joining_node_needs_an_id_and_an_address(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d --join --id 4 --address 127.0.0.1:7440");
    assert_true(f->config.join);
    assert_int_equal(f->config.n_peers, 0);
    assert_string_equal(f->config.address, "127.0.0.1:7440");
    assert_config_refused(f, "--data d --join --address 127.0.0.1:7440",
                          "--id is required with --join");
    assert_config_refused(f, "--data d --join --id 4",
                          "--address HOST:PORT is required with --join");
    assert_config_refused(f, "--data d --join --id 1 --peers 1=127.0.0.1:7400",
                          "node 1 is among the first members");
    assert_config_parsed(
        f, "--data d --join --id 4 --peers 1=127.0.0.1:7400 --address 127.0.0.1:7440");
    assert_int_equal(f->config.n_peers, 1);
    assert_config_refused(f, "--data d --address 127.0.0.1",
                          "--address: must be HOST:PORT, not \"127.0.0.1\"");
    assert_config_refused(f, "--data d --address 127.0.0.1:65534",
                          "the port must be from 1 to 65533, not 65534");
}

static void addresses_off_the_loopback_need_tls_or_insecure(void **state)
{
    struct config_bench *f = *state;
    static const char *const needing[] = {
        "--data d --address 10.0.0.1:7400",
        "--data d --address shop.example:7400",
        "--data d --bind 0.0.0.0",
        "--data d --bind ::",
        "--data d --id 1 --peers 1=127.0.0.1:7400,2=10.0.0.2:7400",
    };
    for (size_t i = 0; i < sizeof needing / sizeof needing[0]; i++) {
        char line[256];
        assert_config_refused(f, needing[i], "is not on the loopback");
        assert_non_null(strstr(f->err, "give --tls-cert, --tls-key and --tls-ca"));
        assert_non_null(strstr(f->err, "--insecure"));
        snprintf(line, sizeof line, "%s --insecure", needing[i]);
        assert_config_parsed(f, line);
        snprintf(line, sizeof line, "%s --tls-cert a --tls-key b --tls-ca c", needing[i]);
        assert_config_parsed(f, line);
        assert_false(f->config.insecure);
    }
    assert_config_refused(f, needing[4], "--peers: 10.0.0.2:7400 is not on the loopback");
    assert_config_parsed(f, "--data d --address localhost:7400");
    assert_config_parsed(f, "--data d --address 127.9.9.9:7400");
    assert_config_parsed(f, "--data d --address [::1]:7400");
}

static void tls_takes_all_its_files_or_none(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d --tls-cert a.crt --tls-key a.key --tls-ca ca.crt");
    assert_string_equal(f->config.tls_cert, "a.crt");
    assert_string_equal(f->config.tls_key, "a.key");
    assert_string_equal(f->config.tls_ca, "ca.crt");
    assert_int_equal(f->config.tls_max_age_ms, 24u * 3600 * 1000);
    assert_config_refused(f, "--data d --tls-cert a --tls-key b",
                          "--tls-key: TLS needs --tls-cert, --tls-key and --tls-ca; --tls-ca is "
                          "missing");
    assert_config_refused(f, "--data d --tls-ca c", "--tls-key is missing");
    assert_config_refused(f, "--data d --tls-key b --tls-ca c", "--tls-cert is missing");
    assert_config_refused(f, "--data d --insecure --tls-cert a --tls-key b --tls-ca c",
                          "--insecure: with TLS nothing is insecure");
    assert_int_equal(f->config.tls_clients, CONFIG_CLIENTS_CERTIFICATE);
    assert_config_parsed(f, "--data d --tls-cert a --tls-key b --tls-ca c --tls-clients token");
    assert_int_equal(f->config.tls_clients, CONFIG_CLIENTS_TOKEN);
    assert_config_refused(f, "--data d --tls-clients token", "--tls-clients: there is no TLS");
    assert_config_refused(f, "--data d --tls-max-age 1h", "--tls-max-age: there is no TLS without");
}

static void a_bind_host_is_kept_as_it_stands_before_a_port(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d --bind ::1");
    assert_string_equal(f->config.bind, "[::1]");
    assert_config_parsed(f, "--data d --bind [::1]");
    assert_string_equal(f->config.bind, "[::1]");
    assert_config_parsed(f, "--data d --bind 127.0.0.1");
    assert_string_equal(f->config.bind, "127.0.0.1");
    assert_config_refused(f, "--data d --bind 127.0.0.1:7400",
                          "--bind: must be a host, without a port, not \"127.0.0.1:7400\"");
    assert_config_refused(f, "--data d --bind a/b", "must be a host");
}

static void http_is_served_off_the_loopback_as_the_other_ports_are(void **state)
{
    struct config_bench *f = *state;
    assert_config_parsed(f, "--data d");
    assert_null(f->config.http); /* PORT+2 */
    assert_config_parsed(f, "--data d --http off");
    assert_string_equal(f->config.http, "off");
    assert_config_parsed(f, "--data d --http [::1]:8080");
    assert_string_equal(f->config.http, "[::1]:8080");
    assert_config_refused(f, "--data d --http 8080", "--http: must be HOST:PORT, or off");
    assert_config_refused(f, "--data d --http on", "--http: must be HOST:PORT, or off");
    assert_config_refused(f, "--data d --http 10.0.0.1:80",
                          "--http: 10.0.0.1:80 is not on the loopback");
    assert_config_parsed(f, "--data d --http 10.0.0.1:80 --insecure");
    assert_config_parsed(f, "--data d --http 0.0.0.0:80 --tls-cert a --tls-key b --tls-ca c");
}

static void origins_of_pages_are_taken_as_browsers_send_them(void **state)
{
    static const char *const good[] = {"https://shop.example", "http://localhost:3000",
                                       "http://10.0.0.1",      "https://[2001:db8::7]:8443",
                                       "https://a-b_c.d:80",   "http://xn--bcher-kva.example:443"};
    static const char *const bad[] = {
        "shop.example",
        "null",
        "",
        "https://",
        "https://a/",
        "https://a?b",
        "https://a#b",
        "https://u@a",
        "https://A.example",
        "HTTPS://a",
        "ftp://a",
        "file://",
        "https://a:",
        "https://a:0",
        "https://a:080",
        "https://a:65536",
        "https://a:8080/",
        "https://a:+80",
        "https://[::1",
        "https://[0:0::1]",
        "https://[::1]x",
        "https://[]",
        "https://b\xc3\xbc",
        "https://a,https://b",
    };
    struct config_bench *f = *state;

    assert_config_parsed(f, "--data d");
    assert_int_equal(f->config.n_web_origins, 0);
    for (unsigned i = 0; i < sizeof good / sizeof *good; i++) {
        char flags[128];
        snprintf(flags, sizeof flags, "--data d --http-origin %s", good[i]);
        assert_config_parsed(f, flags);
        assert_int_equal(f->config.n_web_origins, 1);
        assert_string_equal(f->config.web_origins[0], good[i]);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        char flags[128];
        snprintf(flags, sizeof flags, "--data d --http-origin=%s", bad[i]);
        assert_config_refused(f, flags, "--http-origin: must be http:// or https://, a host");
        assert_non_null(strstr(f->err, "as in https://shop.example"));
    }
    assert_config_refused(f, "--data d --http-origin *", "there are no wildcards");
    assert_config_refused(f, "--data d --http-origin https://*.shop.example", "no wildcards");
    assert_config_refused(f, "--data d --http-origin https://a:443", "browsers leave out the port");
    assert_config_refused(f, "--data d --http-origin http://a:80", "browsers leave out the port");
    assert_config_refused(f, "--data d --http off --http-origin https://a",
                          "--http-origin: no page may ask where HTTP is off");
}

static void each_flag_adds_an_origin(void **state)
{
    struct config_bench *f = *state;
    char flags[1024] = "--data d";

    assert_config_parsed(f, "--data d --http-origin https://a --http-origin http://b "
                            "--http-origin https://a");
    assert_int_equal(f->config.n_web_origins, 2);
    assert_string_equal(f->config.web_origins[0], "https://a");
    assert_string_equal(f->config.web_origins[1], "http://b");
    for (unsigned i = 0; i <= CONFIG_WEB_ORIGINS_MAX; i++) {
        size_t len = strlen(flags);
        if (i == CONFIG_WEB_ORIGINS_MAX) {
            assert_config_parsed(f, flags);
            assert_int_equal(f->config.n_web_origins, CONFIG_WEB_ORIGINS_MAX);
        }
        snprintf(flags + len, sizeof flags - len, " --http-origin https://a%u", i);
    }
    assert_config_refused(f, flags, "--http-origin: more than 16 origins");
}

static void help_and_version_are_printed_to_stdout(void **state)
{
    struct config_bench *f = *state;
    assert_int_equal(config_bench_parse(f, "--help"), CONFIG_HELP);
    assert_string_equal(f->err, "");
    static const char *const flags[] = {
        "--id N",
        "--data DIR",
        "--peers 1=HOST:PORT,...",
        "--cluster NAME",
        "--join",
        "--insecure",
        "--bind HOST",
        "--http HOST:PORT|off",
        "--http-origin ORIGIN",
        "--address HOST:PORT",
        "--config FILE",
        "--election-timeout",
        "--snapshot-trailing",
        "--log-format",
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strstr(f->out, flags[i]) == NULL) {
            fail_msg("the help lacks %s", flags[i]);
        }
    }
    for (char *line = strtok(f->out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 120);
    }
    assert_int_equal(config_bench_parse(f, "--data d -h"), CONFIG_HELP);
    assert_int_equal(config_bench_parse(f, "--version"), CONFIG_VERSION);
    assert_string_equal(f->out, "orderschedd " ORDERSCHEDD_VERSION "\n");
}

/* docs/configuration.md has a row for every setting, with its default; run from the root. */
static void every_setting_is_in_the_documentation(void **state)
{
    (void)state;
    static char text[64 * 1024];
    FILE *file = fopen("docs/configuration.md", "r");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    unsigned n;
    const struct setting *settings = config_settings(&n);
    for (unsigned i = 0; i < n; i++) {
        char row[64], value[64];
        snprintf(row, sizeof row, "\n| `%s` | ", settings[i].name);
        const char *found = strstr(text, row);
        if (found == NULL) {
            fail_msg("not documented: %s", settings[i].name);
        }
        if (settings[i].fallback == NULL || strcmp(settings[i].fallback, "0") == 0) {
            continue;
        }
        snprintf(value, sizeof value, "| `%s` |", settings[i].fallback);
        const char *fallback = strstr(found, value);
        if (fallback == NULL || fallback > strchr(found + 1, '\n')) {
            fail_msg("documented without its default %s: %s", settings[i].fallback,
                     settings[i].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_config_bench(the_defaults_are_those_of_the_design),
        on_config_bench(without_peers_it_is_a_cluster_of_one),
        on_config_bench(every_flag_is_taken),
        on_config_bench(private_callbacks_are_allowed_by_default_on_the_loopback_alone),
        on_config_bench(the_last_of_a_repeated_flag_counts),
        on_config_bench(unknown_flags_are_named_with_a_hint),
        on_config_bench(misplaced_words_and_values_are_refused),
        on_config_bench(values_out_of_range_or_kind_are_refused),
        on_config_bench(the_election_timeout_is_a_multiple_of_the_heartbeat),
        on_config_bench(a_node_without_a_data_directory_is_refused),
        on_config_bench(bad_peer_lists_are_refused),
        on_config_bench(more_peers_than_there_is_room_for_are_refused),
        on_config_bench(a_joining_node_needs_an_id_and_an_address),
        on_config_bench(addresses_off_the_loopback_need_tls_or_insecure),
        on_config_bench(tls_takes_all_its_files_or_none),
        on_config_bench(a_bind_host_is_kept_as_it_stands_before_a_port),
        on_config_bench(http_is_served_off_the_loopback_as_the_other_ports_are),
        on_config_bench(origins_of_pages_are_taken_as_browsers_send_them),
        on_config_bench(each_flag_adds_an_origin),
        on_config_bench(help_and_version_are_printed_to_stdout),
        on_config_bench(every_setting_is_in_the_documentation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
