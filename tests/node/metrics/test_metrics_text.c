/* The text that is scraped: labels, numbers, histograms, and whole samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../node/metrics/metrics_render.h"

static const struct metrics_family requests = {"x_requests_total", METRICS_COUNTER, "Requests."};
static const struct metrics_family seconds = {"x_seconds", METRICS_GAUGE, "Time."};

/* What was written, as a string; frees the buffer. */
static char *text_of(struct buffer *b)
{
    static char text[1u << 20];

    assert_false(b->failed);
    assert_true(b->len < sizeof text);
    memcpy(text, b->data, b->len);
    text[b->len] = '\0';
    buffer_free(b);
    return text;
}

static void a_family_begins_with_its_help_and_type(void **state)
{
    struct buffer b = {0};

    (void)state;
    metrics_text_begin(&b, &requests);
    metrics_text_number(&b, &requests, NULL, UINT64_MAX);
    assert_string_equal(text_of(&b), "# HELP x_requests_total Requests.\n"
                                     "# TYPE x_requests_total counter\n"
                                     "x_requests_total 18446744073709551615\n");
}

static void a_label_is_escaped(void **state)
{
    const struct metrics_labels labels = {{{"a", "\\ \"q\" \n\xc3\xa9"}, {"b", ""}}};
    struct buffer b = {0};

    (void)state;
    metrics_text_number(&b, &requests, &labels, 0);
    assert_string_equal(text_of(&b),
                        "x_requests_total{a=\"\\\\ \\\"q\\\" \\n\xc3\xa9\",b=\"\"} 0\n");
}

static void seconds_are_exact(void **state)
{
    static const struct {
        int64_t us;
        const char *line;
    } cases[] = {{0, "x_seconds 0\n"},           {1, "x_seconds 0.000001\n"},
                 {-1, "x_seconds -0.000001\n"},  {1500000, "x_seconds 1.5\n"},
                 {100, "x_seconds 0.0001\n"},    {1000001, "x_seconds 1.000001\n"},
                 {-60000000, "x_seconds -60\n"}, {INT64_MIN, "x_seconds -9223372036854.775808\n"}};

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer b = {0};
        metrics_text_seconds(&b, &seconds, NULL, cases[i].us);
        assert_string_equal(text_of(&b), cases[i].line);
    }
}

static void a_bound_belongs_to_its_bucket(void **state)
{
    struct metrics_histogram h;
    struct metrics_counts counts;

    (void)state;
    memset(&h, 0, sizeof h);
    metrics_histogram_add(&h, &metrics_scale_fine, 0);
    metrics_histogram_add(&h, &metrics_scale_fine, 100);
    metrics_histogram_add(&h, &metrics_scale_fine, 101);
    metrics_histogram_add(&h, &metrics_scale_fine, 10000000);
    metrics_histogram_add(&h, &metrics_scale_fine, 10000001);
    metrics_histogram_read(&h, &counts);
    assert_int_equal(counts.counts[0], 2);
    assert_int_equal(counts.counts[1], 1);
    assert_int_equal(counts.counts[METRICS_BOUNDS - 1], 1);
    assert_int_equal(counts.counts[METRICS_BOUNDS], 1);
    assert_int_equal(counts.sum_us, 20000202);
}

static void bounds_ascend(void **state)
{
    (void)state;
    for (unsigned i = 1; i < METRICS_BOUNDS; i++) {
        assert_true(metrics_scale_fine.bounds_us[i] > metrics_scale_fine.bounds_us[i - 1]);
        assert_true(metrics_scale_coarse.bounds_us[i] > metrics_scale_coarse.bounds_us[i - 1]);
    }
}

/* The buckets are cumulative, and the last has all. */
static void a_histogram_is_written_whole(void **state)
{
    const struct metrics_family family = {"x_late_seconds", METRICS_HISTOGRAM, "Late."};
    const struct metrics_labels labels = {{{"route", "r"}}};
    struct metrics_counts counts = {.counts = {[0] = 1, [2] = 2, [METRICS_BOUNDS] = 4},
                                    .sum_us = 2500000};
    struct buffer b = {0};

    (void)state;
    metrics_text_histogram(&b, &family, &labels, &metrics_scale_coarse, &counts);
    const char *text = text_of(&b);
    assert_non_null(strstr(text, "x_late_seconds_bucket{route=\"r\",le=\"0.001\"} 1\n"));
    assert_non_null(strstr(text, "x_late_seconds_bucket{route=\"r\",le=\"0.0025\"} 1\n"));
    assert_non_null(strstr(text, "x_late_seconds_bucket{route=\"r\",le=\"0.005\"} 3\n"));
    assert_non_null(strstr(text, "x_late_seconds_bucket{route=\"r\",le=\"600\"} 3\n"));
    assert_non_null(strstr(text, "x_late_seconds_bucket{route=\"r\",le=\"+Inf\"} 7\n"));
    assert_non_null(strstr(text, "x_late_seconds_sum{route=\"r\"} 2.5\n"
                                 "x_late_seconds_count{route=\"r\"} 7\n"));
    metrics_text_histogram(&b, &family, NULL, &metrics_scale_coarse, &counts);
    text = text_of(&b);
    assert_non_null(strstr(text, "x_late_seconds_bucket{le=\"0.001\"} 1\n"));
    assert_non_null(strstr(text, "x_late_seconds_sum 2.5\n"));
}

