/* peer_postgresql.c - PostgreSQL as people build a scheduler on it: a table of orders with an index
 * of the pending ones by deadline, and workers that ask for what is due with FOR UPDATE SKIP
 * LOCKED, deal with it, and commit: a worker that dies gives its rows back. */
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "peer.h"

#define POLL_US 10000
#define CLAIM_MAX "200"
#define EPOCH_2000_MS 946684800000ull /* PostgreSQL counts from there */

#define CREATE                                                                  \
    "SET client_min_messages = warning; DROP TABLE IF EXISTS orders; "          \
    "CREATE TABLE orders (id text PRIMARY KEY, deadline timestamptz NOT NULL, " \
    "payload bytea NOT NULL, state text NOT NULL DEFAULT 'pending'); "          \
    "CREATE INDEX orders_due ON orders (deadline) WHERE state = 'pending'"

static const struct {
    const char *name;
    const char *text;
} statements[] = {
    {"put", "INSERT INTO orders (id, deadline, payload) VALUES ($1, $2::timestamptz, $3::bytea)"},
    {"pay", "UPDATE orders SET state = 'paid' WHERE id = ANY($1::text[]) AND state = 'pending' "
            "RETURNING id"},
    {"claim", "SELECT id, payload FROM orders WHERE state = 'pending' AND deadline <= now() "
              "ORDER BY deadline LIMIT " CLAIM_MAX " FOR UPDATE SKIP LOCKED"},
    {"expire", "UPDATE orders SET state = 'expired' WHERE id = ANY($1::text[]) "
               "AND state = 'pending' RETURNING id"},
};

struct postgres {
    PGconn *pg;
    bool is_prepared;
    char ids[PEER_BATCH_MAX * (BENCH_ID_SIZE + 1) + 4]; /* an array, as text */
};

/* The result of a command that has ended well, or NULL. */
static PGresult *checked(struct peer_conn *c, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        return result;
    }
    peer_fail(c, "%.200s", PQresultErrorMessage(result));
    c->error[strcspn(c->error, "\n")] = 0;
    PQclear(result);
    return NULL;
}

static int run(struct peer_conn *c, const char *sql)
{
    struct postgres *p = c->own;
    PGresult *result = checked(c, PQexec(p->pg, sql));

    PQclear(result);
    return result != NULL ? 0 : -1;
}

/* The tables must be there first. */
static int prepare(struct peer_conn *c)
{
    struct postgres *p = c->own;

    for (size_t i = 0; !p->is_prepared && i < sizeof statements / sizeof *statements; i++) {
        PGresult *result = checked(c, PQprepare(p->pg, statements[i].name, statements[i].text, 0,
                                                NULL));
        if (result == NULL) {
            return -1;
        }
        PQclear(result);
    }
    p->is_prepared = true;
    return 0;
}

static void postgres_close(struct peer_conn *c)
{
    struct postgres *p = c->own;

    PQfinish(p->pg);
    free(p);
}

static int postgres_open(struct peer_conn *c)
{
    struct postgres *p = calloc(1, sizeof *p);
    char target[128];

    if (p == NULL) {
        return peer_fail(c, "out of memory");
    }
    c->own = p;
    snprintf(target, sizeof target, "host=127.0.0.1 port=%u dbname=postgres user=postgres",
             c->target->ports[0]);
    p->pg = PQconnectdb(target);
    if (PQstatus(p->pg) == CONNECTION_OK) {
        return 0;
    }
    peer_fail(c, "%.200s", PQerrorMessage(p->pg));
    c->error[strcspn(c->error, "\n")] = 0;
    postgres_close(c);
    return -1;
}

