/* routes.c - callback routes: pause, resume, rotate, delete; and the commands about them. */
#include <stdlib.h>
#include <string.h>

#include "../wire/route_secrets.h"
#include "route.h"

/* Ask, and say what became of the route. */
static int change_route(struct ctl *ctl, struct operation *op, const char *done)
{
    struct ask_reply reply;

    int rv = ctl_route_ask(ctl, op, &reply);
    if (rv != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    } else if (ctl->json) {
        rv = ctl_print_json(json_pack("{ss, ss, ss}", "command", ctl->command->name, "route",
                                      ctl->operands[0], "error", "OK"));
    } else {
        printf("route %s %s\n", ctl->operands[0], done);
        rv = CTL_DONE;
    }
    ask_reply_free(&reply);
    return rv;
}

static int run_delete(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_DELETE};

    return change_route(ctl, &op, "is deleted");
}

static int run_pause(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PAUSE, .paused = true};

    return change_route(ctl, &op, "is paused: due orders are kept, none is delivered");
}

static int run_resume(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_PAUSE, .paused = false};

    return change_route(ctl, &op, "is resumed");
}

static int run_retry(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_RETRY};

    return change_route(ctl, &op, "is retried: its orders do not wait for their next attempt");
}

/* ---- rotate ---- */

static const struct flag rotate_flags[] = {
    {CTL_SECRET, "secret", 0, "whsec_...|@FILE|-",
     "the new secret; else one is made and shown once"},
    {CTL_SIGNING_KEY, "signing-key", 0, "new|whsk_...|whpk_...|@FILE|-",
     "an ed25519 key instead: given, made, or the one of this public key; secrets stay"},
    {CTL_KEEP, "keep", 0, "N", "older secrets, or keys, to sign with as well, 0 to 3 (1)"},
    {0},
};

/* The key is in op->settings as well. */
static int read_rotated_key(struct ctl *ctl, struct operation *op)
{
    const char *value = ctl_value(ctl, CTL_SIGNING_KEY);

    if (value != NULL &&
        route_public_key_is_good((struct slice){(const uint8_t *)value, strlen(value)})) {
        op->secret = (struct slice){(const uint8_t *)value, strlen(value)};
        return CTL_DONE;
    }
    int rv = ctl_route_read_keys(ctl, &op->settings);

    if (rv == CTL_DONE && op->settings.n_signing_keys > 0) {
        op->secret = op->settings.signing_keys[0];
    }
    return rv;
}

static int read_rotate(struct ctl *ctl, struct operation *op)
{
    const char *secret = ctl_value(ctl, CTL_SECRET);
    const char *keep = ctl_value(ctl, CTL_KEEP);
    uint64_t n = 1;

    if (ctl->flags[CTL_SECRET].n + ctl->flags[CTL_SIGNING_KEY].n > 1) {
        return ctl_usage(ctl, ctl->flags[CTL_SIGNING_KEY].n == 0 ? "--secret is given twice"
                              : ctl->flags[CTL_SECRET].n == 0    ? "--signing-key is given twice"
                                                                 : "--secret and --signing-key are "
                                                                   "rotated one after the other");
    }
    if (keep != NULL && !ctl_parse_number(keep, 0, PROTOCOL_SECRETS_MAX - 1, &n)) {
        return ctl_usage(ctl, "--keep must be a number from 0 to %d, not \"%s\"",
                         PROTOCOL_SECRETS_MAX - 1, keep);
    }
    op->keep = (uint32_t)n;
    if (secret != NULL) {
        op->secret = (struct slice){(const uint8_t *)secret, strlen(secret)};
        if (!route_secret_is_good(op->secret)) {
            return ctl_usage(ctl, "--secret is not whsec_ and base64 of 24 to 64 bytes");
        }
    }
    return read_rotated_key(ctl, op);
}

static int check_rotate(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_ROTATE};

    int rv = ctl_route_check_name(ctl);
    return rv != CTL_DONE ? rv : read_rotate(ctl, &op);
}

static int print_rotated(const struct ctl *ctl, const char *made,
                         const struct route_settings *settings)
{
    if (ctl->json) {
        return ctl_print_json(json_pack("{ss, ss, ss, ss?, so}", "command", ctl->command->name,
                                        "route", ctl->operands[0], "error", "OK", "made_secret",
                                        made, "public_keys", ctl_route_keys_json(settings)));
    }
    printf("route %s signs with its new %s\n", ctl->operands[0],
           ctl->flags[CTL_SIGNING_KEY].n > 0 ? "key" : "secret");
    ctl_route_show_keys(settings);
    if (made != NULL) {
        ctl_route_show_secret(made);
    }
    return CTL_DONE;
}

