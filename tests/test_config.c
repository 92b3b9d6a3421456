/* test_config.c - flags and file to configuration: each mistake has its sentence and its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "../node/config_parts.h"

struct fixture {
    struct config config;
    char file[64];
    char out[8192];
    char err[4096];
};

static int fixture_open(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return -1;
    }
    strcpy(f->file, "/tmp/test_config.XXXXXX");
    int fd = mkstemp(f->file);
    if (fd < 0) {
        free(f);
        return -1;
    }
    close(fd);
    *state = f;
    return 0;
}

static int fixture_close(void **state)
{
    struct fixture *f = *state;
    config_free(&f->config);
    unlink(f->file);
    free(f);
    return 0;
}

static void write_file(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Send a stream of this process into a file while config_parse runs. */
struct redirect {
    FILE *stream;
    FILE *file;
    int saved;
};

static void redirect_begin(struct redirect *r, FILE *stream)
{
    fflush(stream);
    r->stream = stream;
    r->file = tmpfile();
    r->saved = dup(fileno(stream));
    assert_non_null(r->file);
    assert_true(dup2(fileno(r->file), fileno(stream)) >= 0);
}

static void redirect_end(struct redirect *r, char *text, size_t len)
{
    fflush(r->stream);
    dup2(r->saved, fileno(r->stream));
    close(r->saved);
    rewind(r->file);
    size_t n = fread(text, 1, len - 1, r->file);
    text[n] = '\0';
    fclose(r->file);
}

/* Parse words separated by spaces; FILE stands for the fixture's file, '' for an empty word. */
static enum config_status parse(struct fixture *f, const char *line)
{
    char words[2048];
    char *argv[64] = {"orderschedd"};
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "FILE") == 0 ? f->file : strcmp(word, "''") == 0 ? "" : word;
    }
    struct redirect out, err;
    config_free(&f->config);
    redirect_begin(&out, stdout);
    redirect_begin(&err, stderr);
    enum config_status status = config_parse(&f->config, argc, argv);
    redirect_end(&err, f->err, sizeof f->err);
    redirect_end(&out, f->out, sizeof f->out);
    return status;
}

static void assert_parsed(struct fixture *f, const char *line)
{
    enum config_status status = parse(f, line);
    if (status != CONFIG_OK) {
        fail_msg("refused: %s\n%s", line, f->err);
    }
    assert_string_equal(f->err, "");
    assert_string_equal(f->out, "");
}

/* Refused with one sentence, which holds the given words. */
static void assert_refused(struct fixture *f, const char *line, const char *words)
{
    if (parse(f, line) != CONFIG_ERROR) {
        fail_msg("taken: %s", line);
    }
    if (strstr(f->err, words) == NULL || strncmp(f->err, "orderschedd: ", 13) != 0) {
        fail_msg("%s: expected \"%s\" in: %s", line, words, f->err);
    }
    assert_ptr_equal(strchr(f->err, '\n'), f->err + strlen(f->err) - 1);
    assert_string_equal(f->out, "");
}

/* Refused at this line of the file. */
static void assert_file_refused(struct fixture *f, const char *text, unsigned line,
                                const char *words)
{
    char place[96];
    write_file(f, text);
    assert_refused(f, "--config FILE", words);
    snprintf(place, sizeof place, "orderschedd: %s:%u: ", f->file, line);
    if (strncmp(f->err, place, strlen(place)) != 0) {
        fail_msg("expected line %u: %s", line, f->err);
    }
}

static void the_defaults_are_those_of_the_design(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--data d");
    const struct config *c = &f->config;
    assert_string_equal(c->data, "d");
    assert_string_equal(c->cluster, "orderschedd");
    assert_string_equal(c->address, "127.0.0.1:7400");
    assert_int_equal(c->election_timeout_ms, 500);
    assert_int_equal(c->heartbeat_ms, 50);
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
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->log_format, LOG_LOGFMT);
    assert_false(c->join);
    assert_false(c->insecure);
    assert_null(c->bind);
}

