/* verdict.c - prints a verdict: as JSON for programs, as a table for people. */
#include "judge.h"
#include "../../text/table.h"

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *number_if(bool known, uint64_t v)
{
    return known ? number(v) : json_null();
}

json_t *verdict_as_json(const struct verdict *v)
{
    json_t *object = json_object();
    json_t *lateness = json_object();
    bool j = v->has_journal;
    bool late = j && v->late_n > 0;

    json_object_set_new(object, "orders", number(v->orders));
    json_object_set_new(object, "expected_paid", number(v->expected_paid));
    json_object_set_new(object, "expected_expired", number(v->expected_expired));
    json_object_set_new(object, "expected_either", number(v->expected_either));
    json_object_set_new(object, "paid", number(v->paid));
    json_object_set_new(object, "expired", number(v->expired));
    json_object_set_new(object, "contested", number(v->contested));
    json_object_set_new(object, "stretched", number(v->stretched));
    json_object_set_new(object, "vetoed", number(v->vetoed));
    json_object_set_new(object, "unpaid", number(v->unpaid));
    json_object_set_new(object, "unresolved", number(v->unresolved));
    json_object_set_new(object, "refused", number(v->refused));
    json_object_set_new(object, "wrong", number(v->wrong));
    json_object_set_new(object, "lost", number(v->lost));
    json_object_set_new(object, "early", number_if(j, v->early));
    json_object_set_new(object, "deliveries", number_if(j, v->deliveries));
    json_object_set_new(object, "effects", number_if(j, v->effects));
    json_object_set_new(object, "double_effects", number_if(j, v->double_effects));
    json_object_set_new(object, "duplicate_deliveries", number_if(j, v->duplicate_deliveries));
    json_object_set_new(object, "unknown_outcomes", number(v->unknown_outcomes));
    json_object_set_new(object, "failovers", number(v->failovers));
    json_object_set_new(lateness, "p50", number_if(late, v->late_p50_ms));
    json_object_set_new(lateness, "p99", number_if(late, v->late_p99_ms));
    json_object_set_new(lateness, "max", number_if(late, v->late_max_ms));
    json_object_set_new(object, "lateness_ms", lateness);
    json_object_set_new(object, "passed", json_boolean(v->passed));
    return object;
}

static void row(struct table *t, const char *name, uint64_t n, const char *meaning)
{
    table_text(t, name);
    table_printf(t, "%llu", (unsigned long long)n);
    table_text(t, meaning);
}

static void rows_of_journal(struct table *t, const struct verdict *v)
{
    row(t, "early", v->early, "deliveries before the deadline: must be 0");
    row(t, "effects", v->effects, "orders released by the receiver");
    row(t, "double effects", v->double_effects, "released twice, or although paid: must be 0");
    row(t, "duplicate deliveries", v->duplicate_deliveries,
        "told again; the receiver saw through it");
    table_text(t, "lateness p50/p99/max");
    table_printf(t, "%llu / %llu / %llu ms", (unsigned long long)v->late_p50_ms,
                 (unsigned long long)v->late_p99_ms, (unsigned long long)v->late_max_ms);
    table_text(t, "from the deadline to the delivery's arrival");
}

void verdict_print(const struct verdict *v, FILE *out)
{
    struct table t;

    table_init(&t, (const char *const[]){"orders", "", "", NULL});
    row(&t, "in the file", v->orders, "");
    row(&t, "paid", v->paid, "");
    row(&t, "  expected", v->expected_paid, "paid within the window");
    row(&t, "expired", v->expired, "");
    row(&t, "  expected", v->expected_expired, "paid later or never");
    if (v->expected_either > 0) {
        row(&t, "either", v->expected_either, "paid at the very end of the window: both are right");
    }
    row(&t, "contested", v->contested,
        "in time, but the cluster was between leaders: told TOO_LATE");
    row(&t, "stretched", v->stretched,
        "scheduled late, so the deadline was late, and paid before it");
    if (v->vetoed > 0) {
        row(&t, "vetoed", v->vetoed, "paid because the callback said so");
    }
    if (v->unpaid > 0) {
        row(&t, "unpaid", v->unpaid,
            "in time, but the pay was never taken or its outcome is unknown");
    }
    if (v->unresolved > 0) {
        row(&t, "unresolved", v->unresolved, "scheduled with unknown outcome, and never existed");
    }
    row(&t, "wrong", v->wrong, "end contradicts an answer or the expectation: must be 0");
    row(&t, "lost", v->lost, "acknowledged, and not ended or not delivered: must be 0");
    if (v->has_journal) {
        rows_of_journal(&t, v);
    }
    row(&t, "unknown outcomes", v->unknown_outcomes, "calls that could not tell");
    row(&t, "failovers", v->failovers, "changes of the leader");
    if (table_print(&t, out) != 0) {
        fprintf(out, "out of memory\n");
    }
    table_free(&t);
    fprintf(out, "\n%s\n", v->passed ? "PASSED" : "FAILED");
}
