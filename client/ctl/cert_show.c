/* cert_show.c - what certificates say, and what will not work with them: the command cert show. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "../base/must.h"
#include "../cert/cert_authority.h"
#include "../cert/cert_read.h"
#include "../text/table.h"
#include "../text/units.h"
#include "cert.h"

#define FLAWS_MAX (CERT_FLAWS_MAX + 4) /* those of the files beside it are ours */
#define NAMES_SHOWN_MAX 100            /* in a table; JSON has all */

/* The key beside a certificate, NAME.key beside NAME.crt. */
enum key_beside { KEY_NONE, KEY_FITS, KEY_MISFIT, KEY_UNREADABLE };

struct shown {
    const char *path;
    const X509 *cert;
    struct cert_facts facts;
    enum key_beside key;
    char key_path[PATH_MAX];
    struct cert_flaw flaws[FLAWS_MAX];
    unsigned n_flaws;
};

static void add_flaw(struct shown *s, const char *code, const char *text)
{
    if (s->n_flaws < FLAWS_MAX) {
        s->flaws[s->n_flaws++] = (struct cert_flaw){code, text};
    }
}

/* The path with its ".crt" replaced, or in the same directory. False: it has none, or is too long. */
static bool path_beside(const char *path, const char *name, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = strlen(path), end = strlen(CERT_CRT);

    if (strcmp(name, CERT_KEY) == 0) {
        if (len <= end || strcmp(path + len - end, CERT_CRT) != 0) {
            return false;
        }
        return snprintf(out, PATH_MAX, "%.*s%s", (int)(len - end), path, name) < PATH_MAX;
    }
    int directory = slash != NULL ? (int)(slash - path) + 1 : 0;
    return snprintf(out, PATH_MAX, "%.*s%s", directory, path, name) < PATH_MAX;
}

static void look_at_key(struct shown *s)
{
    struct cert_error ignored;
    struct stat st;

    if (!path_beside(s->path, CERT_KEY, s->key_path) || stat(s->key_path, &st) != 0 ||
        !S_ISREG(st.st_mode)) {
        return;
    }
    EVP_PKEY *key = cert_read_key(s->key_path, &ignored);
    s->key = key == NULL ? KEY_UNREADABLE : cert_key_fits(s->cert, key) ? KEY_FITS : KEY_MISFIT;
    EVP_PKEY_free(key);
    if (s->key == KEY_MISFIT) {
        add_flaw(s, "KEY_MISFIT",
                 "the key beside it is another certificate's: if a renewal was interrupted, do it "
                 "again: orderctl cert renew");
    }
    if (s->key == KEY_UNREADABLE && ignored.code == CERT_BAD_KEY) {
        add_flaw(s, "BAD_KEY", "the key beside it is under a passphrase, or no PEM private key");
    }
    if ((st.st_mode & 007) != 0) {
        add_flaw(s, "KEY_IS_OPEN",
                 "every user of this machine may read the key beside it: "
                 "chmod o= it");
    }
}

static void look_at_ca(struct shown *s)
{
    struct cert_error ignored;
    struct cert_list list;
    char path[PATH_MAX];
    bool is_signed = false;

    if (s->facts.use == CERT_USE_CA || !path_beside(s->path, "ca" CERT_CRT, path) ||
        access(path, R_OK) != 0 || !cert_read_list(path, &list, &ignored)) {
        return;
    }
    for (unsigned i = 0; i < list.n; i++) {
        is_signed = is_signed || cert_signed_by(s->cert, list.at[i]);
    }
    cert_list_free(&list);
    if (!is_signed) {
        add_flaw(s, "OTHER_CA", "the CA beside it, ca.crt, has not signed it");
    }
}

/* `alone`: what stands beside the file is this certificate's. */
static void look(struct shown *s, const char *path, const X509 *cert, bool alone, uint64_t now_ms)
{
    *s = (struct shown){.path = path, .cert = cert};
    cert_facts_read(&s->facts, cert);
    s->n_flaws = cert_facts_judge(&s->facts, cert, now_ms, s->flaws);
    if (alone) {
        look_at_key(s);
    }
    look_at_ca(s);
}

/* ---- for people ---- */

