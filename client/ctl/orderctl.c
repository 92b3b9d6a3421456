/* orderctl.c - the operator's and the shop's command line: arguments, help, dispatch. */
#include "orderctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../text/flag_text.h"
#include "../text/table.h"
#include "../text/units.h"
#include "../wire/grant.h"

#define CTL_TIMEOUT_DEFAULT_MS 10000

static const struct flag global_flags[] = {
    {CTL_ENDPOINTS, "endpoints", 0, "HOST:PORT,...",
     "client API of any nodes (ORDERSCHED_ENDPOINTS; 127.0.0.1:7401)"},
    {CTL_LOCALLY, "local", 0, "DIR",
     "ask the node with this data directory, as its owner, who may do everything"},
    {CTL_CLUSTER, "cluster", 0, "NAME", "the cluster's name (orderschedd)"},
    {CTL_TOKEN, "token", 0, "osdt_...|@FILE|-", "who asks (ORDERSCHED_TOKEN; nobody)"},
    {CTL_TIMEOUT, "timeout", 0, "DURATION", "how long to try (10s)"},
    {CTL_WRITE, "write", 'w', "table|json|jsonl", "how to print the answer (table)"},
    TLS_FLAGS(CTL_TLS_CA, CTL_TLS_CERT, CTL_TLS_KEY),
    {CTL_HELP, "help", 'h', NULL, "this text; after a command, that command's"},
    {CTL_VERSION, "version", 0, NULL, "the version"},
    {0},
};

static const struct ctl_command *const command_tables[] = {
    ctl_order_commands,     ctl_list_commands,      ctl_route_commands,   ctl_work_commands,
    ctl_dead_commands,      ctl_member_commands,    ctl_cluster_commands, ctl_top_commands,
    ctl_clock_commands,     ctl_set_back_commands,  ctl_cert_commands,    ctl_cert_renew_commands,
    ctl_cert_show_commands, ctl_principal_commands, ctl_audit_commands};

static void help_program(void)
{
    printf("Usage: orderctl [FLAGS] COMMAND [FLAGS]\n\n"
           "Schedule, pay, cancel and look up orders, and run an orderschedd cluster.\n\n"
           "Commands:\n");
    for (size_t t = 0; t < sizeof command_tables / sizeof *command_tables; t++) {
        for (const struct ctl_command *c = command_tables[t]; c->name != NULL; c++) {
            char left[64];
            snprintf(left, sizeof left, "%s%s%s", c->name, c->operands != NULL ? " " : "",
                     c->operands != NULL ? c->operands : "");
            if (!c->hidden) {
                printf("  %-30s %s\n", left, c->summary);
            }
        }
    }
    printf("\nFlags:\n");
    flags_print(global_flags, NULL, stdout);
    printf("\nExit codes: 0 done; 1 refused, the error is named on stderr; 2 wrong usage;\n"
           "3 unreachable, or the outcome is unknown: repeat with the request id shown.\n"
           "With -w json one object is printed, for a refusal too (\"error\", \"text\").\n"
           "With -w jsonl, which is for lists, an object a line as it comes, however many, and no\n"
           "more than that: a refusal is on stderr, and in the exit code.\n"
           "Durations: 90s, 30m, 1h30m, 2d. Times: RFC 3339, such as 2026-11-23T12:00:00Z.\n");
}

static void help_command(const struct ctl_command *c)
{
    printf("Usage: orderctl %s%s%s [FLAGS]%s\n\n%s.\n", c->name, c->operands != NULL ? " " : "",
           c->operands != NULL ? c->operands : "", c->runs ? " -- COMMAND ARG..." : "", c->summary);
    if (c->details != NULL) {
        printf("%s\n", c->details);
    }
    printf("\nFlags:\n");
    flags_print(c->flags, NULL, stdout);
    flags_print(global_flags, c->flags, stdout);
}

/* Commands are one word or two, and one word may be a command and begin another. *used tells how many
 * of the words it took. */