/* --- whole samples --- */

static struct metrics_sample *sample_with_routes(uint32_t n)
{
    struct metrics_sample *s = calloc(1, sizeof *s);

    s->routes = calloc(METRICS_ROUTES_MAX, sizeof *s->routes);
    s->version = "1.2.3";
    snprintf(s->cluster, sizeof s->cluster, "shop");
    s->n_routes = n;
    for (uint32_t i = 0; i < n; i++) {
        snprintf(s->routes[i].name, sizeof s->routes[i].name, "route-%u", i);
        s->routes[i].active = s->routes[i].measured = true;
    }
    return s;
}

static void sample_free(struct metrics_sample *s)
{
    free(s->routes);
    free(s);
}

static void render(const struct metrics_sample *s, struct buffer *b)
{
    struct metrics_render r = {.sample = s,
                               .present = {.now_ns = 9000000000, .beat_ns = 8500000000}};

    while (!metrics_render_on(&r, b)) {
    }
}

/* Every line is a comment or a sample of the family above it, and no family comes twice. */
static void a_sample_has_each_family_once_and_together(void **state)
{
    struct metrics_sample *s = sample_with_routes(40); /* more than fit into a slice */
    char family[128] = "", seen[32768] = "", *save = NULL;
    struct buffer b = {0};
    unsigned families = 0;

    (void)state;
    s->n_peers = 1;
    s->peers[0] =
        (struct metrics_sample_peer){.id = 2, .lags = true, .measured = true, .clock_known = true};
    s->has_snapshot = s->disk_known = s->tls_known = true;
    render(s, &b);
    for (char *line = strtok_r(text_of(&b), "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char name[130];
        if (strncmp(line, "# HELP ", 7) == 0) {
            sscanf(line + 7, "%127s", family);
            snprintf(name, sizeof name, " %s ", family);
            assert_null(strstr(seen, name));
            strcat(seen, name);
            families++;
        } else if (strncmp(line, "# TYPE ", 7) == 0) {
            assert_int_equal(strncmp(line + 7, family, strlen(family)), 0);
        } else {
            assert_int_equal(strncmp(line, family, strlen(family)), 0);
            assert_non_null(strchr("{ _", line[strlen(family)]));
            assert_non_null(strchr(line, ' '));
        }
    }
    assert_true(families > 60);
    sample_free(s);
}

static void ages_are_as_of_now(void **state)
{
    struct metrics_sample *s = sample_with_routes(0);
    struct buffer b = {0};

    (void)state;
    s->taken_ns = 7000000000;
    render(s, &b);
    const char *text = text_of(&b);
    assert_non_null(strstr(text, "\norderschedd_loop_beat_age_seconds 0.5\n"));
    assert_non_null(strstr(text, "\norderschedd_sample_age_seconds 2\n"));
    assert_non_null(strstr(text, "{version=\"1.2.3\",cluster=\"shop\"} 1\n"));
    sample_free(s);
}

/* Of a node that leads nothing, what only a leader knows is not there. */
static void what_is_not_known_has_no_sample(void **state)
{
    struct metrics_sample *s = sample_with_routes(1);
    struct buffer b = {0};

    (void)state;
    s->routes[0].active = s->routes[0].measured = false;
    render(s, &b);
    const char *text = text_of(&b);
    assert_non_null(strstr(text, "orderschedd_ready{route=\"route-0\"} 0\n"));
    assert_null(strstr(text, "orderschedd_window{"));
    assert_null(strstr(text, "orderschedd_lateness_seconds_bucket"));
    assert_null(strstr(text, "\norderschedd_tls_expiry_seconds"));
    assert_null(strstr(text, "\norderschedd_snapshot_age_seconds"));
    assert_null(strstr(text, "\norderschedd_disk_free_bytes"));
    sample_free(s);
}

static struct metrics_sample *sample_with_all_routes(void)
{
    struct metrics_sample *s = sample_with_routes(METRICS_ROUTES_MAX);

    for (unsigned i = 0; i < METRICS_ROUTES_MAX; i++) {
        memset(s->routes[i].name, 'r', ORDERSCHED_ROUTE_NAME_MAX);
        snprintf(s->routes[i].name, 5, "%04u", i);
        s->routes[i].name[4] = 'r';
    }
    return s;
}

/* However many routes: the text is bounded. */
static void all_routes_fit(void **state)
{
    struct metrics_sample *s = sample_with_all_routes();
    struct buffer b = {0};

    (void)state;
    render(s, &b);
    assert_false(b.failed);
    assert_true(b.len > (1u << 20) && b.len < (32u << 20));
    buffer_free(&b);
    sample_free(s);
}

/* However many routes: others need not wait long. */
static void a_slice_is_bounded(void **state)
{
    struct metrics_sample *s = sample_with_all_routes();
    struct metrics_render r = {.sample = s};
    struct buffer b = {0};
    unsigned slices = 1;
    size_t before = 0;

    (void)state;
    for (; !metrics_render_on(&r, &b); slices++) {
        unsigned lines = 0;
        for (size_t i = before; i < b.len; i++) {
            lines += b.data[i] == '\n';
        }
        assert_in_range(lines, 1, 2 * METRICS_RENDER_LINES);
        before = b.len;
    }
    assert_in_range(slices, 100, 200);
    buffer_free(&b);
    sample_free(s);
}

static void the_process_tells_of_itself(void **state)
{
    struct metrics_process p;

    (void)state;
    metrics_process_read(&p);
    assert_true(p.resident_bytes > 0 && p.resident_bytes <= p.virtual_bytes);
    assert_true(p.open_fds >= 3 && p.open_fds <= p.max_fds);
    assert_true(p.threads >= 1);
    assert_true(p.started_us > 1600000000000000ull);
}

/* --- what parts count --- */

static void a_slot_that_becomes_another_routes_begins_anew(void **state)
{
    struct metrics *m = metrics_new();

    (void)state;
    metrics_route(m, 5, "a")->outcomes[1] = 7;
    assert_int_equal(metrics_route(m, 5, "a")->outcomes[1], 7);
    assert_int_equal(metrics_route(m, 5, "b")->outcomes[1], 0);
    assert_null(metrics_route(NULL, 5, "a"));
    metrics_free(m);
}

static void a_leader_counts_once_a_term(void **state)
{
    struct metrics *m = metrics_new();

    (void)state;
    metrics_note_leader(m, 0, 1); /* none */
    metrics_note_leader(m, 1, 1);
    metrics_note_leader(m, 1, 1);
    metrics_note_leader(m, 0, 2);
    metrics_note_leader(m, 1, 3);
    metrics_note_leader(m, 2, 4);
    assert_int_equal(m->leader_changes, 3);
    metrics_note_leader(NULL, 2, 4);
    metrics_free(m);
}

static void round_trips_are_kept_while_the_member_is_there(void **state)
{
    struct metrics *m = metrics_new();
    struct metrics_counts counts;

    (void)state;
    for (unsigned i = 1; i <= 3; i++) {
        metrics_note_round_trip(m, 2, i * 1000, 300);
        metrics_note_round_trip(m, 2, i * 1000, 300); /* the same once more */
        metrics_sweep_peers(m);
    }
    metrics_histogram_read(&metrics_peer(m, 2)->round_trip, &counts);
    assert_int_equal(counts.counts[2], 3);
    for (uint64_t id = 10; id < 10 + METRICS_PEERS_MAX; id++) { /* more than there is room for */
        metrics_note_round_trip(m, id, 1, 1);
    }
    metrics_sweep_peers(m);
    assert_null(metrics_peer(m, 2));
    assert_null(metrics_peer(m, 0));
    assert_non_null(metrics_peer(m, 10));
    metrics_free(m);
}

static void errors_have_the_protocols_classes(void **state)
{
    (void)state;
    assert_int_equal(metrics_class_of(ORDERSCHED_OK), METRICS_DONE);
    assert_int_equal(metrics_class_of(ORDERSCHED_TOO_LATE), METRICS_DECIDED);
    assert_int_equal(metrics_class_of(ORDERSCHED_BUSY), METRICS_REFUSED);
    assert_int_equal(metrics_class_of(ORDERSCHED_UNKNOWN_OUTCOME), METRICS_UNKNOWN);
    for (unsigned code = 0; code < METRICS_CODES_MAX + 2; code++) {
        bool named = metrics_operation_name(code) != NULL;
        bool asked_for = (code >= 1 && code <= 4) || (code >= 16 && code <= 25) ||
                         (code >= 32 && code <= 45) || (code >= 48 && code <= 55);
        assert_int_equal(named, code == 0 || asked_for);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_begins_with_its_help_and_type),
        cmocka_unit_test(a_label_is_escaped),
        cmocka_unit_test(seconds_are_exact),
        cmocka_unit_test(a_bound_belongs_to_its_bucket),
        cmocka_unit_test(bounds_ascend),
        cmocka_unit_test(a_histogram_is_written_whole),
        cmocka_unit_test(a_sample_has_each_family_once_and_together),
        cmocka_unit_test(ages_are_as_of_now),
        cmocka_unit_test(what_is_not_known_has_no_sample),
        cmocka_unit_test(all_routes_fit),
        cmocka_unit_test(a_slice_is_bounded),
        cmocka_unit_test(the_process_tells_of_itself),
        cmocka_unit_test(a_slot_that_becomes_another_routes_begins_anew),
        cmocka_unit_test(a_leader_counts_once_a_term),
        cmocka_unit_test(round_trips_are_kept_while_the_member_is_there),
        cmocka_unit_test(errors_have_the_protocols_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
