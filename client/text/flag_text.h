/* flag_text.h - the value of a flag that had better not stand in a command line, where every user of
 * the machine can read it: "@FILE" is the text in a file, "-" what comes from the standard input. */
#ifndef FLAG_TEXT_H
#define FLAG_TEXT_H

#include <stddef.h>

#define FLAG_TEXT_MAX 4096 /* bytes of it */

/* The text, malloc'ed, without the line's end behind it; any other value is copied. NULL: cannot be
 * read, is empty, too long, or has a NUL or more than one line; *why is then a sentence's rest, which
 * tells nothing of the text. Release with flag_text_free. */
char *flag_text_read(const char *value, const char **why);
void flag_text_free(char *text); /* and wipe it; NULL: nothing happens */

#endif