static const struct ctl_command *command_find(const char *first, const char *second, int *used)
{
    const struct ctl_command *found = NULL;

    for (size_t t = 0; t < sizeof command_tables / sizeof *command_tables; t++) {
        for (const struct ctl_command *c = command_tables[t]; c->name != NULL; c++) {
            size_t len = strlen(first);
            if (strcmp(c->name, first) == 0) {
                *used = 1;
                found = c;
            } else if (second != NULL && strncmp(c->name, first, len) == 0 && c->name[len] == ' ' &&
                       strcmp(c->name + len + 1, second) == 0) {
                *used = 2;
                return c;
            }
        }
    }
    return found;
}

/* The first word of two-word commands, alone or with a wrong second one. */
static bool command_is_family(const char *first)
{
    for (size_t t = 0; t < sizeof command_tables / sizeof *command_tables; t++) {
        for (const struct ctl_command *c = command_tables[t]; c->name != NULL; c++) {
            size_t len = strlen(first);
            if (strncmp(c->name, first, len) == 0 && c->name[len] == ' ') {
                return true;
            }
        }
    }
    return false;
}

/* "@FILE" and "-" for what had better not stand in a command line. */
static int take_text(struct ctl *ctl, const struct flags *f, const char **value)
{
    const char *why;
    char *text = flag_text_read(*value, &why);

    if (text == NULL) {
        return ctl_usage(ctl, "--%s %s: %s", f->name,
                         (*value)[0] == '@' ? *value + 1 : "from the standard input", why);
    }
    ctl->texts[ctl->n_texts++] = text;
    *value = text;
    return CTL_DONE;
}

static int take_flag(struct ctl *ctl, const struct flags *f, int key, const char *value)
{
    unsigned most = key == CTL_SECRET || key == CTL_SIGNING_KEY ? PROTOCOL_SECRETS_MAX
                    : key == CTL_HEADER                         ? PROTOCOL_HEADERS_MAX
                                                                : 1;

    if (ctl->flags[key].n == most && key != CTL_HELP && key != CTL_VERSION) {
        return most == 1 ? ctl_usage(ctl, "--%s is given twice", f->name)
                         : ctl_usage(ctl, "--%s may be given at most %u times", f->name, most);
    }
    if (key == CTL_SECRET || key == CTL_SIGNING_KEY || key == CTL_HEADER || key == CTL_TOKEN) {
        int rv = take_text(ctl, f, &value);
        if (rv != CTL_DONE) {
            return rv;
        }
    }
    if (ctl->flags[key].n < most) {
        ctl->flags[key].values[ctl->flags[key].n++] = value != NULL ? value : "";
    }
    return CTL_DONE;
}

/* Flags up to the command's name. *at: where in argv the name is, or argc. */
static int read_global_flags(struct ctl *ctl, int argc, char **argv, int *at)
{
    struct flags f;
    const char *value;

    flags_init(&f, argc, argv, global_flags, NULL);
    for (;;) {
        int key = flags_next(&f, &value);
        if (key == FLAGS_ERROR) {
            return ctl_usage(ctl, "%s", f.error);
        }
        if (key == FLAGS_END || key == FLAGS_OPERAND) {
            *at = key == FLAGS_END ? argc : f.at - 1;
            return CTL_DONE;
        }
        int rv = take_flag(ctl, &f, key, value);
        if (rv != CTL_DONE) {
            return rv;
        }
    }
}

static int read_command_flags(struct ctl *ctl, int argc, char **argv)
{
    struct flags f;
    const char *value;

    flags_init(&f, argc, argv, ctl->command->flags != NULL ? ctl->command->flags : global_flags,
               global_flags);
    for (;;) {
        int key = flags_next(&f, &value);
        int rv = CTL_DONE;
        if (key == FLAGS_END) {
            return CTL_DONE;
        }
        if (key == FLAGS_ERROR) {
            return ctl_usage(ctl, "%s", f.error);
        }
        if (key != FLAGS_OPERAND) {
            rv = take_flag(ctl, &f, key, value);
        } else if (ctl->command->runs && f.no_more_flags) {
            ctl->words = (const char *const *)argv + f.at - 1; /* main's argv ends with a NULL */
            return CTL_DONE;
        } else if (ctl->n_operands == ctl->command->operands_max) {
            rv = ctl_usage(ctl, "\"%s\" is one argument too many", value);
        } else {
            ctl->operands[ctl->n_operands++] = value;
        }
        if (rv != CTL_DONE) {
            return rv;
        }
    }
}

