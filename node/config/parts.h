/* parts.h - what the files of the configuration share: the table of settings, and a
 * configuration in the making that remembers where each value came from. */
#ifndef CONFIG_PARTS_H
#define CONFIG_PARTS_H

#include <stddef.h>

#include "config.h"

enum setting_kind {
    SETTING_TEXT,     /* char *, min..max bytes */
    SETTING_NUMBER,   /* unsigned or uint64_t, by width */
    SETTING_DURATION, /* in ms, unsigned or uint64_t, by width */
    SETTING_SIZE,     /* in bytes, uint64_t */
    SETTING_SWITCH,   /* bool */
    SETTING_CHOICE,   /* an enum, by position in choices */
    SETTING_PEERS,
    SETTING_WEB_ORIGINS, /* each time it is given, one more */
};

/* One setting: the flag --name, and the key `name` of the file. */
struct setting {
    const char *name;
    enum setting_kind kind;
    size_t offset; /* in struct config */
    size_t width;
    uint64_t min;
    uint64_t max;
    bool may_be_off;      /* or "off", which is 0 */
    const char *fallback; /* the default, as text; NULL = none, or it depends on others */
    const char *const *choices;
    const char *argument; /* for the help: "DIR" */
    const char *group;    /* for the help: the heading above, on the first of a group */
    const char *help;     /* one or more lines */
};

#define CONFIG_SETTINGS_MAX 48
const struct setting *config_settings(unsigned *n);
/* The setting of this name, or NULL. */
const struct setting *config_setting_find(const char *name);
/* The name nearest to a mistyped one, or NULL when none is near. */
const char *config_setting_guess(const char *name);

/* Where a value came from: a line of a file, a flag (file NULL, line 1), or nowhere (line 0). */
struct config_origin {
    const char *file;
    unsigned line;
};

struct config_draft {
    struct config *config;
    struct config_origin origins[CONFIG_SETTINGS_MAX];
    unsigned peer_lines[CONFIG_PEERS_MAX]; /* of the file; 0 = peers came from a flag */
    const char *file;                      /* its name, from --config, or NULL */
};

/* Print "orderschedd: " and a sentence to stderr. Always CONFIG_ERROR. */
enum config_status config_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same, with the flag or file:line that gave the setting. */
enum config_status config_complain_of(const struct config_draft *draft, const char *name,
                                      const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The flag or file:line that gave the setting. */
void config_origin_format(const struct config_draft *draft, const char *name, char *out,
                          size_t len);
/* "FILE:LINE: name" or "--name". */
void config_origin_name(const struct config_origin *origin, const char *name, char *out,
                        size_t len);
bool config_is_set(const struct config_draft *draft, const char *name);

/* Take a setting's value from its text. CONFIG_OK, or complained with the origin. */
enum config_status config_set(struct config_draft *draft, const struct setting *setting,
                              const char *text, struct config_origin origin);
/* Add one member. id and address as text. */
enum config_status config_peer_add(struct config_draft *draft, const char *id, const char *address,
                                   struct config_origin origin);
void config_peers_clear(struct config *c);
/* Add one origin of pages (web_origins.c), as text. */
enum config_status config_web_origin_add(struct config_draft *draft, const char *text,
                                         struct config_origin origin);
void config_web_origins_clear(struct config *c);

/* A flag as it was given. */
struct config_flag {
    const struct setting *setting;
    const char *text;
};
struct config_flags {
    struct config_flag *list; /* in the order given; malloc'ed */
    unsigned n;
    const char *file; /* --config, or NULL */
};
/* Read the command line. CONFIG_HELP and CONFIG_VERSION have printed their text. */
enum config_status config_flags_read(struct config_flags *flags, int argc, char **argv);

/* Read draft->file, and set what it holds. */
enum config_status config_file_read(struct config_draft *draft);

#endif
