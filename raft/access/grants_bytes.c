/* grants_bytes.c - the principals as a snapshot has them: written, and read back from bytes that nobody
 * vouches for. */
#include <string.h>

#include "grants.h"

#define GRANTS_FIELDS 3u
#define PRINCIPAL_FIELDS 6u
#define QUOTA_FIELDS 2u
#define BUCKET_FIELDS 2u
#define TOKEN_FIELDS 3u
#define TOKEN_FIELDS_USED 5u
#define UINT_BOUND 9u /* most bytes of a number... */
#define HEAD_BOUND 5u /* ...and in front of an array or a byte string */

static size_t bound_of_principal(const struct principal *p)
{
    size_t token = 3 * HEAD_BOUND + TOKEN_HASH_SIZE + 3 * UINT_BOUND + CALLER_FROM_MAX;

    size_t bucket = HEAD_BOUND + BUCKET_FIELDS * UINT_BOUND;

    return 5 * HEAD_BOUND + 2 * UINT_BOUND + p->name_len + GRANTS_MARK_SIZE + p->len +
           GRANTS_TOKENS_MAX * token + 2 * HEAD_BOUND + UINT_BOUND + GRANT_MAX * bucket;
}

size_t grants_bound(const struct grants *g)
{
    size_t bound = 2 * HEAD_BOUND + 2 * UINT_BOUND;

    for (uint32_t i = 0; i < g->n; i++) {
        bound += bound_of_principal(g->principals[i]);
    }
    return bound;
}

bool grants_are_extended(const struct grants *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        for (uint32_t k = 0; k < g->principals[i]->n_tokens; k++) {
            if (g->principals[i]->tokens[k].used_ms != 0) {
                return true;
            }
        }
    }
    return grants_have_quotas(g);
}

static void write_token(struct buffer *b, const struct token *t)
{
    write_array(b, t->used_ms != 0 ? TOKEN_FIELDS_USED : TOKEN_FIELDS);
    write_bin(b, t->hash, sizeof t->hash);
    write_uint(b, t->created_ms);
    write_uint(b, t->expires_ms);
    if (t->used_ms != 0) {
        write_uint(b, t->used_ms);
        write_str(b, t->from, t->from_len);
    }
}

static void write_quota(struct buffer *b, const struct grants *g, const struct principal *p)
{
    const struct quota_account *accounts = grants_accounts(g, p);

    if (accounts == NULL) {
        write_nil(b);
        return;
    }
    write_array(b, QUOTA_FIELDS);
    write_uint(b, p->slot);
    write_array(b, p->n_grants);
    for (uint32_t i = 0; i < p->n_grants; i++) {
        write_array(b, BUCKET_FIELDS);
        write_uint(b, accounts[i].bucket.time_ms);
        write_uint(b, accounts[i].bucket.level);
    }
}

static void write_principal(struct buffer *b, const struct grants *g, const struct principal *p,
                            bool extended)
{
    write_array(b, PRINCIPAL_FIELDS + extended);
    write_str(b, p->name, p->name_len);
    write_uint(b, p->kind);
    write_bin(b, p->mark, sizeof p->mark);
    write_uint(b, p->index);
    write_array(b, p->n_grants);
    buffer_append(b, p->bytes, p->len);
    write_array(b, p->n_tokens);
    for (uint32_t i = 0; i < p->n_tokens; i++) {
        write_token(b, &p->tokens[i]);
    }
    if (extended) {
        write_quota(b, g, p);
    }
}

void grants_write(struct buffer *b, const struct grants *g, bool extended)
{
    write_array(b, GRANTS_FIELDS);
    write_uint(b, g->on);
    write_uint(b, g->made);
    write_array(b, g->n);
    for (uint32_t i = 0; i < g->n; i++) {
        write_principal(b, g, g->principals[i], extended);
    }
}

static bool read_array_of(struct cursor *c, uint32_t n)
{
    return cursor_array(c) == n && cursor_ok(c);
}

static bool read_use(struct cursor *c, struct token *t)
{
    t->used_ms = cursor_uint(c);
    struct slice from = cursor_bytes(c);
    if (!cursor_ok(c) || t->used_ms == 0 || from.len > sizeof t->from) {
        return false;
    }
    t->from_len = (uint8_t)from.len;
    if (from.len > 0) {
        memcpy(t->from, from.data, from.len);
    }
    return true;
}

