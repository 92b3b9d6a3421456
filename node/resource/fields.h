/* fields.h - the members of one JSON object of a request, read one after the other, each with its type.
 *
 *     struct flaw flaw = {0};
 *     struct fields f = fields_of(object, "/operations/3", names, &flaw);
 *     bool given = fields_text(&f, "route", &route);
 *     ...
 *     if (flaw.name != NULL) refuse
 *
 * The first flaw that is found stays, and what is read after it is nothing, so that it may be asked for
 * once, at the end. No state, any thread. */
#ifndef FRONT_FIELDS_H
#define FRONT_FIELDS_H

#include "exchange.h"

/* What is wrong with a request's member or parameter. */
struct flaw {
    const char *name;  /* of the error: "INVALID", "BAD_ID"; NULL: nothing is wrong */
    unsigned status;   /* HTTP's */
    bool in_query;     /* it is a parameter's: */
    char pointer[192]; /* its name; else the member's pointer (RFC 6901), "" is the whole body */
    char what[256];    /* a sentence */
};

struct fields {
    const json_t *object;
    char at[64]; /* its own pointer */
    struct flaw *flaw;
};

/* `names` ends with NULL: a member of another name is a flaw (UNKNOWN_PARAMETER), and so is a value
 * that is no object. */
struct fields fields_of(const json_t *value, const char *at, const char *const *names,
                        struct flaw *flaw);
/* Note a flaw of a member; name NULL: of the object. Status 422. */
void fields_refuse(struct fields *f, const char *name, const char *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* True: it is given and good, and *out is set. Slices and values live as long as the object. */
bool fields_has(const struct fields *f, const char *name);
bool fields_text(struct fields *f, const char *name, struct slice *out);
bool fields_number(struct fields *f, const char *name, uint64_t min, uint64_t max, uint64_t *out);
bool fields_flag(struct fields *f, const char *name, bool *out);
/* One of these words; *out is its place. `words` ends with NULL. */
bool fields_word(struct fields *f, const char *name, const char *const *words, unsigned *out);
/* Of min to max elements. */
const json_t *fields_array(struct fields *f, const char *name, size_t min, size_t max);
/* Bytes of base64 (RFC 4648; url: of its URL-safe alphabet without "="). For free(). */
uint8_t *fields_base64(struct fields *f, const char *name, bool url, size_t *len);
/* A duration by NAME ("30m") or NAME_ms, at most one of them. */
bool fields_duration(struct fields *f, const char *name, uint64_t *ms);
/* Exactly one of deadline, deadline_ms, delay and delay_ms. */
bool fields_when(struct fields *f, bool *relative, uint64_t *time_ms);
/* What must be given and is not. */
void fields_need(struct fields *f, const char *name);

#endif
