/* options.c - see options.h. */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../text/flag_text.h"
#include "../text/flags.h"
#include "../text/units.h"
#include "../callback/webhook.h"
#include "../callback/webhook_key.h"

enum sink_flag {
    SINK_LISTEN,
    SINK_SECRET,
    SINK_SECRET_FILE,
    SINK_PUBLIC_KEY,
    SINK_JOURNAL,
    SINK_TOLERANCE,
    SINK_SLOW,
    SINK_SLOW_SHARE,
    SINK_FAIL,
    SINK_HANG_SHARE,
    SINK_PAID,
    SINK_PAID_SHARE,
    SINK_LATER,
    SINK_LATER_SHARE,
    SINK_LATER_DELAY,
    SINK_CLOSE_SHARE,
    SINK_GARBAGE_SHARE,
    SINK_HUGE_SHARE,
    SINK_BUSY_SHARE,
    SINK_BUSY_STATUS,
    SINK_RETRY_AFTER,
    SINK_HALF_SHARE,
    SINK_LIE,
    SINK_LIE_SHARE,
    SINK_TLS_CERT,
    SINK_TLS_KEY,
    SINK_SEED,
    SINK_QUIET,
    SINK_HELP,
    SINK_VERSION,
};

static const struct flag sink_flags[] = {
    {SINK_LISTEN, "listen", 0, "HOST:PORT", "where to receive (127.0.0.1:7500)"},
    {SINK_SECRET, "secret", 0, "whsec_...|@FILE|-",
     "accept what is signed with it; may be repeated"},
    {SINK_SECRET_FILE, "secret-file", 0, "FILE", "the same, from a file with a secret a line"},
    {SINK_PUBLIC_KEY, "public-key", 0, "whpk_...",
     "accept what its owner signed; may be repeated; none of the secrets is needed then"},
    {SINK_JOURNAL, "journal", 0, "FILE", "where deliveries and effects are recorded (required)"},
    {SINK_TOLERANCE, "tolerance", 0, "DURATION", "of the signature's timestamp (5m)"},
    {SINK_SLOW, "slow", 0, "DURATION", "wait before answering"},
    {SINK_SLOW_SHARE, "slow-share", 0, "SHARE", "of the requests that are slow (1)"},
    {SINK_FAIL, "fail", 0, "SHARE", "of the requests: do nothing, answer 500"},
    {SINK_HANG_SHARE, "hang-share", 0, "SHARE", "of the requests: settle them, never answer"},
    {SINK_PAID, "paid", 0, "ID[,ID...]", "answer \"paid\" for these orders; may be repeated"},
    {SINK_PAID_SHARE, "paid-share", 0, "SHARE", "of the webhook-ids that are answered \"paid\""},
    {SINK_LATER, "later", 0, "ID:DURATION", "answer \"later\" once for it; may be repeated"},
    {SINK_LATER_SHARE, "later-share", 0, "SHARE", "of the webhook-ids answered \"later\" once"},
    {SINK_LATER_DELAY, "later-delay", 0, "DURATION", "of --later-share (1s)"},
    {SINK_CLOSE_SHARE, "close-share", 0, "SHARE",
     "of the requests: settle them, hang up in the middle of the answer"},
    {SINK_GARBAGE_SHARE, "garbage-share", 0, "SHARE",
     "of the requests: settle them, answer something that is not JSON"},
    {SINK_HUGE_SHARE, "huge-share", 0, "SHARE", "of the requests: settle them, answer 10 MB"},
    {SINK_BUSY_SHARE, "busy-share", 0, "SHARE", "of the requests: do nothing, say that it is busy"},
    {SINK_BUSY_STATUS, "busy-status", 0, "429|503", "of --busy-share (503)"},
    {SINK_RETRY_AFTER, "retry-after", 0, "SECONDS", "of --busy-share (0: not said)"},
    {SINK_HALF_SHARE, "half-share", 0, "SHARE",
     "of the batches: leave every second order undone, \"failed\""},
    {SINK_LIE, "lie", 0, "KIND[,KIND...]",
     "about every second order of a batch: missing, doubled, unknown"},
    {SINK_LIE_SHARE, "lie-share", 0, "SHARE", "of the batches that --lie is for (1)"},
    {SINK_TLS_CERT, "tls-cert", 0, "FILE.pem", "receive over TLS, with this certificate (chain)"},
    {SINK_TLS_KEY, "tls-key", 0, "FILE.pem", "and its private key"},
    {SINK_SEED, "seed", 0, "N", "seed of the random shares of requests (drawn at random)"},
    {SINK_QUIET, "quiet", 'q', NULL, "print nothing at start and end"},
    {SINK_HELP, "help", 'h', NULL, "this text"},
    {SINK_VERSION, "version", 0, NULL, "the version"},
    {0},
};

