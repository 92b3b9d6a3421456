/* flags.h - the flags of a command line, read against a table that is also the help text.
 *
 * "--name value", "--name=value", "-n value"; operands may stand between flags; "--" ends the
 * flags. No globals and no abbreviations, unlike getopt_long. A leaf. */
#ifndef FLAGS_H
#define FLAGS_H

#include <stdbool.h>
#include <stdio.h>

struct flag {
    int key;           /* what flags_next returns, 0 or above */
    const char *name;  /* without the dashes; NULL ends a table */
    char letter;       /* 'w' for -w, or 0 */
    const char *value; /* the value's name in the help text; NULL: takes no value */
    const char *help;  /* NULL: not shown */
};

enum { FLAGS_END = -1, FLAGS_OPERAND = -2, FLAGS_ERROR = -3 };

struct flags {
    int argc;
    char **argv;
    int at;             /* next argument to read */
    bool no_more_flags; /* "--" was seen */
    const struct flag *tables[2];
    const char *name; /* of the flag read last */
    char error[256];
};

/* Read argv[0..argc) (without the program's name). The first table wins; `second` may be NULL. */
void flags_init(struct flags *f, int argc, char **argv, const struct flag *first,
                const struct flag *second);
/* The key of the next flag, with its value (NULL when it takes none); FLAGS_OPERAND with the
 * operand in *value; FLAGS_END; or FLAGS_ERROR, with a sentence in f->error. */
int flags_next(struct flags *f, const char **value);
/* One line a flag, for --help. Flags that `hiding` (may be NULL) has by the same name are left out. */
void flags_print(const struct flag *table, const struct flag *hiding, FILE *out);

#endif
