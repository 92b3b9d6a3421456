/* flags.c - the command line: which settings it gives, help and version. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parts.h"

enum { FLAG_CONFIG = CONFIG_SETTINGS_MAX, FLAG_HELP, FLAG_VERSION };
#define OPTIONS_MAX (CONFIG_SETTINGS_MAX + 4)

/* Where the text of a setting begins in the help. */
#define HELP_COLUMN 32

static void print_help_row(const char *flag, const char *argument, const char *help)
{
    char left[64];
    snprintf(left, sizeof left, "  --%s%s%s", flag, argument != NULL ? " " : "",
             argument != NULL ? argument : "");
    printf("%-*s%s", HELP_COLUMN, left, strlen(left) < HELP_COLUMN ? "" : "\n");
    for (const char *line = help; line != NULL;) {
        const char *end = strchr(line, '\n');
        int len = end != NULL ? (int)(end - line) : (int)strlen(line);
        bool behind = line == help && strlen(left) < HELP_COLUMN;
        printf("%*s%.*s\n", behind ? 0 : HELP_COLUMN, "", len, line);
        line = end != NULL ? end + 1 : NULL;
    }
}

static void print_help(void)
{
    printf("orderschedd " ORDERSCHEDD_VERSION
           " - decides pay or expire, exactly once, for each order\n"
           "\n"
           "  orderschedd --data DIR                                a cluster of one\n"
           "  orderschedd --data DIR --id N --peers 1=HOST:PORT,... a first member of a cluster\n"
           "  orderschedd --data DIR --id N --join --address HOST:PORT\n"
           "                                                        an empty node to be added\n");
    unsigned n;
    const struct setting *settings = config_settings(&n);
    for (unsigned i = 0; i < n; i++) {
        if (settings[i].group != NULL) {
            printf("\n%s:\n", settings[i].group);
        }
        print_help_row(settings[i].name, settings[i].argument, settings[i].help);
    }
    printf("\nOther:\n");
    print_help_row("config", "FILE", "settings from a YAML file, under the same names; flags win");
    print_help_row("help", NULL, "this text");
    print_help_row("version", NULL, "the version");
    printf("\nDurations: 500ms, 30s, 30.5m, 24h, 7d, 1h30m. Sizes: 64KiB, 256MiB, 8GiB, 1GB.\n"
           "SIGTERM transfers the leadership and ends the node.\n");
}

static void options_fill(struct option *options)
{
    unsigned n;
    const struct setting *settings = config_settings(&n);
    unsigned i;
    for (i = 0; i < n; i++) {
        bool is_switch = settings[i].kind == SETTING_SWITCH;
        options[i] = (struct option){.name = settings[i].name,
                                     .has_arg = is_switch ? optional_argument : required_argument,
                                     .val = (int)i};
    }
    options[i++] = (struct option){"config", required_argument, NULL, FLAG_CONFIG};
    options[i++] = (struct option){"help", no_argument, NULL, FLAG_HELP};
    options[i++] = (struct option){"version", no_argument, NULL, FLAG_VERSION};
    options[i] = (struct option){0};
}

static enum config_status complain_unknown(const char *word)
{
    char name[64];
    const char *begin = word + strspn(word, "-");
    size_t len = strcspn(begin, "=");
    snprintf(name, sizeof name, "%.*s", (int)(len < 60 ? len : 60), begin);
    int shown = (int)(begin - word) + (int)len;
    const char *guess = strcmp(name, "confg") == 0 || strcmp(name, "conf") == 0
                            ? "config"
                            : config_setting_guess(name);
    if (guess != NULL) {
        return config_complain("unknown flag %.*s: did you mean --%s?", shown, word, guess);
    }
    return config_complain("unknown flag %.*s: orderschedd --help lists the flags", shown, word);
}

/* getopt takes any unambiguous beginning of a name, which the next version may make ambiguous. */
static bool is_whole_name(const char *word, const char *name)
{
    size_t len = strlen(name);
    return strncmp(word, "--", 2) == 0 && strncmp(word + 2, name, len) == 0 &&
           (word[2 + len] == '\0' || word[2 + len] == '=');
}

enum config_status config_flags_read(struct config_flags *flags, int argc, char **argv)
{
    unsigned n_settings;
    const struct setting *settings = config_settings(&n_settings);
    struct option options[OPTIONS_MAX];
    options_fill(options);
    *flags = (struct config_flags){.list = calloc((size_t)argc + 1, sizeof *flags->list)};
    if (flags->list == NULL) {
        return config_complain("out of memory");
    }
    optind = 0; /* so that glibc starts over on a second call */
    opterr = 0;
    for (;;) {
        int before = optind > 0 ? optind : 1;
        int index = 0;
        int c = getopt_long(argc, argv, "+:h", options, &index);
        if (c == -1) {
            break;
        }
        const char *word = argv[before];
        if (c == '?') {
            return optopt != 0 && strchr(word, '=') != NULL
                       ? config_complain("%.*s takes no value", (int)strcspn(word, "="), word)
                       : complain_unknown(word);
        }
        if (c != 'h' && c != ':' && !is_whole_name(word, options[index].name)) {
            return complain_unknown(word);
        }
        if (c == ':') {
            return config_complain("%s needs a value", word);
        }
        if (c == 'h' || c == FLAG_HELP) {
            print_help();
            return CONFIG_HELP;
        }
        if (c == FLAG_VERSION) {
            printf("orderschedd " ORDERSCHEDD_VERSION "\n");
            return CONFIG_VERSION;
        }
        if (c == FLAG_CONFIG) {
            flags->file = optarg;
            continue;
        }
        flags->list[flags->n++] = (struct config_flag){&settings[c],
                                                       optarg != NULL ? optarg : "true"};
    }
    if (optind < argc) {
        return config_complain("unexpected argument \"%s\": every setting is a --flag",
                               argv[optind]);
    }
    return CONFIG_OK;
}