static void options_help(void)
{
    puts("ordersink - reference receiver of orderschedd's callbacks\n"
         "\n"
         "usage: ordersink --secret whsec_... --journal FILE [FLAG...]\n"
         "\n"
         "Accepts POST on any path. Verifies signature and timestamp (401), refuses a fence\n"
         "lower than one it has seen for the order (409), gives a repeated webhook-id the answer\n"
         "it got before, and writes every delivery and every effect to the journal, on disk,\n"
         "before it answers. With a batch it does so for each order, by its idempotency key.\n"
         "Started again on the same journal, it knows all that it has settled.\n"
         "\n"
         "A SHARE is a number from 0 to 1. SIGUSR1 prints counters; SIGTERM ends it.\n");
    flags_print(sink_flags, NULL, stdout);
}

__attribute__((format(printf, 1, 2))) static bool options_refuse(const char *format, ...)
{
    va_list args;

    fputs("ordersink: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; see ordersink --help\n", stderr);
    return false;
}

/* Takes no part of the secret into the message. */
static bool options_add_secret(struct sink_options *o, const char *where, const char *secret)
{
    uint8_t key[WEBHOOK_KEY_MAX];
    size_t len;

    if (!webhook_secret_decode(secret, key, &len)) {
        return options_refuse("%s: a secret must be \"whsec_\" and the base64 of %d to %d bytes",
                              where, WEBHOOK_KEY_MIN, WEBHOOK_KEY_MAX);
    }
    memset(key, 0, sizeof key);
    if (o->n_secrets == SINK_SECRETS_MAX) {
        return options_refuse("%s: more than %d secrets", where, SINK_SECRETS_MAX);
    }
    char *copy = strdup(secret);
    if (copy == NULL) {
        return options_refuse("out of memory");
    }
    o->secrets[o->n_secrets++] = copy;
    return true;
}

static bool options_read_secrets(struct sink_options *o, const char *path)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;
    bool ok = true;
    size_t before = o->n_secrets;
    FILE *file = fopen(path, "r");

    if (file == NULL) {
        return options_refuse("--secret-file: %s: %s", path, strerror(errno));
    }
    while (ok && (len = getline(&line, &cap, file)) >= 0) {
        while (len > 0 && strchr(" \t\r\n", line[len - 1]) != NULL) {
            line[--len] = '\0';
        }
        ok = len == 0 || options_add_secret(o, "--secret-file", line);
    }
    if (ok && ferror(file)) {
        ok = options_refuse("--secret-file: %s: cannot be read", path);
    }
    if (ok && o->n_secrets == before) {
        ok = options_refuse("--secret-file: %s: holds no secret", path);
    }
    free(line);
    fclose(file);
    return ok;
}

static bool options_duration(const char *flag, const char *value, uint64_t *ms)
{
    return units_parse_duration(value, ms) ||
           options_refuse("--%s must be a duration such as 200ms or 1h30m, not \"%s\"", flag,
                          value);
}

static bool options_share(const char *flag, const char *value, double *share)
{
    char *end;

    errno = 0;
    *share = strtod(value, &end);
    if (*value < '.' || *value > '9' || *end != '\0' || errno != 0 ||
        !(*share >= 0 && *share <= 1)) {
        return options_refuse("--%s must be a number from 0 to 1, not \"%s\"", flag, value);
    }
    return true;
}

static bool options_number(const char *flag, const char *value, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull(value, &end, 10);
    if (*value < '0' || *value > '9' || *end != '\0' || errno != 0) {
        return options_refuse("--%s must be a number, not \"%s\"", flag, value);
    }
    return true;
}

static bool options_busy_status(const char *value, unsigned *status)
{
    if (strcmp(value, "429") != 0 && strcmp(value, "503") != 0) {
        return options_refuse("--busy-status must be 429 or 503, not \"%s\"", value);
    }
    *status = value[0] == '4' ? 429 : 503;
    return true;
}

