/* grants.c - see grants.h. */
#include "grants.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../mutant.h"

#define CELLS (2u * GRANTS_PRINCIPALS_MAX * GRANTS_TOKENS_MAX) /* a power of 2, half of them free */

static_assert((CELLS & (CELLS - 1)) == 0, "cells wrap around");

/* --- by token: a cell has the principal, or NULL; linear probing --- */

static uint32_t cell_of(const uint8_t *hash)
{
    uint32_t cell;

    memcpy(&cell, hash, sizeof cell); /* of a SHA-256: as good as random */
    return cell & (CELLS - 1);
}

static void index_token(struct grants *g, struct principal *p, const struct token *t)
{
    uint32_t cell = cell_of(t->hash);

    while (g->cells[cell] != NULL) {
        cell = (cell + 1) & (CELLS - 1);
    }
    g->cells[cell] = p;
}

/* Operators change tokens, and seldom: the index is made anew. */
static void index_tokens(struct grants *g)
{
    if (g->cells == NULL) {
        g->cells = must_have(calloc(CELLS, sizeof *g->cells));
    } else {
        memset(g->cells, 0, CELLS * sizeof *g->cells);
    }
    for (uint32_t i = 0; i < g->n; i++) {
        for (uint32_t k = 0; k < g->principals[i]->n_tokens; k++) {
            index_token(g, g->principals[i], &g->principals[i]->tokens[k]);
        }
    }
}

/* In the same time, wherever the first byte is that differs. */
static bool is_same_hash(const uint8_t *a, const uint8_t *b)
{
    volatile uint8_t differs = 0;

    for (unsigned i = 0; i < TOKEN_HASH_SIZE; i++) {
        differs |= a[i] ^ b[i];
    }
    return differs == 0;
}

static const struct token *token_of(const struct principal *p, struct slice hash)
{
    const struct token *found = NULL;

    for (uint32_t i = 0; i < p->n_tokens; i++) {
        if (is_same_hash(p->tokens[i].hash, hash.data)) {
            found = &p->tokens[i];
        }
    }
    return found;
}

const struct principal *grants_find_token(const struct grants *g, struct slice hash,
                                          const struct token **token)
{
    if (g->cells == NULL || hash.len != TOKEN_HASH_SIZE) {
        return NULL;
    }
    for (uint32_t cell = cell_of(hash.data); g->cells[cell] != NULL;
         cell = (cell + 1) & (CELLS - 1)) {
        *token = token_of(g->cells[cell], hash);
        if (*token != NULL) {
            return g->cells[cell];
        }
    }
    return NULL;
}

bool token_is_expired(const struct token *t, uint64_t now_ms)
{
    return t->expires_ms != 0 && t->expires_ms <= now_ms;
}

bool grants_are_in_use(const struct grants *g)
{
    return g->on || g->made > 0;
}

/* --- by name --- */

static int compare(const struct principal *p, struct slice name)
{
    size_t len = p->name_len < name.len ? p->name_len : name.len;
    int order = len > 0 ? memcmp(p->name, name.data, len) : 0;

    return order != 0 ? order : (int)p->name_len - (int)name.len;
}

/* Where it is, or would be. */
static uint32_t place_of(const struct grants *g, struct slice name, bool *there)
{
    uint32_t low = 0, high = g->n;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(g->principals[middle], name) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *there = low < g->n && compare(g->principals[low], name) == 0;
    return low;
}

struct principal *grants_find(const struct grants *g, struct slice name)
{
    bool there;
    uint32_t place = place_of(g, name, &there);

    return there ? g->principals[place] : NULL;
}

const struct principal *grants_after(const struct grants *g, struct slice name, uint32_t *at)
{
    bool there;

    *at = place_of(g, name, &there);
    *at += there;
    return *at < g->n ? g->principals[*at] : NULL;
}

/* --- how much, and who --- */

size_t principal_bytes(const struct principal *p)
{
    return p->name_len + p->len + GRANTS_TOKENS_MAX * GRANTS_TOKEN_BYTES;
}

bool grants_have_room(const struct grants *g, const struct principal *present, size_t name_len,
                      size_t grants_len)
{
    size_t before = present != NULL ? principal_bytes(present) : 0;
    size_t after = name_len + grants_len + GRANTS_TOKENS_MAX * GRANTS_TOKEN_BYTES;

    return (present != NULL || g->n < GRANTS_PRINCIPALS_MAX) &&
           g->bytes - before + after <= GRANTS_BYTES_MAX;
}

bool principal_is_admin(const struct principal *p)
{
    for (uint32_t i = 0; i < p->n_grants; i++) {
        if (p->grants[i].role == ROLE_ADMIN && grant_is_for_all(&p->grants[i])) {
            return true;
        }
    }
    return false;
}

bool principal_can_enter(const struct principal *p, uint64_t now_ms)
{
    for (uint32_t i = 0; i < p->n_tokens; i++) {
        if (!token_is_expired(&p->tokens[i], now_ms)) {
            return true;
        }
    }
    return p->kind == PRINCIPAL_CERTIFICATE;
}