/* What the global flags mean. */
/* By its socket: nobody else can be there, and whoever has the directory has all that is in it. */
static int settle_local(struct ctl *ctl)
{
    const char *dir = ctl_value(ctl, CTL_LOCALLY);
    char path[4096];

    if (dir == NULL) {
        return CTL_DONE;
    }
    if (ctl_value(ctl, CTL_ENDPOINTS) != NULL || ctl_value(ctl, CTL_TOKEN) != NULL) {
        return ctl_usage(ctl, "--local stands for --endpoints and --token: give it alone");
    }
    if (realpath(dir, path) == NULL) {
        return ctl_usage(ctl, "--local %s: %s", dir, strerror(errno));
    }
    int n = snprintf(ctl->local, sizeof ctl->local, "unix:%s/%s", path, PROTOCOL_LOCAL_SOCKET);
    if (n < 0 || (size_t)n >= sizeof ctl->local || strpbrk(ctl->local, ", ") != NULL) {
        return ctl_usage(ctl, "--local %s: its path is too long, or has a comma or a space", dir);
    }
    if (access(ctl->local + strlen("unix:"), F_OK) != 0) {
        return ctl_usage(ctl, "--local %s: no node runs there, or it is not yours: no %s", dir,
                         PROTOCOL_LOCAL_SOCKET);
    }
    ctl->endpoints = ctl->local;
    ctl->token = "";
    return CTL_DONE;
}

static int settle_globals(struct ctl *ctl)
{
    const char *environment = getenv("ORDERSCHED_ENDPOINTS");
    const char *timeout = ctl_value(ctl, CTL_TIMEOUT);
    const char *write = ctl_value(ctl, CTL_WRITE);
    uint64_t timeout_ms = CTL_TIMEOUT_DEFAULT_MS;

    ctl->endpoints = ctl_value(ctl, CTL_ENDPOINTS);
    if (ctl->endpoints == NULL) {
        ctl->endpoints = environment != NULL && *environment != 0 ? environment : "127.0.0.1:7401";
    }
    ctl->cluster = ctl_value(ctl, CTL_CLUSTER) != NULL ? ctl_value(ctl, CTL_CLUSTER)
                                                       : "orderschedd";
    if (*ctl->cluster == 0 || strlen(ctl->cluster) > PROTOCOL_CLUSTER_MAX) {
        return ctl_usage(ctl, "--cluster must have 1 to %d bytes", PROTOCOL_CLUSTER_MAX);
    }
    if (timeout != NULL && (!units_parse_duration(timeout, &timeout_ms) || timeout_ms == 0 ||
                            timeout_ms > 24ull * 3600 * 1000)) {
        return ctl_usage(ctl, "--timeout must be a duration from 1ms to 24h, not \"%s\"", timeout);
    }
    ctl->token = ctl_value(ctl, CTL_TOKEN) != NULL ? ctl_value(ctl, CTL_TOKEN)
                                                   : getenv("ORDERSCHED_TOKEN");
    if (ctl->token != NULL && *ctl->token != '\0' &&
        !token_is_wellformed((struct slice){(const uint8_t *)ctl->token, strlen(ctl->token)})) {
        return ctl_usage(ctl, "%s is no token: osdt_ and 43 characters",
                         ctl_value(ctl, CTL_TOKEN) != NULL ? "what --token says"
                                                           : "what ORDERSCHED_TOKEN holds");
    }
    ctl->timeout_ms = (unsigned)timeout_ms;
    ctl->given_timeout = timeout != NULL;
    ctl->lines = write != NULL && strcmp(write, "jsonl") == 0;
    ctl->json = ctl->lines || (write != NULL && strcmp(write, "json") == 0);
    if (write != NULL && !ctl->json && strcmp(write, "table") != 0) {
        return ctl_usage(ctl, "-w \"%s\" is neither table nor json nor jsonl", write);
    }
    if (ctl->lines && !ctl->command->lists) {
        return ctl_usage(ctl, "-w jsonl is for lists, and this prints none: -w json");
    }
    const char *wrong = tls_flags_settle(&ctl->tls, ctl_value(ctl, CTL_TLS_CA),
                                         ctl_value(ctl, CTL_TLS_CERT), ctl_value(ctl, CTL_TLS_KEY));
    return wrong != NULL ? ctl_usage(ctl, "%s", wrong) : settle_local(ctl);
}

