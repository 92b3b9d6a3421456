/* test_ordersink_journal.c - what the reference receiver remembers after its death, and how it
 * starts. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/cluster/sinkbed.h"

/* ---- what survives ---- */

static void a_kill_forgets_nothing_that_was_answered(void **state)
{
    struct sinkbed s;
    static const char *const flags[] = {"--paid", "order-p", "--later", "order-l:1s", NULL};

    (void)state;
    sinkbed_open(&s, flags);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "5.5"), 200, EXPIRED);
    assert_answered(sinkbed_tell(&s, "p", "order-p"), 200, PAID);
    assert_answered(sinkbed_tell(&s, "l", "order-l"), 200, "later");
    process_end(s.pid, SIGKILL);
    sinkbed_run(&s, NULL);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "5.5"), 200, EXPIRED);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "5.4"), 409, "5.5");
    assert_answered(sinkbed_tell(&s, "p", "order-p"), 200, PAID);
    process_end(s.pid, SIGKILL);
    sinkbed_run(&s, flags);
    assert_answered(sinkbed_tell(&s, "l", "order-l"), 200, EXPIRED); /* "later" was said already */
    sinkbed_assert_journal(&s, "a", 2, 1, 1);
    sinkbed_assert_journal(&s, "p", 2, 0, 0);
    sinkbed_assert_journal(&s, "l", 2, 1, 0);
    sinkbed_close(&s);
}

static void journal_append(const struct sinkbed *s, const char *text)
{
    FILE *f = fopen(s->journal, "a");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Whoever sends bytes that are no text gets an answer, and the journal can be read all the same. */
static void a_traceparent_is_written_down_if_it_is_text(void **state)
{
    static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(POST(&s, .webhook_id = "a", .fence = "1.1", .traceparent = trace), 200,
                    EXPIRED);
    sinkbed_assert_last_line(&s, "traceparent", trace);
    assert_answered(POST(&s, .webhook_id = "b", .fence = "1.2", .traceparent = "\xff\xfe"), 200,
                    EXPIRED);
    struct sinkbed_seen seen = sinkbed_journal(&s, "b");
    assert_int_equal(seen.deliveries, 1);
    assert_null(json_object_get(seen.last, "traceparent"));
    json_decref(seen.last);
    sinkbed_close(&s);
}

static void a_torn_last_line_is_cut_off(void **state)
{
    struct sinkbed s;
    static const char *const tails[] = {"{", "{\"t_ms\":1",
                                        "{\"t_ms\":1,\"kind\":\"effect\",\"web"};

    (void)state;
    sinkbed_open(&s, NULL);
    assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
        process_end(s.pid, SIGKILL);
        journal_append(&s, tails[i]);
        sinkbed_run(&s, NULL);
        assert_answered(sinkbed_tell(&s, "a", "order-1"), 200, EXPIRED);
    }
    sinkbed_assert_journal(&s, NULL, 4, 1, 0); /* which also reads each line */
    sinkbed_close(&s);
}

static void a_journal_that_is_none_is_named_and_left_alone(void **state)
{
    struct sinkbed s;
    static const char *const lines[] = {
        "hello",
        "hello\n",
        "{\"t_ms\":1}\n",
        "{\"t_ms\":1,\"kind\":\"x\",\"answer\":\"\",\"webhook_id\":\"a\"}\n",
        "{\"t_ms\":}\n",
        "{\"t_ms\":1,\"kind\":\"delivery\",\"answer\":\"paid\",\"webhook_id\":\"a\"}\n"};

    (void)state;
    sinkbed_init(&s);
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        char text[256] = "";
        unlink(s.journal);
        journal_append(&s, lines[i]);
        sinkbed_assert_does_not_start(&s, NULL, 1, "journal.jsonl:1: ");
        FILE *f = fopen(s.journal, "r");
        text[fread(text, 1, sizeof text - 1, f)] = '\0';
        fclose(f);
        assert_string_equal(text, lines[i]);
    }
    sinkbed_close(&s);
}

static void a_journal_belongs_to_one_process(void **state)
{
    struct sinkbed s;
    struct sinkbed other;

    (void)state;
    sinkbed_open(&s, NULL);
    sinkbed_init(&other);
    strcpy(other.journal, s.journal);
    sinkbed_assert_does_not_start(&other, NULL, 1, "another process uses it");
    scratch_remove(other.dir);
    sinkbed_close(&s);
}