static int postgres_describe(struct peer_conn *c, json_t *row, json_t *settings)
{
    static const char *const durable[] = {"fsync", "synchronous_commit", "full_page_writes"};
    struct postgres *p = c->own;
    char sql[64];

    json_object_set_new(row, "version", json_string(PQparameterStatus(p->pg, "server_version")));
    for (size_t i = 0; i < sizeof durable / sizeof *durable; i++) {
        snprintf(sql, sizeof sql, "SHOW %s", durable[i]);
        PGresult *result = checked(c, PQexec(p->pg, sql));
        if (result == NULL) {
            return -1;
        }
        json_object_set_new(settings, durable[i], json_string(PQgetvalue(result, 0, 0)));
        bool is_on = strcmp(PQgetvalue(result, 0, 0), "on") == 0;
        PQclear(result);
        if (!is_on) {
            return peer_fail(c, "%s is not on", durable[i]);
        }
    }
    return 0;
}

static int postgres_create(struct peer_conn *c)
{
    return run(c, CREATE);
}

/* ---- orders ---- */

static int put_one(struct peer_conn *c, const struct peer_order *o)
{
    struct postgres *p = c->own;
    uint64_t deadline = htobe64((o->deadline_ms - EPOCH_2000_MS) * 1000);
    const char *const values[] = {o->id, (const char *)&deadline, o->payload};
    const int lens[] = {sizeof o->id, sizeof deadline, sizeof o->payload};
    const int binary[] = {1, 1, 1};

    if (prepare(c) != 0) {
        return -1;
    }
    PGresult *result = checked(c, PQexecPrepared(p->pg, "put", 3, values, lens, binary, 0));
    PQclear(result);
    return result != NULL ? 0 : -1;
}

static char *add_field(char *at, const void *data, uint32_t len)
{
    uint32_t header = htobe32(len);

    memcpy(at, &header, sizeof header);
    memcpy(at + sizeof header, data, len);
    return at + sizeof header + len;
}

/* A row in COPY's binary format: the number of fields, and each with its length before it. */
static size_t make_row(const struct peer_order *o, char *row)
{
    uint64_t deadline = htobe64((o->deadline_ms - EPOCH_2000_MS) * 1000);
    uint16_t fields = htobe16(3);

    memcpy(row, &fields, sizeof fields);
    char *at = add_field(row + sizeof fields, o->id, sizeof o->id);
    at = add_field(at, &deadline, sizeof deadline);
    at = add_field(at, o->payload, sizeof o->payload);
    return (size_t)(at - row);
}

static int copy_rows(struct peer_conn *c, const struct peer_order *orders, unsigned n)
{
    static const char header[19] = "PGCOPY\n\377\r\n\0"; /* and eight zeroes */
    struct postgres *p = c->own;
    char row[256];
    bool ok = PQputCopyData(p->pg, header, sizeof header) == 1;

    for (unsigned i = 0; ok && i < n; i++) {
        size_t len = make_row(&orders[i], row);
        ok = PQputCopyData(p->pg, row, (int)len) == 1;
    }
    ok = ok && PQputCopyData(p->pg, "\377\377", 2) == 1; /* no more rows */
    ok = ok && PQputCopyEnd(p->pg, NULL) == 1;
    return ok ? 0 : peer_fail(c, "COPY: %.200s", PQerrorMessage(p->pg));
}

static int postgres_put(struct peer_conn *c, struct peer_order *orders, unsigned n)
{
    struct postgres *p = c->own;

    if (n == 1) {
        return put_one(c, orders);
    }
    PGresult *result = PQexec(p->pg,
                              "COPY orders (id, deadline, payload) FROM STDIN (FORMAT binary)");
    bool ready = PQresultStatus(result) == PGRES_COPY_IN;
    if (!ready) {
        return checked(c, result) == NULL ? -1 : peer_fail(c, "COPY does not begin");
    }
    PQclear(result);
    int rv = copy_rows(c, orders, n);
    if (rv == 0) {
        result = checked(c, PQgetResult(p->pg));
        rv = result == NULL ? -1
             : strtoull(PQcmdTuples(result), NULL, 10) == n
                 ? 0
                 : peer_fail(c, "COPY took %s of %u rows", PQcmdTuples(result), n);
        PQclear(result);
        PQclear(PQgetResult(p->pg)); /* NULL: the command is over */
    }
    return rv;
}