static const char *name_of_type(enum cert_name_type type)
{
    switch (type) {
        case CERT_NAME_URI: return "URI ";
        case CERT_NAME_DNS: return "DNS ";
        case CERT_NAME_IP: return "IP ";
        case CERT_NAME_ELSE: break;
    }
    return "type ";
}

static void name_rows(struct table *t, const struct cert_names *names)
{
    for (size_t i = 0; i < names->n && i < NAMES_SHOWN_MAX; i++) {
        const char *type = name_of_type(names->at[i].type);
        size_t len = strlen(type) + names->at[i].len;
        char *text = must_have(malloc(len));
        memcpy(text, type, strlen(type));
        memcpy(text + strlen(type), names->at[i].text, names->at[i].len);
        table_text(t, i == 0 ? "names" : "");
        table_bytes(t, text, len);
        free(text);
    }
    if (names->n > NAMES_SHOWN_MAX) {
        table_text(t, "");
        table_printf(t, "and %zu more: -w json has all", names->n - NAMES_SHOWN_MAX);
    }
}

static const char *uses_text(const struct cert_facts *facts)
{
    if (facts->use == CERT_USE_CA && facts->may_sign) {
        return "signing certificates";
    }
    if (facts->any_use) {
        return "anything";
    }
    return facts->server && facts->client ? "TLS server and client"
           : facts->server                ? "TLS server"
           : facts->client                ? "TLS client"
                                          : "neither TLS server nor client";
}

static void key_row(struct table *t, const struct shown *s)
{
    const char *slash = strrchr(s->key_path, '/');
    const char *name = slash != NULL ? slash + 1 : s->key_path;

    table_text(t, "key");
    switch (s->key) {
        case KEY_NONE: table_text(t, s->facts.key); break;
        case KEY_FITS: table_printf(t, "%s; %s fits", s->facts.key, name); break;
        case KEY_MISFIT: table_printf(t, "%s; %s does not fit", s->facts.key, name); break;
        case KEY_UNREADABLE: table_printf(t, "%s; %s cannot be read", s->facts.key, name); break;
    }
}

static void time_row(struct table *t, const char *name, uint64_t ms)
{
    char text[32] = "not known";

    if (ms != 0) {
        units_format_time(ms, text, sizeof text);
    }
    table_text(t, name);
    table_text(t, text);
}

static void fill_table(struct table *t, const struct shown *s, uint64_t now_ms)
{
    const struct cert_facts *facts = &s->facts;
    char owner[80], left[32];

    ctl_cert_owner(facts, owner, sizeof owner);
    table_text(t, "of");
    table_text(t, owner);
    table_text(t, "cluster");
    table_text(t, facts->name.cluster[0] != 0 ? facts->name.cluster : "-");
    name_rows(t, &facts->names);
    table_text(t, "for");
    table_text(t, uses_text(facts));
    time_row(t, "valid from", facts->from_ms);
    time_row(t, "valid until", facts->until_ms);
    ctl_cert_left(facts, now_ms, left, sizeof left);
    table_text(t, "left");
    table_text(t, left);
    key_row(t, s);
    table_text(t, "subject");
    table_text(t, facts->subject);
    table_text(t, "issuer");
    table_text(t, facts->self_signed ? "itself" : facts->issuer);
    table_text(t, "signature");
    table_text(t, facts->signature);
    table_text(t, "serial");
    table_text(t, facts->serial);
    table_text(t, "SHA-256");
    table_text(t, facts->fingerprint);
}

static int show_table(const struct shown *s, uint64_t now_ms)
{
    struct table t;

    table_init(&t, (const char *const[]){"CERTIFICATE", s->path, NULL});
    fill_table(&t, s, now_ms);
    int rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    table_free(&t);
    for (unsigned i = 0; i < s->n_flaws; i++) {
        printf("warning: %s\n", s->flaws[i].text);
    }
    return rv;
}

/* ---- for programs ---- */