static void without_peers_it_is_a_cluster_of_one(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--data d");
    assert_int_equal(f->config.id, 1);
    assert_int_equal(f->config.n_peers, 1);
    assert_int_equal(f->config.peers[0].id, 1);
    assert_string_equal(f->config.peers[0].address, "127.0.0.1:7400");
    assert_parsed(f, "--data d --id 9 --address localhost:7500");
    assert_int_equal(f->config.peers[0].id, 9);
    assert_string_equal(f->config.peers[0].address, "localhost:7500");
    assert_string_equal(f->config.address, "localhost:7500");
}

static void every_flag_is_taken(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--id 2 --data=/var/d --cluster shop-1 --bind 127.0.0.2 --insecure "
                     "--peers 1=127.0.0.1:7410,2=10.0.0.2:7420,3=[::1]:7430 "
                     "--election-timeout 1s --heartbeat 100ms --retention 7d --max-orders 5 "
                     "--max-bytes 1MiB --min-free 0 --max-requests 6 --snapshot-threshold 7 "
                     "--snapshot-trailing 1024 --snapshot-slice 3 --max-deliveries 8 --max-delivery-bytes 2MiB "
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
    assert_int_equal(c->retention_ms, 7u * 24 * 3600 * 1000);
    assert_int_equal(c->max_orders, 5);
    assert_int_equal(c->max_bytes, 1u << 20);
    assert_int_equal(c->min_free_bytes, 0);
    assert_int_equal(c->max_requests, 6);
    assert_int_equal(c->snapshot_threshold, 7);
    assert_int_equal(c->snapshot_trailing, 1024);
    assert_int_equal(c->snapshot_slice, 3);
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
    struct fixture *f = *state;

    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_parsed(f, cases[i].flags);
        if (f->config.allow_private_callbacks != cases[i].allowed) {
            fail_msg("%s", cases[i].flags);
        }
    }
}

static void the_last_of_a_repeated_flag_counts(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--data a --id 5 --data b --insecure --insecure=false --peers 1=h:1 "
                     "--peers 5=127.0.0.1:7400,6=127.0.0.1:7410");
    assert_string_equal(f->config.data, "b");
    assert_false(f->config.insecure);
    assert_int_equal(f->config.n_peers, 2);
}

static void unknown_flags_are_named_with_a_hint(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "--dta d", "unknown flag --dta: did you mean --data?");
    assert_refused(f, "--election=1s", "unknown flag --election: did you mean --election-timeout?");
    assert_refused(f, "--ma 5", "unknown flag --ma: orderschedd --help lists the flags");
    assert_refused(f, "--dat d", "unknown flag --dat: did you mean --data?");
    assert_refused(f, "--frobnicate", "unknown flag --frobnicate: orderschedd --help");
    assert_refused(f, "--data d -x", "unknown flag -x: orderschedd --help");
    assert_refused(f, "--confg FILE", "did you mean --config?");
}

static void misplaced_words_and_values_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "--data d stray", "unexpected argument \"stray\"");
    assert_refused(f, "--data d --join true", "unexpected argument \"true\"");
    assert_refused(f, "--data", "--data needs a value");
    assert_refused(f, "--help=3", "--help takes no value");
    assert_refused(f, "--data ''", "--data: it is empty");
    assert_refused(f, "--data d --join=maybe", "--join: \"maybe\" is neither true nor false");
}