static void a_port_in_use_is_named(void **state)
{
    struct sinkbed s;
    struct sinkbed other;

    (void)state;
    sinkbed_open(&s, NULL);
    sinkbed_init(&other);
    strcpy(other.listen, s.listen);
    sinkbed_assert_does_not_start(&other, NULL, 1, "Address already in use");
    sinkbed_close(&other);
    sinkbed_close(&s);
}

static void bad_flags_are_named(void **state)
{
    struct sinkbed s;
    static const struct {
        const char *flag;
        const char *value;
        const char *words;
    } bad[] = {{"--frobnicate", NULL, "--frobnicate"},
               {"operand", NULL, "operand"},
               {"--fail", "1.1", "--fail"},
               {"--fail", "-0.1", "--fail"},
               {"--fail", "nan", "--fail"},
               {"--hang-share", "", "--hang-share"},
               {"--slow", "200", "--slow"},
               {"--slow-share", "x", "--slow-share"},
               {"--tolerance", "soon", "--tolerance"},
               {"--paid", "a,,b", "--paid"},
               {"--paid", "", "--paid"},
               {"--later", "a", "--later"},
               {"--later", ":1s", "--later"},
               {"--later", "a:x", "--later"},
               {"--listen", "localhost", "--listen"},
               {"--listen", "127.0.0.1:0", "--listen"},
               {"--secret", "whsec_x", "--secret"},
               {"--secret-file", "/nonexistent", "--secret-file"},
               {"--secret", "@/nonexistent", "--secret /nonexistent: No such file"},
               {"--secret-file", "/dev/null", "no secret"},
               {"--seed", "x", "--seed"},
               {"--journal", "", "--journal"},
               {"--fail", NULL, "--fail"},
               {"--quiet=yes", NULL, "--quiet"}};

    (void)state;
    sinkbed_init(&s);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const extra[] = {bad[i].flag, bad[i].value, NULL};
        sinkbed_assert_does_not_start(&s, extra, 2, bad[i].words);
    }
    sinkbed_close(&s);
}

/* ---- under load ---- */

#define PARALLEL 64

struct load {
    CURLM *multi;
    struct sinkbed_post *posts;
    unsigned n;
    unsigned next;
    unsigned answered; /* with 200 */
};

static void load_start_one(struct load *l, const struct sinkbed *s)
{
    struct sinkbed_post *p = &l->posts[l->next++];

    sinkbed_post_prepare(p, s);
    curl_multi_add_handle(l->multi, p->easy);
}

static void load_collect(struct load *l, const struct sinkbed *s)
{
    CURLMsg *m;
    int left;

    while ((m = curl_multi_info_read(l->multi, &left)) != NULL) {
        CURLcode rv = m->data.result;
        struct sinkbed_post *p;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&p);
        curl_multi_remove_handle(l->multi, p->easy);
        sinkbed_post_finish(p, rv);
        l->answered += p->status == 200;
        if (l->next < l->n) {
            load_start_one(l, s);
        }
    }
}

/* Deliver n orders, PARALLEL at a time; after kill_after answers kill it and start it again.
 * Returns how many were answered 200. */
static unsigned load_run(struct sinkbed *s, unsigned n, unsigned kill_after)
{
    struct load l = {.multi = curl_multi_init(), .posts = calloc(n, sizeof *l.posts), .n = n};
    char(*ids)[24] = calloc(n, sizeof *ids);
    int running = 1;

    for (unsigned i = 0; i < n; i++) {
        snprintf(ids[i], sizeof ids[i], "osd_%08u", i);
        l.posts[i] = (struct sinkbed_post){.webhook_id = ids[i],
                                           .order_id = ids[i],
                                           .fence = "1.1"};
    }
    while (l.next < n && l.next < PARALLEL) {
        load_start_one(&l, s);
    }
    while (running > 0) {
        curl_multi_perform(l.multi, &running);
        load_collect(&l, s);
        curl_multi_perform(l.multi, &running);
        curl_multi_poll(l.multi, NULL, 0, 10, NULL);
        if (kill_after > 0 && l.answered >= kill_after) {
            kill_after = 0;
            process_end(s->pid, SIGKILL);
            sinkbed_run(s, NULL);
        }
    }
    load_collect(&l, s);
    curl_multi_cleanup(l.multi);
    free(l.posts);
    free(ids);
    return l.answered;
}