static bool read_token(struct cursor *c, struct grants *g, struct principal *p, bool extended)
{
    const struct token *other;
    struct token t = {0};

    uint32_t fields = cursor_array(c);
    struct slice hash = cursor_bytes(c);
    t.created_ms = cursor_uint(c);
    t.expires_ms = cursor_uint(c);
    if (fields != TOKEN_FIELDS && (!extended || fields != TOKEN_FIELDS_USED || !read_use(c, &t))) {
        return false;
    }
    if (!cursor_ok(c) || hash.len != sizeof t.hash || grants_find_token(g, hash, &other) != NULL) {
        return false;
    }
    memcpy(t.hash, hash.data, sizeof t.hash);
    grants_append_token(g, p, &t);
    return true;
}

static bool read_tokens(struct cursor *c, struct grants *g, struct principal *p, bool extended)
{
    uint32_t n = cursor_array(c);

    if (!cursor_ok(c) || n > (p->kind == PRINCIPAL_TOKEN ? GRANTS_TOKENS_MAX : 0)) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!read_token(c, g, p, extended)) {
            return false;
        }
    }
    return true;
}

static bool read_bucket(struct cursor *c, struct quota_bucket *bucket, const struct quota *quota)
{
    if (!read_array_of(c, BUCKET_FIELDS)) {
        return false;
    }
    uint64_t time_ms = cursor_uint(c), level = cursor_uint(c);
    if (!cursor_ok(c) || level > UINT32_MAX - 1000 ||
        (quota->operations_per_s == 0 && (time_ms != 0 || level != 0))) {
        return false;
    }
    *bucket = (struct quota_bucket){time_ms, (uint32_t)level};
    return true;
}

static bool read_quota(struct cursor *c, struct grants *g, struct principal *p)
{
    if (cursor_nil(c)) {
        return !principal_has_quota(p); /* else it has a slot */
    }
    if (!read_array_of(c, QUOTA_FIELDS) || !grants_take_slot_again(g, p, cursor_uint(c)) ||
        !read_array_of(c, p->n_grants)) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_grants; i++) {
        if (!read_bucket(c, &grants_accounts(g, p)[i].bucket, &p->grants[i].quota)) {
            return false;
        }
    }
    return cursor_ok(c);
}

/* They come in order of their names, each once. */
static bool is_next(const struct grants *g, struct slice name)
{
    uint32_t at;

    return grant_name_is_good(name) && grants_find(g, name) == NULL &&
           grants_after(g, name, &at) == NULL;
}

static bool read_principal(struct cursor *c, struct grants *g, uint64_t index_max, bool extended)
{
    struct problem problem;
    struct slice elements;
    uint32_t n;

    if (!read_array_of(c, PRINCIPAL_FIELDS + extended)) {
        return false;
    }
    struct slice name = cursor_bytes(c);
    uint64_t kind = cursor_uint(c);
    struct slice mark = cursor_bytes(c);
    uint64_t index = cursor_uint(c);
    if (!cursor_ok(c) || (kind != PRINCIPAL_TOKEN && kind != PRINCIPAL_CERTIFICATE) ||
        mark.len != GRANTS_MARK_SIZE || mark.data[0] == 0 || index > index_max ||
        !is_next(g, name) || grants_decode(c, &n, &elements, &problem) != ORDERSCHED_OK ||
        !grants_have_room(g, NULL, name.len, elements.len)) {
        return false;
    }
    struct principal *p = grants_add(g, name, (enum principal_kind)kind, mark.data);
    p->index = index;
    grants_set(g, p, n, elements);
    return read_tokens(c, g, p, extended) &&
           (extended ? read_quota(c, g, p) : !principal_has_quota(p));
}

bool grants_read(struct cursor *c, struct grants *g, uint64_t index, bool extended)
{
    if (!read_array_of(c, GRANTS_FIELDS)) {
        return false;
    }
    bool on = cursor_bool(c);
    uint64_t made = cursor_uint(c);
    uint32_t n = cursor_array(c);
    if (!cursor_ok(c) || n > made) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!read_principal(c, g, index, extended)) {
            return false;
        }
    }
    g->on = on;
    g->made = made;
    return cursor_ok(c);
}
