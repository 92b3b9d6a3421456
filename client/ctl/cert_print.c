/* cert_print.c - how the commands of orderctl cert end. See cert.h. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "../base/clocks.h"
#include "../base/must.h"
#include "../text/table.h"
#include "../text/units.h"
#include "cert.h"

void ctl_cert_note(struct cert_notes *notes, const char *format, ...)
{
    va_list args;

    if (notes->n < CERT_NOTES_MAX) {
        va_start(args, format);
        vsnprintf(notes->at[notes->n], sizeof notes->at[0], format, args);
        va_end(args);
        notes->n++;
    }
}

/* Paths and names in a text may hold anything. */
static void print_escaped(FILE *out, const char *text)
{
    char *escaped = must_have(table_escape(text, strlen(text)));

    fputs(escaped, out);
    free(escaped);
}

int ctl_cert_fail(const struct ctl *ctl, const struct cert_error *error)
{
    fprintf(stderr, "orderctl: %s: %s: ", ctl->command->name, cert_code_name(error->code));
    print_escaped(stderr, error->text);
    fprintf(stderr, ".\n");
    if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        json_object_set_new(object, "error", json_string(cert_code_name(error->code)));
        ctl_json_bytes(object, "text", error->text, strlen(error->text));
        ctl_print_json(object);
    }
    return CTL_REFUSED;
}

void ctl_cert_owner(const struct cert_facts *facts, char *out, size_t len)
{
    switch (facts->use) {
        case CERT_USE_NODE:
            snprintf(out, len, "node %llu", (unsigned long long)facts->name.node);
            break;
        case CERT_USE_CLIENT: snprintf(out, len, "client %s", facts->name.client); break;
        case CERT_USE_CA: snprintf(out, len, "CA"); break;
        case CERT_USE_NONE: snprintf(out, len, "nobody"); break;
    }
}

void ctl_cert_left(const struct cert_facts *facts, uint64_t now_ms, char *out, size_t len)
{
    if (facts->until_ms < now_ms) {
        snprintf(out, len, "expired");
    } else {
        units_format_duration(facts->until_ms - now_ms, out, len);
    }
}

static const char *use_name(enum cert_use use)
{
    switch (use) {
        case CERT_USE_NODE: return "node";
        case CERT_USE_CLIENT: return "client";
        case CERT_USE_CA: return "ca";
        case CERT_USE_NONE: break;
    }
    return "none";
}

void ctl_cert_json_facts(json_t *object, const struct cert_facts *facts, uint64_t now_ms)
{
    int64_t left_ms = (int64_t)(facts->until_ms - now_ms);
    int64_t day_ms = 24ll * 3600 * 1000;

    json_object_set_new(object, "use", json_string(use_name(facts->use)));
    json_object_set_new(object, "cluster",
                        facts->name.cluster[0] != 0 ? json_string(facts->name.cluster)
                                                    : json_null());
    if (facts->use == CERT_USE_NODE) {
        json_object_set_new(object, "node", json_integer((json_int_t)facts->name.node));
    } else if (facts->use == CERT_USE_CLIENT) {
        json_object_set_new(object, "client", json_string(facts->name.client));
    }
    ctl_json_time(object, "valid_from_ms", "valid_from", facts->from_ms);
    ctl_json_time(object, "valid_until_ms", "valid_until", facts->until_ms);
    /* Whole days, down: 0 on the last one, -1 when it has just expired. */
    json_object_set_new(object, "days_left",
                        json_integer(left_ms >= 0 ? left_ms / day_ms
                                                  : -((-left_ms + day_ms - 1) / day_ms)));
    json_object_set_new(object, "fingerprint", json_string(facts->fingerprint));
}

static void say_as_json(const struct ctl *ctl, const struct cert_pair *pair,
                        const struct cert_facts *facts, bool key_is_new, const char *kept,
                        const struct cert_notes *notes)
{
    json_t *object = json_object(), *list = json_array();

    for (unsigned i = 0; i < notes->n; i++) {
        json_t *note = json_string(notes->at[i]); /* NULL: not UTF-8, for a path in it */
        json_array_append_new(list, note != NULL ? note : json_string("a path is not UTF-8"));
    }
    json_object_set_new(object, "command", json_string(ctl->command->name));
    json_object_set_new(object, "error", json_string("OK"));
    ctl_json_bytes(object, "certificate", pair->crt, strlen(pair->crt));
    ctl_json_bytes(object, "key", pair->key, strlen(pair->key));
    json_object_set_new(object, "new_key", json_boolean(key_is_new));
    json_object_set_new(object, "kept_as", *kept != 0 ? json_string(kept) : json_null());
    ctl_cert_json_facts(object, facts, clocks_wall_ms());
    json_object_set_new(object, "notes", list);
    ctl_print_json(object);
}

static void say_as_text(const struct cert_pair *pair, const struct cert_facts *facts,
                        bool key_is_new, const char *kept, const struct cert_notes *notes)
{
    char owner[80], until[32], left[32];

    ctl_cert_owner(facts, owner, sizeof owner);
    units_format_time(facts->until_ms, until, sizeof until);
    ctl_cert_left(facts, clocks_wall_ms(), left, sizeof left);
    print_escaped(stdout, pair->crt);
    printf(": the certificate of %s of cluster %s, until %s (%s)\n",
           facts->use == CERT_USE_CA ? "the CA" : owner, facts->name.cluster, until, left);
    print_escaped(stdout, pair->key);
    if (facts->use == CERT_USE_CA) {
        printf(": its key%s. Whoever has it can be any node and any client: keep it off the "
               "nodes\n",
               key_is_new ? "" : ", as before");
    } else {
        printf(": its key%s\n", key_is_new ? "" : ", as before");
    }
    if (*kept != 0) {
        printf("what was there is kept: ");
        print_escaped(stdout, pair->crt);
        printf("%s", kept);
        if (key_is_new) {
            printf(", ");
            print_escaped(stdout, pair->key);
            printf("%s", kept);
        }
        printf("\n");
    }
    for (unsigned i = 0; i < notes->n; i++) {
        printf("note: ");
        print_escaped(stdout, notes->at[i]);
        printf("\n");
    }
}

int ctl_cert_say_made(const struct ctl *ctl, const struct cert_pair *pair, const X509 *cert,
                      bool key_is_new, const char *kept, const struct cert_notes *notes)
{
    struct cert_facts facts;

    cert_facts_read(&facts, cert);
    if (ctl->json) {
        say_as_json(ctl, pair, &facts, key_is_new, kept, notes);
    } else {
        say_as_text(pair, &facts, key_is_new, kept, notes);
    }
    cert_facts_free(&facts);
    return CTL_DONE;
}
