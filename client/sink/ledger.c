/* ledger.c - see ledger.h. */
#include "ledger.h"

#include <string.h>

/* ---- writing ---- */

static void write_text(struct sink_journal *j, const char *name, const char *text)
{
    sink_journal_printf(j, ",\"%s\":", name);
    sink_journal_string(j, text, strlen(text));
}

static void write_start(struct sink_journal *j, const struct sink_request *r, const char *kind)
{
    sink_journal_printf(j, "{\"t_ms\":%llu,\"us\":%u,\"kind\":\"%s\"",
                        (unsigned long long)(r->t_us / 1000), (unsigned)(r->t_us % 1000), kind);
}

static void write_order(struct sink_journal *j, const struct sink_item *item)
{
    sink_journal_printf(j, ",\"%s\":",
                        item->order_kind == SINK_ORDER_BASE64 ? "order_id_base64" : "order_id");
    sink_journal_string(j, json_string_value(item->order_id), json_string_length(item->order_id));
    sink_journal_printf(j, ",\"attempt\":%u,\"fence\":\"%llu.%llu\",\"deadline_ms\":%llu",
                        item->attempt, (unsigned long long)item->fence.epoch,
                        (unsigned long long)item->fence.index,
                        (unsigned long long)item->deadline_ms);
}

static void write_end(struct sink_journal *j, const char *answer, unsigned status,
                      const char *reason)
{
    sink_journal_printf(j, ",\"answer\":\"%s\"", answer);
    if (reason[0] != '\0') {
        sink_journal_printf(j, ",\"status\":%u", status);
        write_text(j, "reason", reason);
    }
    sink_journal_printf(j, "}\n");
}

void sink_ledger_write(struct sink_ledger *l, const struct sink_request *r,
                       const struct sink_item *item, const char *kind, const char *answer)
{
    write_start(&l->journal, r, kind);
    write_text(&l->journal, "webhook_id", item->key);
    if (r->is_batch) {
        write_text(&l->journal, "batch", r->webhook.id);
    }
    write_order(&l->journal, item);
    if (r->cluster_ms > 0) {
        sink_journal_printf(&l->journal, ",\"cluster_ms\":%llu", (unsigned long long)r->cluster_ms);
    }
    if (r->traceparent != NULL) {
        write_text(&l->journal, "traceparent", r->traceparent);
    }
    if (item->repeat) {
        sink_journal_printf(&l->journal, ",\"repeat\":true");
    }
    if (r->fault == SINK_FAULT_HANG && (r->is_batch || item->status == 200)) {
        sink_journal_printf(&l->journal, ",\"hung\":true");
    }
    write_end(&l->journal, answer, item->status, item->reason);
}

/* What an unverified request says may be anything, so it is left out unless it is text. */
void sink_ledger_write_refused(struct sink_ledger *l, const struct sink_request *r)
{
    write_start(&l->journal, r, "refused");
    if (r->id_is_text) {
        write_text(&l->journal, "webhook_id", r->webhook.id);
    }
    if (!r->is_batch && r->n_items == 1 && r->items[0].order_id != NULL) {
        write_order(&l->journal, &r->items[0]);
    }
    write_end(&l->journal, "refused", r->status, r->reason);
}

/* ---- restoring ---- */

static const char *restore_delivery(struct sink_ledger *l, const json_t *line,
                                    struct sink_entry *webhook, const char *answer)
{
    const json_t *text = json_object_get(line, "order_id");
    const json_t *id = text != NULL ? text : json_object_get(line, "order_id_base64");
    const char *fence_text = json_string_value(json_object_get(line, "fence"));
    struct sink_fence fence;

    if (id == NULL || !json_is_string(id) || fence_text == NULL ||
        !sink_fence_parse(fence_text, &fence)) {
        return "a delivery without order_id or fence";
    }
    struct sink_entry *order = sink_state_entry(&l->state,
                                                text != NULL ? SINK_ORDER : SINK_ORDER_BASE64,
                                                json_string_value(id), json_string_length(id));
    if (order == NULL) {
        return "out of memory";
    }
    if (sink_fence_is_lower(order->fence, fence)) {
        order->fence = fence;
    }
    if (strcmp(answer, sink_answer_name(SINK_EXPIRED)) == 0) {
        webhook->settled = SINK_EXPIRED;
    } else if (strcmp(answer, sink_answer_name(SINK_PAID_AFTER_ALL)) == 0) {
        webhook->settled = SINK_PAID_AFTER_ALL;
    } else if (strcmp(answer, sink_answer_name(SINK_LATER_ONCE)) == 0) {
        webhook->postponed = true;
    }
    return NULL;
}

/* One line of the journal, at the start. NULL, or what is wrong with it. */
static const char *restore_cb(void *arg, const json_t *line)
{
    struct sink_ledger *l = arg;
    const char *kind = json_string_value(json_object_get(line, "kind"));
    const char *answer = json_string_value(json_object_get(line, "answer"));
    const char *id = json_string_value(json_object_get(line, "webhook_id"));

    if (kind != NULL && strcmp(kind, "refused") == 0) {
        return NULL;
    }
    if (kind == NULL || answer == NULL || id == NULL) {
        return "kind, answer or webhook_id is missing";
    }
    struct sink_entry *webhook = sink_state_entry(&l->state, SINK_WEBHOOK, id, strlen(id));
    if (webhook == NULL) {
        return "out of memory";
    }
    if (strcmp(kind, "delivery") == 0) {
        return restore_delivery(l, line, webhook, answer);
    }
    if (strcmp(kind, "effect") == 0) {
        webhook->settled = SINK_EXPIRED;
        return NULL;
    }
    return "kind is not delivery, effect or refused";
}

/* ---- life ---- */

int sink_ledger_open(struct sink_ledger *l, const char *path, char *errbuf, size_t errbuf_len)
{
    *l = (struct sink_ledger){0};
    return sink_journal_open(&l->journal, path, restore_cb, l, errbuf, errbuf_len);
}

void sink_ledger_close(struct sink_ledger *l)
{
    sink_journal_close(&l->journal);
    sink_state_free(&l->state);
}