static long long counter_of(const struct sinkbed *s, const char *name)
{
    char text[4096];
    char key[40];
    FILE *f = fopen(s->log, "r");
    long long value = -1;

    snprintf(key, sizeof key, "\"%s\":", name);
    while (fgets(text, sizeof text, f) != NULL) {
        const char *at = strstr(text, key);
        value = at != NULL ? strtoll(at + strlen(key), NULL, 10) : value;
    }
    fclose(f);
    return value;
}

static void many_requests_at_once_share_their_waits_for_the_disk(void **state)
{
    enum { N = 2000 };
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    assert_int_equal(load_run(&s, N, 0), N);
    assert_int_equal(load_run(&s, N, 0), N);
    sinkbed_assert_journal(&s, NULL, 2 * N, N, 0);
    kill(s.pid, SIGUSR1);
    for (unsigned tries = 0; counter_of(&s, "deliveries") < 0 && tries < 2000; tries++) {
        sleep_ms(2);
    }
    assert_int_equal(counter_of(&s, "deliveries"), 2 * N);
    sinkbed_end(&s);
    assert_int_equal(counter_of(&s, "effects"), N);
    assert_int_equal(counter_of(&s, "repeats"), N);
    assert_in_range(counter_of(&s, "syncs"), 2 * N / PARALLEL, N);
    sinkbed_close(&s);
}

/* Of the webhook-ids that load_run() makes. */
static void assert_one_effect_each(const struct sinkbed *s, unsigned n)
{
    unsigned *effects = calloc(n, sizeof *effects);
    char text[2048];
    FILE *f = fopen(s->journal, "r");

    while (fgets(text, sizeof text, f) != NULL) {
        const char *id = strstr(text, "\"webhook_id\":\"osd_");
        assert_non_null(id);
        unsigned i = (unsigned)strtoul(id + strlen("\"webhook_id\":\"osd_"), NULL, 10);
        assert_true(i < n);
        effects[i] += strstr(text, "\"kind\":\"effect\"") != NULL;
    }
    fclose(f);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(effects[i], 1);
    }
    free(effects);
}

static void a_kill_under_load_loses_and_doubles_no_effect(void **state)
{
    enum { N = 600 };
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    for (unsigned round = 0; round < 3; round++) {
        unsigned answered = load_run(&s, N, N / 4);
        struct sinkbed_seen seen = sinkbed_journal(&s, NULL);
        json_decref(seen.last);
        assert_true(seen.effects >= answered);
    }
    assert_int_equal(load_run(&s, N, 0), N);
    assert_one_effect_each(&s, N);
    struct sinkbed_seen all = sinkbed_journal(&s, NULL);
    json_decref(all.last);
    assert_int_equal(all.effects, N);
    sinkbed_close(&s);
}

/* Each end comes while connections are opened and closed. */
static void sigterm_ends_it_cleanly_in_the_midst_of_requests(void **state)
{
    struct sinkbed s;

    (void)state;
    sinkbed_open(&s, NULL);
    for (unsigned round = 0; round < 15; round++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)load_run(&s, 3000, 0);
            _exit(0);
        }
        sleep_ms(15 + 3 * round);
        sinkbed_end(&s);
        (void)process_end(child, SIGKILL);
        sinkbed_run(&s, NULL);
    }
    sinkbed_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kill_forgets_nothing_that_was_answered),
        cmocka_unit_test(a_traceparent_is_written_down_if_it_is_text),
        cmocka_unit_test(a_torn_last_line_is_cut_off),
        cmocka_unit_test(a_journal_that_is_none_is_named_and_left_alone),
        cmocka_unit_test(a_journal_belongs_to_one_process),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(bad_flags_are_named),
        cmocka_unit_test(many_requests_at_once_share_their_waits_for_the_disk),
        cmocka_unit_test(a_kill_under_load_loses_and_doubles_no_effect),
        cmocka_unit_test(sigterm_ends_it_cleanly_in_the_midst_of_requests),
    };

    curl_global_init(CURL_GLOBAL_DEFAULT);
    int rv = cmocka_run_group_tests(tests, NULL, NULL);
    curl_global_cleanup();
    return rv;
}