static void values_out_of_range_or_kind_are_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "--data d --id 0", "--id: 0 is outside the range 1 to 9223372036854775807");
    assert_refused(f, "--data d --id 9223372036854775808", "outside the range");
    assert_refused(f, "--data d --id 99999999999999999999", "is not a whole number");
    assert_refused(f, "--data d --id -1", "--id: \"-1\" is not a whole number");
    assert_refused(f, "--data d --id 1x", "is not a whole number");
    assert_refused(f, "--data d --retention 24", "--retention: \"24\" is not a duration such as");
    assert_refused(f, "--data d --retention 401d", "outside the range 1.00s to 400d 0h");
    assert_refused(f, "--data d --max-bytes 8G", "--max-bytes: \"8G\" is not a size");
    assert_refused(f, "--data d --max-bytes 1", "outside the range 1MiB to 1024GiB");
    assert_refused(f, "--data d --max-requests 4294967297", "outside the range 1 to 1000000");
    assert_refused(f, "--data d --log-level loud",
                   "--log-level: \"loud\" is none of debug, info, warn, error");
    assert_refused(f, "--data d --log-format xml", "none of logfmt, json");
    assert_refused(f, "--data d --snapshot-trailing 1023", "at least 1024");
    assert_refused(f, "--data d --cluster a/b", "--cluster: \"a/b\" is not a name");
    char line[2000], data[900], cluster[66];
    memset(data, 'd', sizeof data);
    snprintf(line, sizeof line, "--data %.801s", data);
    assert_refused(f, line, "--data: longer than 800 bytes");
    memset(cluster, 'c', sizeof cluster);
    snprintf(line, sizeof line, "--data d --cluster %.65s", cluster);
    assert_refused(f, line, "--cluster: longer than 64 bytes");
}

static void the_election_timeout_is_a_multiple_of_the_heartbeat(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--data d --election-timeout 150ms");
    assert_refused(f, "--data d --heartbeat 70ms",
                   "--heartbeat: an election timeout of 500 ms is not a multiple");
    assert_refused(f, "--data d --election-timeout 510ms", "--election-timeout: an election");
    assert_refused(f, "--data d --election-timeout 100ms", "three times or more");
}

static void a_node_without_a_data_directory_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "", "--data DIR is required");
    assert_refused(f, "--id 1 --peers 1=127.0.0.1:7400", "--data DIR is required");
}

static void bad_peer_lists_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *peers, *words;
    } bad[] = {
        {"nonsense", "--peers: \"nonsense\" is not ID=HOST:PORT"},
        {"1=127.0.0.1:7400,", "--peers: \"\" is not ID=HOST:PORT"},
        {"1=127.0.0.1", "--peers: \"127.0.0.1\" is not HOST:PORT"},
        {"x=127.0.0.1:7400", "--peers: \"x\" is not an id"},
        {"0=127.0.0.1:7400", "--peers: \"0\" is not an id"},
        {"=127.0.0.1:7400", "--peers: \"\" is not an id"},
        {"1=::1:7400", "is not HOST:PORT"},
        {"1=127.0.0.1:65534", "port 65534 is above 65533"},
        {"1=0.0.0.0:7400", "0.0.0.0 is no host that others can connect to"},
        {"1=127.0.0.1:7400,1=127.0.0.1:7410", "id 1 is given twice"},
        {"1=127.0.0.1:7400,2=127.0.0.1:7400", "1 and 2 have the same address 127.0.0.1:7400"},
        {"1=localhost:7400,2=LOCALHOST:7402", "overlap"},
        {"2=127.0.0.1:7400,3=127.0.0.1:7410", "this node (--id 1) is not among them"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char line[256];
        snprintf(line, sizeof line, "--data d --id 1 --peers %s", bad[i].peers);
        assert_refused(f, line, bad[i].words);
    }
    assert_refused(f, "--data d --peers 1=127.0.0.1:7400", "--id is required with --peers");
    assert_refused(f, "--data d --id 1 --peers 1=127.0.0.1:7400 --address 127.0.0.1:7500",
                   "--address: 127.0.0.1:7500, but --peers has 127.0.0.1:7400 for node 1");
    assert_parsed(f, "--data d --id 1 --peers 1=127.0.0.1:7400 --address 127.0.0.1:7400");
    assert_parsed(f, "--data d --id 1 --peers 1=127.0.0.1:65533");
    assert_parsed(f, "--data d --id 1 --peers 1=127.0.0.1:7400,2=127.0.0.1:7403");
}