/* Run an update of so many orders, each of which must have been pending; `id` and `stride` say
 * where the ids lie. */
static int update(struct peer_conn *c, const char *statement, const char *id, size_t stride,
                  unsigned n)
{
    struct postgres *p = c->own;
    char *at = p->ids;
    const char *const values[] = {p->ids};

    for (unsigned i = 0; i < n; i++) {
        *at++ = i == 0 ? '{' : ',';
        at = mempcpy(at, id + i * stride, BENCH_ID_SIZE);
    }
    strcpy(at, "}");
    if (prepare(c) != 0) {
        return -1;
    }
    PGresult *result = checked(c, PQexecPrepared(p->pg, statement, 1, values, NULL, NULL, 0));
    if (result == NULL) {
        return -1;
    }
    int changed = PQntuples(result);
    PQclear(result);
    return changed == (int)n ? 0 : peer_fail(c, "%d of %u orders were pending", changed, n);
}

static int postgres_take_back(struct peer_conn *c, const struct peer_order *orders, unsigned n)
{
    return update(c, "pay", orders[0].id, sizeof *orders, n);
}

/* The transaction stays open while there is something to settle. */
static int postgres_receive(struct peer_conn *c, struct peer_receipt *out, unsigned max)
{
    struct postgres *p = c->own;

    (void)max; /* CLAIM_MAX is less */
    if (prepare(c) != 0 || run(c, "BEGIN") != 0) {
        return -1;
    }
    PGresult *result = checked(c, PQexecPrepared(p->pg, "claim", 0, NULL, NULL, NULL, 1));
    if (result == NULL) {
        return -1;
    }
    int n = PQntuples(result);
    for (int i = 0; i < n; i++) {
        if (PQgetlength(result, i, 0) != sizeof out->id ||
            PQgetlength(result, i, 1) != sizeof out->payload) {
            PQclear(result);
            return peer_fail(c, "an order of another size");
        }
        memcpy(out[i].id, PQgetvalue(result, i, 0), sizeof out->id);
        memcpy(out[i].payload, PQgetvalue(result, i, 1), sizeof out->payload);
    }
    PQclear(result);
    if (n == 0) {
        if (run(c, "COMMIT") != 0) {
            return -1;
        }
        usleep(POLL_US);
    }
    return n;
}

static int postgres_settle(struct peer_conn *c, const struct peer_receipt *receipts, unsigned n)
{
    int rv = update(c, "expire", receipts[0].id, sizeof *receipts, n);

    return rv != 0 ? rv : run(c, "COMMIT");
}

static int postgres_number(struct peer_conn *c, const char *sql, uint64_t *n)
{
    struct postgres *p = c->own;
    PGresult *result = checked(c, PQexec(p->pg, sql));

    if (result == NULL) {
        return -1;
    }
    *n = strtoull(PQgetvalue(result, 0, 0), NULL, 10);
    PQclear(result);
    return 0;
}

static int postgres_count(struct peer_conn *c, uint64_t *n)
{
    return postgres_number(c, "SELECT count(*) FROM orders WHERE state = 'pending'", n);
}

static int postgres_stored_bytes(struct peer_conn *c, uint64_t *bytes)
{
    return postgres_number(c, "SELECT pg_total_relation_size('orders')", bytes);
}

const struct peer peer = {
    .client = "libpq; COPY of a batch, a prepared INSERT for one; UPDATE of a batch that names the"
              " pending ones; FOR UPDATE SKIP LOCKED every 10 ms, at most " CLAIM_MAX " at a time",
    .threads = 4,
    .batch = PEER_BATCH_MAX,
    .receivers = 4,
    .open = postgres_open,
    .close = postgres_close,
    .describe = postgres_describe,
    .create = postgres_create,
    .put = postgres_put,
    .take_back = postgres_take_back,
    .receive = postgres_receive,
    .settle = postgres_settle,
    .count = postgres_count,
    .stored_bytes = postgres_stored_bytes,
};