static int open_client(struct ctl *ctl)
{
    char why[1024] = "";
    struct ordersched_config config = {.endpoints = ctl->endpoints,
                                       .cluster = ctl->cluster,
                                       .timeout_ms = ctl->timeout_ms,
                                       .token = ctl->token,
                                       .tls_ca = ctl->tls.ca,
                                       .tls_cert = ctl->tls.cert,
                                       .tls_key = ctl->tls.key,
                                       .why = why,
                                       .why_size = sizeof why};

    int rv = ordersched_open(&config, &ctl->client);
    if (rv == ORDERSCHED_ARGUMENT) {
        return ctl_usage(ctl, "the endpoints must be a list HOST:PORT,HOST:PORT, not \"%s\"",
                         ctl->endpoints);
    }
    if (rv != ORDERSCHED_OK) {
        char *clean = table_escape(why, strlen(why));
        fprintf(stderr, "orderctl: %s: %s.\n", ordersched_error_name(rv),
                clean != NULL ? clean : ordersched_error_text(rv));
        free(clean);
    }
    return rv == ORDERSCHED_TLS_FILES ? CTL_USAGE : ctl_exit_code(rv);
}

static int run_command(struct ctl *ctl)
{
    char raft[PROTOCOL_ADDRESS_MAX], clients[PROTOCOL_ADDRESS_MAX];

    if (ctl->n_operands < ctl->command->operands_min) {
        return ctl_usage(ctl, "missing argument: %s", ctl->command->operands);
    }
    int rv = ctl->command->check != NULL ? ctl->command->check(ctl) : CTL_DONE;
    if (rv != CTL_DONE) {
        return rv;
    }
    if (ctl->command->offline) {
        return ctl->command->run(ctl);
    }
    if (ctl->local[0] == '\0' && ctl_names_raft_ports(ctl, raft, sizeof raft)) {
        units_move_port(raft, 1, clients, sizeof clients);
        return ctl_usage(ctl, "%s is a node's Raft port: its clients use the port after it, %s",
                         raft, clients);
    }
    rv = open_client(ctl);
    if (rv != CTL_DONE) {
        return rv;
    }
    rv = ctl->command->run(ctl);
    ordersched_close(ctl->client);
    return rv;
}

static int find_and_run(struct ctl *ctl, int argc, char **argv, int at)
{
    int used = 0;

    if (ctl->flags[CTL_VERSION].n > 0) {
        printf("orderctl %s\n", ORDERSCHEDD_VERSION);
        return CTL_DONE;
    }
    if (ctl->flags[CTL_HELP].n > 0 && at == argc) {
        help_program();
        return CTL_DONE;
    }
    if (at == argc) {
        return ctl_usage(ctl, "a command is missing");
    }
    ctl->command = command_find(argv[at], at + 1 < argc ? argv[at + 1] : NULL, &used);
    if (ctl->command == NULL && command_is_family(argv[at])) {
        return ctl_usage(ctl, "\"%s\" needs one of its commands after it", argv[at]);
    }
    if (ctl->command == NULL) {
        return ctl_usage(ctl, "unknown command \"%s\"", argv[at]);
    }
    int rv = read_command_flags(ctl, argc - at - used, argv + at + used);
    if (rv != CTL_DONE) {
        return rv;
    }
    if (ctl->flags[CTL_HELP].n > 0) {
        help_command(ctl->command);
        return CTL_DONE;
    }
    rv = settle_globals(ctl);
    return rv != CTL_DONE ? rv : run_command(ctl);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    int at = argc;

    int rv = read_global_flags(&ctl, argc - 1, argv + 1, &at);
    if (rv == CTL_DONE) {
        rv = find_and_run(&ctl, argc - 1, argv + 1, at);
    }
    while (ctl.n_texts > 0) {
        flag_text_free(ctl.texts[--ctl.n_texts]);
    }
    if ((fflush(stdout) != 0 || ferror(stdout)) && !ctl.reader_left) {
        fprintf(stderr, "orderctl: the answer could not be written to the standard output\n");
        return rv == CTL_DONE ? CTL_UNKNOWN : rv;
    }
    return rv;
}