bool grants_have_admin(const struct grants *g, const struct principal *without, uint64_t now_ms)
{
    for (uint32_t i = 0; i < g->n; i++) {
        const struct principal *p = g->principals[i];
        if (p != without && principal_is_admin(p) && principal_can_enter(p, now_ms)) {
            return true;
        }
    }
    return false;
}

/* --- changes --- */

struct principal *grants_add(struct grants *g, struct slice name, enum principal_kind kind,
                             const uint8_t mark[GRANTS_MARK_SIZE])
{
    struct principal *p = must_have(calloc(1, sizeof *p));
    bool there;
    uint32_t place = place_of(g, name, &there);

    assert(!there && g->n < GRANTS_PRINCIPALS_MAX && grant_name_is_good(name));
    if (g->n == g->cap) {
        g->cap = g->cap == 0 ? 16 : 2 * g->cap;
        g->principals = must_have(realloc(g->principals, g->cap * sizeof(struct principal *)));
    }
    memmove(&g->principals[place + 1], &g->principals[place],
            (g->n - place) * sizeof(struct principal *));
    g->principals[place] = p;
    g->n++;
    g->made++;
    g->revision++;
    p->kind = kind;
    p->name_len = (uint8_t)name.len;
    memcpy(p->name, name.data, name.len);
    memcpy(p->mark, mark, sizeof p->mark);
    g->bytes += principal_bytes(p);
    return p;
}

void grants_set(struct grants *g, struct principal *p, uint32_t n, struct slice elements)
{
    uint8_t *bytes = must_have(malloc(elements.len));
    struct cursor c;

    assert(n >= 1 && n <= GRANT_MAX);
    memcpy(bytes, elements.data, elements.len);
    g->bytes -= principal_bytes(p);
    free(p->bytes);
    p->bytes = bytes;
    p->len = elements.len;
    p->n_grants = n;
    cursor_init(&c, bytes, elements.len);
    for (uint32_t i = 0; i < n; i++) {
        grant_read(&c, &p->grants[i]);
    }
    assert(cursor_ok(&c) && c.at == c.end); /* grants_decode() has read the very bytes */
    grants_empty_buckets(g, p);
    g->bytes += principal_bytes(p);
    g->revision++;
}

/* Those that are to stay: not expired by then, and not longer than they may. */
static void shorten_tokens(struct principal *p, uint64_t until_ms, uint64_t now_ms)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n_tokens; i++) {
        struct token t = p->tokens[i];
        if (t.expires_ms == 0 || t.expires_ms > until_ms) {
            t.expires_ms = until_ms == UINT64_MAX ? t.expires_ms : until_ms;
        }
        if (!token_is_expired(&t, now_ms)) {
            p->tokens[n++] = t;
        }
    }
    p->n_tokens = n;
}

void grants_add_token(struct grants *g, struct principal *p, const struct token *token,
                      uint64_t others_until_ms, uint64_t now_ms)
{
    shorten_tokens(p, others_until_ms, now_ms);
    if (p->n_tokens == GRANTS_TOKENS_MAX) {
        p->n_tokens--;
    }
    memmove(&p->tokens[1], &p->tokens[0], p->n_tokens * sizeof *p->tokens);
    p->tokens[0] = *token;
    p->n_tokens++;
    g->revision++;
    index_tokens(g);
}

void grants_append_token(struct grants *g, struct principal *p, const struct token *token)
{
    assert(p->n_tokens < GRANTS_TOKENS_MAX);
    p->tokens[p->n_tokens++] = *token;
    g->revision++;
    if (g->cells == NULL) {
        index_tokens(g);
    } else {
        index_token(g, p, token);
    }
}

void grants_use_token(struct grants *g, struct slice hash, uint64_t now_ms, struct slice from)
{
    const struct token *found;
    const struct principal *p = grants_find_token(g, hash, &found);

    assert(from.len <= CALLER_FROM_MAX);
    if (p == NULL) {
        return;
    }
    struct token *t = &grants_find(g, (struct slice){(const uint8_t *)p->name, p->name_len})
                           ->tokens[found - p->tokens];
    t->used_ms = now_ms;
    t->from_len = (uint8_t)from.len;
    memset(t->from, 0, sizeof t->from);
    if (from.len > 0) {
        memcpy(t->from, from.data, from.len);
    }
}

static void free_principal(struct principal *p)
{
    free(p->bytes);
    free(p);
}

void grants_remove(struct grants *g, struct principal *p)
{
    bool there;
    uint32_t place = place_of(g, (struct slice){(const uint8_t *)p->name, p->name_len}, &there);

    assert(there && g->principals[place] == p);
    g->revision++;
    if (MUTANT(REVOKED_TOKEN_COUNTS)) {
        return;
    }
    g->bytes -= principal_bytes(p);
    g->n--;
    memmove(&g->principals[place], &g->principals[place + 1],
            (g->n - place) * sizeof(struct principal *));
    grants_leave_slot(g, p);
    free_principal(p);
    if (g->cells != NULL) {
        index_tokens(g);
    }
}

void grants_clear(struct grants *g)
{
    for (uint32_t i = 0; i < g->n; i++) {
        free_principal(g->principals[i]);
    }
    free(g->principals);
    free(g->cells);
    free(g->accounts);
    free(g->slots);
    *g = (struct grants){0};
}
