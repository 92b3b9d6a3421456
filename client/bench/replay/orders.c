/* orders.c - see orders.h. */
#include "orders.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ordersched.h"

#define HEADER "order_id,purchased_at,paid_at"
#define SECONDS_MAX 253402300799ull /* the end of year 9999 */

static bool parse_seconds(const char *text, uint64_t *out)
{
    uint64_t v = 0;

    if (*text == 0) {
        return false;
    }
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        v = 10 * v + (uint64_t)(*text - '0');
        if (v > SECONDS_MAX) {
            return false;
        }
    }
    *out = v;
    return true;
}

/* NULL, or why this is no id. */
static const char *check_id(const char *id, size_t prefix_len)
{
    size_t len = strlen(id);

    if (len == 0 || len + prefix_len > ORDERSCHED_ID_MAX) {
        return "the order_id is empty or longer than 128 bytes";
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)id[i] <= 0x20 || id[i] == 0x7f || id[i] == '"') {
            return "the order_id holds a space, a quote or a control character";
        }
    }
    return NULL;
}

/* Take a line apart in place. NULL, or what is wrong with it. */
static const char *parse_line(char *line, const char *prefix, struct bench_order *order)
{
    uint64_t purchased;
    uint64_t paid = 0;
    char *first = strchr(line, ',');
    char *second = first != NULL ? strchr(first + 1, ',') : NULL;

    if (second == NULL || strchr(second + 1, ',') != NULL) {
        return "a line has three fields: " HEADER;
    }
    *first = *second = 0;
    const char *why = check_id(line, strlen(prefix));
    if (why != NULL) {
        return why;
    }
    if (!parse_seconds(first + 1, &purchased)) {
        return "purchased_at must be a time in Unix seconds";
    }
    order->has_payment = second[1] != 0;
    if (order->has_payment && !parse_seconds(second + 1, &paid)) {
        return "paid_at must be empty or a time in Unix seconds";
    }
    if (order->has_payment && paid < purchased) {
        return "paid_at lies before purchased_at";
    }
    order->pay_delay_ms = order->has_payment ? (paid - purchased) * 1000 : 0;
    if (asprintf(&order->id, "%s%s", prefix, line) < 0) {
        order->id = NULL;
        return "out of memory";
    }
    return NULL;
}

static bool orders_grow(struct bench_orders *orders)
{
    if (orders->n == orders->cap) {
        size_t cap = orders->cap == 0 ? 1024 : 2 * orders->cap;
        struct bench_order *grown = realloc(orders->items, cap * sizeof *grown);
        if (grown == NULL) {
            return false;
        }
        orders->items = grown;
        orders->cap = cap;
    }
    return true;
}

static const char *take_line(struct bench_orders *orders, size_t number, char *line, size_t len,
                             const char *prefix)
{
    if (strlen(line) != len) {
        return "a NUL byte";
    }
    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r')) {
        line[--len] = 0;
    }
    if (number == 1) {
        return strcmp(line, HEADER) == 0 ? NULL : "the first line is not " HEADER;
    }
    if (!orders_grow(orders)) {
        return "out of memory";
    }
    const char *why = parse_line(line, prefix, &orders->items[orders->n]);
    orders->n += why == NULL;
    return why;
}

static int compare_ids(const void *a, const void *b, void *items)
{
    const struct bench_order *orders = items;
    size_t x = *(const size_t *)a;
    size_t y = *(const size_t *)b;
    int order = strcmp(orders[x].id, orders[y].id);

    return order != 0 ? order : (x > y) - (x < y);
}

/* Sort the ids, and find one that occurs twice. */
static int orders_index(struct bench_orders *orders, const char *path, char *errbuf,
                        size_t errbuf_len)
{
    orders->by_id = calloc(orders->n, sizeof *orders->by_id);
    if (orders->by_id == NULL) {
        snprintf(errbuf, errbuf_len, "%s: out of memory", path);
        return -1;
    }
    for (size_t i = 0; i < orders->n; i++) {
        orders->by_id[i] = i;
    }
    qsort_r(orders->by_id, orders->n, sizeof *orders->by_id, compare_ids, orders->items);
    for (size_t i = 1; i < orders->n; i++) {
        size_t first = orders->by_id[i - 1];
        size_t second = orders->by_id[i];
        if (strcmp(orders->items[first].id, orders->items[second].id) == 0) {
            snprintf(errbuf, errbuf_len, "%s:%zu: the order_id is also that of line %zu", path,
                     second + 2, first + 2);
            return -1;
        }
    }
    return 0;
}

int bench_orders_read(struct bench_orders *orders, const char *path, const char *prefix,
                      char *errbuf, size_t errbuf_len)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    size_t number = 0;
    const char *why = NULL;
    ssize_t len;

    *orders = (struct bench_orders){0};
    if (file == NULL) {
        snprintf(errbuf, errbuf_len, "%s: %s", path, strerror(errno));
        return -1;
    }
    while (why == NULL && (len = getline(&line, &cap, file)) >= 0) {
        why = take_line(orders, ++number, line, (size_t)len, prefix);
    }
    if (why == NULL && ferror(file)) {
        why = "the file cannot be read";
    } else if (why == NULL && orders->n == 0) {
        why = "there are no orders in it";
    }
    free(line);
    fclose(file);
    if (why != NULL) {
        snprintf(errbuf, errbuf_len, "%s:%zu: %s", path, number, why);
        return -1;
    }
    return orders_index(orders, path, errbuf, errbuf_len);
}

bool bench_order_is_paid_at(const struct bench_order *order, uint64_t delay_ms)
{
    return order->has_payment && order->pay_delay_ms + ORDERS_RESOLUTION_MS > delay_ms &&
           order->pay_delay_ms < delay_ms + ORDERS_RESOLUTION_MS;
}

size_t bench_orders_find(const struct bench_orders *orders, const char *id)
{
    size_t low = 0;
    size_t high = orders->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(orders->items[orders->by_id[middle]].id, id);
        if (order == 0) {
            return orders->by_id[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return SIZE_MAX;
}

void bench_orders_free(struct bench_orders *orders)
{
    for (size_t i = 0; i < orders->n; i++) {
        free(orders->items[i].id);
    }
    free(orders->items);
    free(orders->by_id);
    *orders = (struct bench_orders){0};
}