static int run_rotate(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_ROUTE_ROTATE};
    struct ask_reply reply;
    char *made = NULL;

    int rv = read_rotate(ctl, &op);
    if (rv != CTL_DONE) {
        return rv;
    }
    if (op.secret.len == 0) {
        made = ctl_route_make_secret();
        if (made == NULL) {
            fprintf(stderr,
                    "orderctl: route rotate: no random bytes for a secret; nothing was done\n");
            return CTL_REFUSED;
        }
        op.secret = (struct slice){(const uint8_t *)made, strlen(made)};
    }
    rv = ctl_route_ask(ctl, &op, &reply);
    if (rv == ORDERSCHED_INVALID && ctl_value(ctl, CTL_SIGNING_KEY) != NULL) {
        snprintf(reply.text, sizeof reply.text, "the route has no such key: see route show");
    }
    rv = rv == ORDERSCHED_OK ? print_rotated(ctl, made, &op.settings)
                             : ctl_fail(ctl, ctl->operands[0], NULL, &reply);
    if (made != NULL && ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        /* Whether it holds is not known: the receiver needs it in any case. */
        fprintf(stderr, "orderctl: route rotate: the secret may be in place: %s\n", made);
    }
    ask_reply_free(&reply);
    free(made);
    return rv;
}

const struct ctl_command ctl_route_commands[] = {
    {.name = "route put",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1 + PROTOCOL_COMMAND_MAX,
     .summary = "Create a callback route, or change the settings that are named",
     .details = "Orders of the route are told to its URL when they are due, signed with every one\n"
                "of its secrets (Standard Webhooks). Without --secret one is made and shown once.\n"
                "With --signing-key they are signed with an ed25519 key as well, which receivers\n"
                "verify by its public half: they cannot sign themselves.\n"
                "Of kind worker: they wait for workers. Of kind exec: the leader runs a program,\n"
                "given after all flags: orderctl route put NAME --kind exec -- /PATH [ARG...]\n"
                "After \"route put\", --timeout is that of a delivery; before it, of the command.",
     .flags = ctl_route_put_flags,
     .check = ctl_route_put_check,
     .run = ctl_route_put_run},
    {.name = "route set",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1 + PROTOCOL_COMMAND_MAX,
     .summary = "Change settings of an existing callback route",
     .details =
         "What is not named stays as it is; a list (--secret, --signing-key, --header, --retry)\n"
         "is replaced as a whole. Its kind stays. A program is given as with route put.",
     .flags = ctl_route_put_flags,
     .check = ctl_route_set_check,
     .run = ctl_route_set_run},
    {.name = "route list",
     .summary = "Show the callback routes, without their secrets and the values of their headers",
     .lists = true,
     .run = ctl_route_list_run},
    {.name = "route show",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Show all settings of a callback route, and the public keys that verify it",
     .check = ctl_route_check_name,
     .run = ctl_route_show_run},
    {.name = "route pause",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Keep a route's due orders instead of delivering them",
     .details = "Deliveries under way go on to their end. Nothing is lost, and nothing fails.",
     .check = ctl_route_check_name,
     .run = run_pause},
    {.name = "route resume",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Deliver a paused route's orders again",
     .check = ctl_route_check_name,
     .run = run_resume},
    {.name = "route retry-now",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Deliver at once what waits for its next attempt on a route",
     .details =
         "A put, set or rotate that changes where or how the route delivers does this by itself.\n"
         "Dead letters stay: see dead redrive.",
     .check = ctl_route_check_name,
     .run = run_retry},
    {.name = "route rotate",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Sign a route's deliveries with a new secret, and for now with older ones as well",
     .details =
         "Once the receiver has the new secret, drop the older ones: rotate again, with the\n"
         "same secret and --keep 0. With --signing-key the same for the key: receivers must know\n"
         "its public half, which route show tells, and by which it is named then.",
     .flags = rotate_flags,
     .check = check_rotate,
     .run = run_rotate},
    {.name = "route delete",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Delete a callback route that no known order points to",
     .check = ctl_route_check_name,
     .run = run_delete},
    {0},
};
