/* judge_edn.h - reads one line of EDN (the notation of histories) into values.
 *
 * Only what jepsen/HISTORY.md needs: nil, true, false, whole numbers, strings, keywords, vectors,
 * and maps whose keys are different keywords. Everything else (lists, sets, symbols, tags,
 * characters, comments, fractions) is an error with its column, as is depth above EDN_DEPTH_MAX
 * and anything behind the value. A leaf. */
#ifndef JUDGE_EDN_H
#define JUDGE_EDN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EDN_DEPTH_MAX 16
#define EDN_ITEMS_MAX 65536 /* values in one line */

enum edn_type { EDN_NIL, EDN_BOOL, EDN_INT, EDN_STRING, EDN_KEYWORD, EDN_VECTOR, EDN_MAP };

struct edn {
    enum edn_type type;
    bool boolean;
    int64_t number;
    const char *text;        /* string, or keyword without its colon; with a NUL behind */
    size_t len;              /* of the text */
    const struct edn *items; /* of a vector; of a map keys and values in turn */
    size_t n;                /* items of a vector, pairs of a map */
};

struct edn_reader; /* opaque: owns the memory of the latest value */

/* NULL: no memory. */
struct edn_reader *edn_reader_new(void);
void edn_reader_free(struct edn_reader *r);
/* Read the only value of `line` (any bytes). It is valid until the next call. NULL: what is wrong,
 * with its column from 1, is in edn_reader_error(). */
const struct edn *edn_read(struct edn_reader *r, const char *line, size_t len);
const char *edn_reader_error(const struct edn_reader *r);

/* The value of a map's key (without colon); NULL where it is not there or `map` is no map. */
const struct edn *edn_get(const struct edn *map, const char *key);
/* The same, only if it has the type. */
const struct edn *edn_get_type(const struct edn *map, const char *key, enum edn_type type);
bool edn_is_keyword(const struct edn *value, const char *name);

#endif