static bool options_lie(struct sink_options *o, const char *name, size_t len)
{
    static const char *const names[] = {[SINK_LIE_MISSING] = "missing",
                                        [SINK_LIE_DOUBLED] = "doubled",
                                        [SINK_LIE_UNKNOWN] = "unknown"};

    for (unsigned lie = SINK_LIE_MISSING; lie <= SINK_LIE_UNKNOWN; lie++) {
        if (strlen(names[lie]) == len && memcmp(names[lie], name, len) == 0) {
            if (o->n_lies == SINK_LIES_MAX) {
                return options_refuse("--lie: more than %d kinds", SINK_LIES_MAX);
            }
            o->lies[o->n_lies++] = lie;
            return true;
        }
    }
    return options_refuse("--lie must be missing, doubled or unknown, not \"%.*s\"", (int)len,
                          name);
}

static bool options_lies(struct sink_options *o, const char *value)
{
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ",");
        if (!options_lie(o, at, len)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

static bool options_choose(struct sink_chosen **list, const char *id, size_t len, uint64_t delay_ms)
{
    struct sink_chosen *chosen = malloc(sizeof *chosen + len + 1);

    if (chosen == NULL) {
        return options_refuse("out of memory");
    }
    memcpy(chosen->id, id, len);
    chosen->id[len] = '\0';
    chosen->delay_ms = delay_ms;
    chosen->next = *list;
    *list = chosen;
    return true;
}

static bool options_paid(struct sink_options *o, const char *value)
{
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ",");
        if (len == 0) {
            return options_refuse("--paid: \"%s\" has an empty order id", value);
        }
        if (!options_choose(&o->paid, at, len, 0)) {
            return false;
        }
        at += len;
        if (*at == '\0') {
            return true;
        }
    }
}

/* The last colon parts the two, so that an id may contain some. */
static bool options_later(struct sink_options *o, const char *value)
{
    const char *colon = strrchr(value, ':');
    uint64_t delay_ms;

    if (colon == NULL || colon == value) {
        return options_refuse("--later must be ID:DURATION, not \"%s\"", value);
    }
    return options_duration("later", colon + 1, &delay_ms) &&
           options_choose(&o->later, value, (size_t)(colon - value), delay_ms);
}

static bool options_take_secret(struct sink_options *o, const char *value)
{
    const char *why;
    char *text = flag_text_read(value, &why);
    bool ok = text != NULL
                  ? options_add_secret(o, "--secret", text)
                  : options_refuse("--secret %s: %s",
                                   value[0] == '@' ? value + 1 : "from the standard input", why);

    flag_text_free(text);
    return ok;
}

static bool options_take_public_key(struct sink_options *o, const char *value)
{
    uint8_t key[WEBHOOK_PUBLIC_BYTES];

    if (!webhook_key_public_decode(value, key)) {
        return options_refuse(
            "--public-key must be \"whpk_\" and the base64 of %d bytes, not \"%s\"",
            WEBHOOK_PUBLIC_BYTES, strncmp(value, "whpk_", 5) == 0 ? value : "***");
    }
    if (o->n_public_keys == SINK_SECRETS_MAX) {
        return options_refuse("--public-key: more than %d keys", SINK_SECRETS_MAX);
    }
    o->public_keys[o->n_public_keys++] = value;
    return true;
}