static void more_peers_than_there_is_room_for_are_refused(void **state)
{
    struct fixture *f = *state;
    char line[2048] = "--data d --id 1 --peers 1=127.0.0.1:1000";
    for (int i = 2; i <= CONFIG_PEERS_MAX; i++) {
        snprintf(line + strlen(line), sizeof line - strlen(line), ",%d=127.0.0.1:%d", i,
                 1000 + 3 * i);
    }
    assert_parsed(f, line);
    assert_int_equal(f->config.n_peers, CONFIG_PEERS_MAX);
    snprintf(line + strlen(line), sizeof line - strlen(line), ",99=127.0.0.1:9999");
    assert_refused(f, line, "more than 32 members");
}

static void a_joining_node_needs_an_id_and_an_address(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--data d --join --id 4 --address 127.0.0.1:7440");
    assert_true(f->config.join);
    assert_int_equal(f->config.n_peers, 0);
    assert_string_equal(f->config.address, "127.0.0.1:7440");
    assert_refused(f, "--data d --join --address 127.0.0.1:7440", "--id is required with --join");
    assert_refused(f, "--data d --join --id 4", "--address HOST:PORT is required with --join");
    assert_refused(f, "--data d --join --id 1 --peers 1=127.0.0.1:7400",
                   "node 1 is among the first members");
    assert_parsed(f, "--data d --join --id 4 --peers 1=127.0.0.1:7400 --address 127.0.0.1:7440");
    assert_int_equal(f->config.n_peers, 1);
    assert_refused(f, "--data d --address 127.0.0.1", "--address: \"127.0.0.1\" is not HOST:PORT");
    assert_refused(f, "--data d --address 127.0.0.1:65534", "above 65533");
}

static void addresses_off_the_loopback_need_insecure(void **state)
{
    struct fixture *f = *state;
    static const char *const needing[] = {
        "--data d --address 10.0.0.1:7400",
        "--data d --address shop.example:7400",
        "--data d --bind 0.0.0.0",
        "--data d --bind ::",
        "--data d --id 1 --peers 1=127.0.0.1:7400,2=10.0.0.2:7400",
    };
    for (size_t i = 0; i < sizeof needing / sizeof needing[0]; i++) {
        char line[256];
        assert_refused(f, needing[i], "is not on the loopback");
        assert_non_null(strstr(f->err, "TLS comes in a later version"));
        assert_non_null(strstr(f->err, "--insecure"));
        snprintf(line, sizeof line, "%s --insecure", needing[i]);
        assert_parsed(f, line);
    }
    assert_refused(f, needing[4], "--peers: 10.0.0.2:7400 is not on the loopback");
    assert_parsed(f, "--data d --address localhost:7400");
    assert_parsed(f, "--data d --address 127.9.9.9:7400");
    assert_parsed(f, "--data d --address [::1]:7400");
}

static void a_bind_host_is_kept_as_it_stands_before_a_port(void **state)
{
    struct fixture *f = *state;
    assert_parsed(f, "--data d --bind ::1");
    assert_string_equal(f->config.bind, "[::1]");
    assert_parsed(f, "--data d --bind [::1]");
    assert_string_equal(f->config.bind, "[::1]");
    assert_parsed(f, "--data d --bind 127.0.0.1");
    assert_string_equal(f->config.bind, "127.0.0.1");
    assert_refused(f, "--data d --bind 127.0.0.1:7400", "--bind: \"127.0.0.1:7400\" is not a host");
    assert_refused(f, "--data d --bind a/b", "is not a host");
}