static json_t *names_as_json(const struct cert_names *names, enum cert_name_type type)
{
    json_t *list = json_array();

    for (size_t i = 0; i < names->n; i++) {
        const struct cert_one_name *name = &names->at[i];
        json_t *text = json_stringn(name->text, name->len);
        if (text == NULL && name->type == type) { /* not UTF-8, so nothing of ours */
            char *escaped = must_have(table_escape(name->text, name->len));
            text = json_string(escaped);
            free(escaped);
        }
        if (name->type == type) {
            json_array_append(list, text);
        }
        json_decref(text);
    }
    return list;
}

static json_t *flaws_as_json(const struct shown *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < s->n_flaws; i++) {
        json_t *flaw = json_object();
        json_object_set_new(flaw, "code", json_string(s->flaws[i].code));
        json_object_set_new(flaw, "text", json_string(s->flaws[i].text));
        json_array_append_new(list, flaw);
    }
    return list;
}

static json_t *as_json(const struct shown *s, uint64_t now_ms)
{
    static const char *const keys[] = {[KEY_NONE] = "none",
                                       [KEY_FITS] = "fits",
                                       [KEY_MISFIT] = "does-not-fit",
                                       [KEY_UNREADABLE] = "not-readable"};
    const struct cert_facts *facts = &s->facts;
    json_t *object = json_object();

    ctl_cert_json_facts(object, facts, now_ms);
    json_object_set_new(object, "uris", names_as_json(&facts->names, CERT_NAME_URI));
    json_object_set_new(object, "dns", names_as_json(&facts->names, CERT_NAME_DNS));
    json_object_set_new(object, "ips", names_as_json(&facts->names, CERT_NAME_IP));
    json_object_set_new(object, "other_names", names_as_json(&facts->names, CERT_NAME_ELSE));
    json_object_set_new(object, "may_sign", json_boolean(facts->may_sign));
    json_object_set_new(object, "tls_server", json_boolean(facts->server));
    json_object_set_new(object, "tls_client", json_boolean(facts->client));
    json_object_set_new(object, "key_type", json_string(facts->key));
    json_object_set_new(object, "key_beside", json_string(keys[s->key]));
    ctl_json_bytes(object, "subject", facts->subject, strlen(facts->subject));
    ctl_json_bytes(object, "issuer", facts->issuer, strlen(facts->issuer));
    json_object_set_new(object, "self_signed", json_boolean(facts->self_signed));
    json_object_set_new(object, "signature", json_string(facts->signature));
    json_object_set_new(object, "serial", json_string(facts->serial));
    json_object_set_new(object, "warnings", flaws_as_json(s));
    return object;
}

/* ---- the command ---- */

static int show_all(const struct ctl *ctl, const char *path, const struct cert_list *list)
{
    uint64_t now_ms = clocks_wall_ms();
    json_t *all = ctl->json ? json_array() : NULL;
    struct shown s;
    int rv = CTL_DONE;

    for (unsigned i = 0; i < list->n && rv == CTL_DONE; i++) {
        look(&s, path, list->at[i], list->n == 1, now_ms);
        if (ctl->json) {
            json_array_append_new(all, as_json(&s, now_ms));
        } else {
            printf("%s", i > 0 ? "\n" : "");
            rv = show_table(&s, now_ms);
        }
        cert_facts_free(&s.facts);
    }
    if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        json_object_set_new(object, "error", json_string("OK"));
        ctl_json_bytes(object, "file", path, strlen(path));
        json_object_set_new(object, "certificates", all);
        return ctl_print_json(object);
    }
    return rv;
}

static int run_show(struct ctl *ctl)
{
    struct cert_error error;
    struct cert_list list;

    if (!cert_read_list(ctl->operands[0], &list, &error)) {
        return ctl_cert_fail(ctl, &error);
    }
    int rv = show_all(ctl, ctl->operands[0], &list);
    cert_list_free(&list);
    return rv;
}

const struct ctl_command ctl_cert_show_commands[] = {
    {.name = "cert show",
     .operands = "FILE",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Show whose a certificate is, until when, and what will not work with it",
     .details = "Any PEM certificate, of any tool; all of them where a file holds several. With "
                "NAME.key\n"
                "and ca.crt beside it, whether they belong to it. What will not work is a warning "
                "below\n"
                "(in JSON: \"warnings\"); the exit code is 0 nevertheless.",
     .offline = true,
     .run = run_show},
    {0},
};