static bool options_take(struct sink_options *o, int key, const char *value)
{
    switch ((enum sink_flag)key) {
        case SINK_LISTEN: o->listen = value; return true;
        case SINK_SECRET: return options_take_secret(o, value);
        case SINK_SECRET_FILE: return options_read_secrets(o, value);
        case SINK_PUBLIC_KEY: return options_take_public_key(o, value);
        case SINK_JOURNAL: o->journal = value; return true;
        case SINK_TOLERANCE: return options_duration("tolerance", value, &o->tolerance_ms);
        case SINK_SLOW: return options_duration("slow", value, &o->slow_ms);
        case SINK_SLOW_SHARE: return options_share("slow-share", value, &o->slow_share);
        case SINK_FAIL: return options_share("fail", value, &o->fail_share);
        case SINK_HANG_SHARE: return options_share("hang-share", value, &o->hang_share);
        case SINK_PAID: return options_paid(o, value);
        case SINK_PAID_SHARE: return options_share("paid-share", value, &o->paid_share);
        case SINK_LATER: return options_later(o, value);
        case SINK_LATER_SHARE: return options_share("later-share", value, &o->later_share);
        case SINK_LATER_DELAY: return options_duration("later-delay", value, &o->later_delay_ms);
        case SINK_CLOSE_SHARE: return options_share("close-share", value, &o->close_share);
        case SINK_GARBAGE_SHARE: return options_share("garbage-share", value, &o->garbage_share);
        case SINK_HUGE_SHARE: return options_share("huge-share", value, &o->huge_share);
        case SINK_BUSY_SHARE: return options_share("busy-share", value, &o->busy_share);
        case SINK_BUSY_STATUS: return options_busy_status(value, &o->busy_status);
        case SINK_RETRY_AFTER: return options_number("retry-after", value, &o->retry_after_s);
        case SINK_HALF_SHARE: return options_share("half-share", value, &o->half_share);
        case SINK_LIE: return options_lies(o, value);
        case SINK_LIE_SHARE: return options_share("lie-share", value, &o->lie_share);
        case SINK_TLS_CERT: o->tls_cert = value; return true;
        case SINK_TLS_KEY: o->tls_key = value; return true;
        case SINK_SEED: return options_number("seed", value, &o->seed);
        case SINK_QUIET: o->quiet = true; return true;
        case SINK_HELP:
        case SINK_VERSION: break;
    }
    return true;
}

static bool options_check(const struct sink_options *o)
{
    char host[256];
    unsigned port;

    if (o->journal == NULL || *o->journal == '\0') {
        return options_refuse("--journal is required");
    }
    if (o->n_secrets == 0 && o->n_public_keys == 0) {
        return options_refuse("--secret, --secret-file or --public-key is required");
    }
    if (!units_split_address(o->listen, host, sizeof host, &port)) {
        return options_refuse("--listen must be HOST:PORT, not \"%s\"", o->listen);
    }
    if ((o->tls_cert == NULL) != (o->tls_key == NULL)) {
        return options_refuse("--tls-cert and --tls-key go together");
    }
    return true;
}

enum sink_options_status sink_options_parse(struct sink_options *o, int argc, char **argv)
{
    struct flags flags;
    const char *value;
    int key;

    *o = (struct sink_options){.listen = "127.0.0.1:7500",
                               .tolerance_ms = 5 * 60 * 1000,
                               .slow_share = 1,
                               .later_delay_ms = 1000,
                               .busy_status = 503,
                               .lie_share = 1};
    if (getrandom(&o->seed, sizeof o->seed, 0) != sizeof o->seed) {
        options_refuse("no randomness: %s", strerror(errno));
        return SINK_OPTIONS_ERROR;
    }
    flags_init(&flags, argc - 1, argv + 1, sink_flags, NULL);
    while ((key = flags_next(&flags, &value)) != FLAGS_END) {
        if (key == FLAGS_ERROR) {
            options_refuse("%s", flags.error);
            return SINK_OPTIONS_ERROR;
        }
        if (key == FLAGS_OPERAND) {
            options_refuse("\"%s\" is not a flag", value);
            return SINK_OPTIONS_ERROR;
        }
        if (key == SINK_HELP) {
            options_help();
            return SINK_OPTIONS_HELP;
        }
        if (key == SINK_VERSION) {
            puts("ordersink " ORDERSCHEDD_VERSION);
            return SINK_OPTIONS_HELP;
        }
        if (!options_take(o, key, value)) {
            return SINK_OPTIONS_ERROR;
        }
    }
    return options_check(o) ? SINK_OPTIONS_OK : SINK_OPTIONS_ERROR;
}

static void chosen_free(struct sink_chosen *list)
{
    while (list != NULL) {
        struct sink_chosen *next = list->next;
        free(list);
        list = next;
    }
}

void sink_options_free(struct sink_options *o)
{
    for (size_t i = 0; i < o->n_secrets; i++) {
        free(o->secrets[i]);
    }
    chosen_free(o->paid);
    chosen_free(o->later);
}

const struct sink_chosen *sink_chosen_find(const struct sink_chosen *list, const char *id,
                                           size_t id_len)
{
    while (list != NULL && (strlen(list->id) != id_len || memcmp(list->id, id, id_len) != 0)) {
        list = list->next;
    }
    return list;
}