static void help_and_version_are_printed_to_stdout(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(parse(f, "--help"), CONFIG_HELP);
    assert_string_equal(f->err, "");
    static const char *const flags[] = {
        "--id N",      "--data DIR",           "--peers 1=HOST:PORT,...", "--cluster NAME",
        "--join",      "--insecure",           "--bind HOST",             "--address HOST:PORT",
        "--config FILE", "--election-timeout", "--snapshot-trailing",     "--log-format",
    };
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        if (strstr(f->out, flags[i]) == NULL) {
            fail_msg("the help lacks %s", flags[i]);
        }
    }
    for (char *line = strtok(f->out, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        assert_true(strlen(line) <= 120);
    }
    assert_int_equal(parse(f, "--data d -h"), CONFIG_HELP);
    assert_int_equal(parse(f, "--version"), CONFIG_VERSION);
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

static void a_file_gives_the_same_settings_as_flags(void **state)
{
    struct fixture *f = *state;
    write_file(f, "# a comment\n"
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
                  "log-level: warn\n");
    assert_parsed(f, "--config FILE");
    const struct config *c = &f->config;
    assert_int_equal(c->id, 2);
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
    struct fixture *f = *state;
    write_file(f, "id: 2\ndata: a\ninsecure: true\n"
                  "peers:\n- {id: 2, address: 127.0.0.1:1000}\n");
    assert_parsed(f, "--data b --config FILE --insecure=false "
                     "--peers 2=127.0.0.1:7400,3=127.0.0.1:7410");
    assert_string_equal(f->config.data, "b");
    assert_false(f->config.insecure);
    assert_int_equal(f->config.id, 2);
    assert_int_equal(f->config.n_peers, 2);
    assert_string_equal(f->config.address, "127.0.0.1:7400");
}

static void an_empty_file_sets_nothing(void **state)
{
    struct fixture *f = *state;
    write_file(f, "");
    assert_parsed(f, "--config FILE --data d");
    write_file(f, "# nothing yet\n");
    assert_parsed(f, "--data d --config FILE");
}

static void mistakes_in_the_file_are_named_with_their_line(void **state)
{
    struct fixture *f = *state;
    assert_file_refused(f, "data: d\n\nretenton: 24h\n", 3,
                        "unknown key \"retenton\": did you mean retention?");
    assert_file_refused(f, "data: retenton\nretenton: 24h\n", 2, "unknown key \"retenton\"");
    assert_file_refused(f, "data: d\nfoo:\n  bar: 1\n", 2, "unknown key \"foo\"");
    assert_file_refused(f, "data: d\nid: 1\ndata: e\n", 3, "data is given twice");
    assert_file_refused(f, "data: d\nretention: 24\n", 2,
                        "retention: \"24\" is not a duration such as");
    assert_file_refused(f, "cluster: id\ndata: d\nid: x\n", 3, "id: \"x\" is not a whole number");
    assert_file_refused(f, "data: d\nmax-orders: 0\n", 2, "max-orders: 0 is outside the range");
    assert_file_refused(f, "data: d\nmax-orders:\n", 2, "\"\" is not a whole number");
    assert_file_refused(f, "data: d\njoin: perhaps\n", 2, "neither true nor false");
    assert_file_refused(f, "data:\n  - d\n", 2, "STRING");
    assert_file_refused(f, "data: d\nheartbeat: 70ms\n", 2, "not a multiple");
    assert_file_refused(f, "data: d\nbind: 0.0.0.0\n", 2, "not on the loopback");
    assert_file_refused(f, "data: d\naddress: 127.0.0.1\n", 2, "address: \"127.0.0.1\"");
}

static void mistakes_among_the_files_peers_are_named_with_their_line(void **state)
{
    struct fixture *f = *state;
    assert_file_refused(f, "data: d\nid: 1\npeers:\n- {id: 1, address: \"127.0.0.1:7400\"}\n"
                           "- {id: 2, address: nonsense}\n",
                        5, "peers: \"nonsense\" is not HOST:PORT");
    assert_file_refused(f, "data: d\nid: 1\npeers:\n  - id: 1\n    address: 127.0.0.1:7400\n"
                           "  - id: 1\n    address: 127.0.0.1:7410\n",
                        6, "peers: id 1 is given twice");
    assert_file_refused(f, "data: d\npeers:\n  - id: 1\n    addres: 127.0.0.1:7400\n", 4,
                        "unknown key \"addres\"");
    assert_file_refused(f, "data: d\npeers:\n  - id: 1\n    id: 2\n", 4, "id is given twice");
    assert_file_refused(f, "data: d\npeers:\n  - id: 1\n", 3, "address");
    assert_file_refused(f, "data: d\npeers: 1=127.0.0.1:7400\n", 2, "SEQUENCE");
    assert_file_refused(f, "data: d\nid: 1\npeers:\n  - {id: 1, address: \"127.0.0.1:7400\"}\n"
                           "  - {id: 2, address: \"10.0.0.2:7400\"}\n",
                        5, "not on the loopback");
    assert_file_refused(f, "data: d\nid: 3\npeers:\n  - {id: 1, address: \"127.0.0.1:7400\"}\n",
                        3, "is not among them");
}

static void what_is_not_yaml_is_refused_with_its_line(void **state)
{
    struct fixture *f = *state;
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
    struct fixture *f = *state;
    assert_refused(f, "--config /nonexistent/x.yaml", "cannot open /nonexistent/x.yaml: No such");
    assert_refused(f, "--config /tmp", "cannot read /tmp: Is a directory");
    assert_refused(f, "--config", "--config needs a value");
    FILE *file = fopen(f->file, "w");
    assert_non_null(file);
    for (int i = 0; i <= 1024; i++) {
        fprintf(file, "#%01023d", 0);
    }
    assert_int_equal(fclose(file), 0);
    assert_refused(f, "--config FILE", "is larger than 1048576 bytes");
}

static void random_bytes_in_a_file_never_pass_unnoticed(void **state)
{
    struct fixture *f = *state;
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
        write_file(f, text);
        enum config_status status = parse(f, "--config FILE");
        assert_true(status == CONFIG_OK || status == CONFIG_ERROR);
        assert_true((status == CONFIG_ERROR) == (f->err[0] != '\0'));
        if (status == CONFIG_OK) {
            assert_non_null(f->config.data);
            assert_int_equal(f->config.n_peers, 1);
        }
    }
}

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, fixture_open, fixture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONFIG_TEST(the_defaults_are_those_of_the_design),
        CONFIG_TEST(without_peers_it_is_a_cluster_of_one),
        CONFIG_TEST(every_flag_is_taken),
        CONFIG_TEST(private_callbacks_are_allowed_by_default_on_the_loopback_alone),
        CONFIG_TEST(the_last_of_a_repeated_flag_counts),
        CONFIG_TEST(unknown_flags_are_named_with_a_hint),
        CONFIG_TEST(misplaced_words_and_values_are_refused),
        CONFIG_TEST(values_out_of_range_or_kind_are_refused),
        CONFIG_TEST(the_election_timeout_is_a_multiple_of_the_heartbeat),
        CONFIG_TEST(a_node_without_a_data_directory_is_refused),
        CONFIG_TEST(bad_peer_lists_are_refused),
        CONFIG_TEST(more_peers_than_there_is_room_for_are_refused),
        CONFIG_TEST(a_joining_node_needs_an_id_and_an_address),
        CONFIG_TEST(addresses_off_the_loopback_need_insecure),
        CONFIG_TEST(a_bind_host_is_kept_as_it_stands_before_a_port),
        CONFIG_TEST(help_and_version_are_printed_to_stdout),
        CONFIG_TEST(every_setting_is_in_the_documentation),
        CONFIG_TEST(a_file_gives_the_same_settings_as_flags),
        CONFIG_TEST(flags_win_over_the_file_wherever_they_stand),
        CONFIG_TEST(an_empty_file_sets_nothing),
        CONFIG_TEST(mistakes_in_the_file_are_named_with_their_line),
        CONFIG_TEST(mistakes_among_the_files_peers_are_named_with_their_line),
        CONFIG_TEST(what_is_not_yaml_is_refused_with_its_line),
        CONFIG_TEST(an_unreadable_file_is_named),
        CONFIG_TEST(random_bytes_in_a_file_never_pass_unnoticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
