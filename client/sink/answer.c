/* answer.c - see answer.h. */
#include "answer.h"

#include <stdio.h>
#include <stdlib.h>

/* The reasons are ours: plain text that needs no escapes. */
static void write_outcome(FILE *out, const struct sink_item *item)
{
    if (item->answer == SINK_UNDECIDED || item->answer == SINK_FAILED) {
        fprintf(out, "\"outcome\":\"failed\",\"reason\":\"%s\"", item->reason);
    } else if (item->answer == SINK_LATER_ONCE) {
        fprintf(out, "\"outcome\":\"later\",\"delay_ms\":%llu", (unsigned long long)item->delay_ms);
    } else {
        fprintf(out, "\"outcome\":\"%s\"", sink_answer_name(item->answer));
    }
}

/* A key may hold anything that is text. */
static void write_key(FILE *out, const char *key)
{
    json_t *text = json_string(key);

    fputs("{\"idempotency_key\":", out);
    if (json_dumpf(text, out, JSON_ENCODE_ANY) != 0) {
        fputs("\"\"", out);
    }
    json_decref(text);
    fputc(',', out);
}

static void write_result(FILE *out, const struct sink_item *item)
{
    write_key(out, item->key);
    if (item->lie == SINK_LIE_UNKNOWN) {
        fputs("\"outcome\":\"perhaps\"}", out);
        return;
    }
    write_outcome(out, item);
    fputc('}', out);
    if (item->lie == SINK_LIE_DOUBLED) {
        fputc(',', out);
        write_key(out, item->key);
        fputs("\"outcome\":\"paid\"}", out);
    }
}

static void write_results(FILE *out, const struct sink_request *r)
{
    const char *between = "";

    fputs("{\"results\":[", out);
    for (size_t i = 0; i < r->n_items; i++) {
        if (r->items[i].lie != SINK_LIE_MISSING) {
            fputs(between, out);
            write_result(out, &r->items[i]);
            between = ",";
        }
    }
    fputs("]}\n", out);
}

char *sink_answer_text(const struct sink_request *r, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    if (out == NULL) {
        return NULL;
    }
    if (r->status != 200) {
        fprintf(out, "{\"error\":\"%s\"}\n", r->reason);
    } else if (r->is_batch) {
        write_results(out, r);
    } else {
        fputc('{', out);
        write_outcome(out, &r->items[0]);
        fputs("}\n", out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
