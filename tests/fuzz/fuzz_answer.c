/* fuzz_answer.c - a node's answer, and the bodies of its results, as the client library reads them.
 *
 * The first byte chooses what the rest is: an answer, a result, an event of a history, orders for a
 * worker, or what became of a worker's reports. */
#include <assert.h>
#include <string.h>

#include "../../client/wire/cursor.h"
#include "../../client/wire/work.h"
#include "input.h"

static void take_result(struct slice bytes, size_t *used)
{
    struct result result, again;
    struct buffer out = {0};
    size_t n;

    *used = 0;
    if (result_decode(bytes.data, bytes.len, &result, used) != ORDERSCHED_OK) {
        *used = 0;
        return;
    }
    assert(*used > 0 && *used <= bytes.len);
    result_encode(&out, &result);
    assert(!out.failed);
    int error = result_decode(out.data, out.len, &again, &n);
    assert(error == ORDERSCHED_OK && n == out.len);
    assert(again.error == result.error && again.state == result.state &&
           again.index == result.index && again.deadline_ms == result.deadline_ms &&
           again.remaining_ms == result.remaining_ms && again.body.len == result.body.len);
    buffer_free(&out);
}

static void take_answer(struct slice bytes)
{
    struct answer answer, again;
    struct buffer out = {0};

    if (answer_decode(bytes.data, bytes.len, &answer) != ORDERSCHED_OK) {
        return;
    }
    struct slice left = answer.results;
    for (uint32_t i = 0; i < answer.n_results; i++) {
        size_t used;
        take_result(left, &used);
        if (used == 0) {
            break;
        }
        left = (struct slice){left.data + used, left.len - used};
    }
    answer_encode(&out, &answer);
    assert(!out.failed);
    int error = answer_decode(out.data, out.len, &again);
    assert(error == ORDERSCHED_OK && again.n_results == answer.n_results &&
           again.results.len == answer.results.len && again.text.len == answer.text.len);
    buffer_free(&out);
}

static void take_event(struct slice bytes)
{
    struct history_event event, again;
    struct buffer out = {0};
    size_t used;

    if (history_event_decode(bytes.data, bytes.len, &event, &used) == ORDERSCHED_OK) {
        assert(used <= bytes.len);
        history_event_encode(&out, &event);
        int error = history_event_decode(out.data, out.len, &again, &used);
        assert(error == ORDERSCHED_OK && used == out.len && again.kind == event.kind &&
               again.value == event.value && again.reason.len == event.reason.len);
    }
    buffer_free(&out);
}

static void take_jobs(struct slice bytes)
{
    struct cursor c;
    uint32_t lease_ms, n;
    struct work_job job;

    cursor_init(&c, bytes.data, bytes.len);
    if (work_read_jobs_head(&c, &lease_ms, &n)) {
        for (uint32_t i = 0; i < n && work_read_job(&c, &job); i++) {
            assert(job.payload.len <= bytes.len && job.id.len <= bytes.len);
        }
    }
}

static void take_reports(struct slice bytes)
{
    struct cursor c;
    struct work_result result;

    cursor_init(&c, bytes.data, bytes.len);
    uint32_t n = cursor_array(&c);
    assert(n <= bytes.len);
    for (uint32_t i = 0; i < n && work_read_result(&c, &result); i++) {
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    uint64_t what = input_number(&in, 1);
    struct slice rest = input_rest(&in);
    size_t used;

    switch (what % 5) {
        case 0: take_answer(rest); break;
        case 1: take_result(rest, &used); break;
        case 2: take_event(rest); break;
        case 3: take_jobs(rest); break;
        default: take_reports(rest); break;
    }
    return 0;
}
