/* audit.c - see audit.h. */
#include "audit.h"

#include <string.h>

#define ROW_FIELDS 12u
#define UINT_BOUND 9u /* most bytes of a number... */
#define HEAD_BOUND 5u /* ...and in front of an array or a byte string */

static const struct {
    enum operation_code code;
    const char *name;
} names[] = {
    {OPERATION_ROUTE_PUT, "route put"},
    {OPERATION_ROUTE_SET, "route set"},
    {OPERATION_ROUTE_DELETE, "route delete"},
    {OPERATION_ROUTE_PAUSE, "route pause"},
    {OPERATION_ROUTE_ROTATE, "route rotate"},
    {OPERATION_ROUTE_RETRY, "route retry"},
    {OPERATION_DEAD_REDRIVE, "dead redrive"},
    {OPERATION_DEAD_DROP, "dead drop"},
    {OPERATION_GRANT_PUT, "grant put"},
    {OPERATION_GRANT_REVOKE, "token revoke"},
    {OPERATION_TOKEN_CREATE, "token create"},
    {OPERATION_TOKEN_ROTATE, "token rotate"},
    {OPERATION_AUTHORIZE, "auth"},
    {OPERATION_CLOCK_TRUST, "clock trust"},
    {OPERATION_CLOCK_SET_BACK, "clock set-back"},
    {OPERATION_MEMBER_ADD, "member add"},
    {OPERATION_MEMBER_REMOVE, "member remove"},
    {OPERATION_TRANSFER, "leader transfer"},
};

static const char *name_of(enum operation_code code)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].code == code) {
            return names[i].name;
        }
    }
    return NULL;
}

bool audit_covers(enum operation_code code)
{
    return name_of(code) != NULL;
}

const char *audit_name(enum operation_code code)
{
    const char *name = name_of(code);

    return name != NULL ? name : "?";
}

static bool is_same(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool audit_row_is(const struct audit_row *row, struct slice what)
{
    const char *name = audit_name(row->code);
    size_t len = strlen(name);

    if (what.len == 0 || is_same(row->about, what)) {
        return true;
    }
    return what.len <= len && memcmp(name, what.data, what.len) == 0 &&
           (what.len == len || name[what.len] == ' ');
}

struct slice audit_who(const struct audit_row *row)
{
    const char *word = row->kind == CALLER_NOBODY  ? "nobody"
                       : row->kind == CALLER_OWNER ? "owner"
                                                   : "unknown";

    return row->name.len > 0 ? row->name : (struct slice){(const uint8_t *)word, strlen(word)};
}

/* --- bytes --- */

size_t audit_row_bound(const struct audit_row *row)
{
    return HEAD_BOUND + 8 * UINT_BOUND + 4 * HEAD_BOUND + row->name.len + row->from.len +
           row->about.len + row->detail.len;
}

void audit_row_write(struct buffer *b, const struct audit_row *row)
{
    write_array(b, ROW_FIELDS);
    write_uint(b, row->number);
    write_uint(b, row->time_ms);
    write_uint(b, row->index);
    write_uint(b, row->code);
    write_uint(b, (uint64_t)row->error);
    write_uint(b, row->kind);
    write_str(b, row->name.data, row->name.len);
    write_str(b, row->from.data, row->from.len);
    write_bin(b, row->about.data, row->about.len);
    write_str(b, row->detail.data, row->detail.len);
    write_uint(b, row->count);
    write_uint(b, row->first_ms);
}

bool audit_row_read(struct cursor *c, struct audit_row *row)
{
    if (cursor_array(c) != ROW_FIELDS) {
        return false;
    }
    row->number = cursor_uint(c);
    row->time_ms = cursor_uint(c);
    row->index = cursor_uint(c);
    uint64_t code = cursor_uint(c);
    uint64_t error = cursor_uint(c);
    uint64_t kind = cursor_uint(c);
    row->name = cursor_bytes(c);
    row->from = cursor_bytes(c);
    row->about = cursor_bytes(c);
    row->detail = cursor_bytes(c);
    row->count = cursor_uint(c);
    row->first_ms = cursor_uint(c);
    if (!cursor_ok(c) || code > UINT8_MAX || error > UINT8_MAX || kind > CALLER_OWNER) {
        return false;
    }
    row->code = (enum operation_code)code;
    row->error = (int)error;
    row->kind = (enum caller_kind)kind;
    return audit_covers(row->code) && row->count > 0 &&
           (row->name.len == 0 || grant_name_is_good(row->name)) &&
           row->from.len <= AUDIT_FROM_MAX && row->about.len <= AUDIT_ABOUT_MAX &&
           row->detail.len <= AUDIT_DETAIL_MAX;
}
