/* fuzz_orderctl.c - what nodes answer to orderctl, which shows it to a person or as JSON.
 *
 * The whole program, but for the client below it. The first byte chooses the command, then each question
 * has its answer: the error, the state, and a body, which is one value, as the client library demands. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/cursor.h"
#include "input.h"

int orderctl_main(int argc, char **argv);
#define main orderctl_main
#include "../../client/ctl/orderctl.c"
#undef main

#define ASKED_MAX 200 /* of a list there is always another page */

/* Those that ask and then end. */
static char *const commands[][6] = {
    {"status"},
    {"-w", "json", "status"},
    {"dead", "show", "a"},
    {"member", "list"},
    {"-w", "json", "member", "list"},
    {"get", "a"},
    {"get", "a", "--history"},
    {"-w", "json", "get", "a"},
    {"-w", "json", "get", "a", "--history"},
    {"list"},
    {"-w", "json", "list", "--limit", "300"},
    {"route", "list"},
    {"-w", "json", "route", "list"},
    {"dead", "list"},
    {"-w", "json", "dead", "list"},
    {"dead", "redrive", "--route", "r"},
    {"clock"},
    {"-w", "json", "clock"},
    {"clock", "trust", "1"},
    {"clock", "set-back"},
    {"pay", "a"},
    {"-w", "json", "digest"},
    {"list", "--prefix", "a", "--due-after", "2026-11-23T12:00:00Z"},
};
#define COMMANDS (sizeof commands / sizeof *commands)

/* The answers that are left, and how often one was given. */
static struct input answers;
static unsigned asked;

static int take_reply(struct ask_reply *reply)
{
    struct cursor c;

    *reply = (struct ask_reply){.error = ORDERSCHED_UNREACHABLE};
    if (asked++ >= ASKED_MAX || input_left(&answers) == 0) {
        return reply->error;
    }
    reply->error = (int)input_number(&answers, 1) % (ORDERSCHED_ARGUMENT + 1);
    reply->state = (int)input_number(&answers, 1);
    reply->deadline_ms = input_number(&answers, 6);
    reply->remaining_ms = reply->deadline_ms / 2;
    reply->index = reply->deadline_ms / 3;
    struct slice piece = input_piece(&answers);
    cursor_init(&c, piece.data, piece.len);
    struct slice value = cursor_skip(&c);
    if (cursor_ok(&c) && value.len > 0) {
        reply->body = input_copy(value);
        reply->body_len = value.len;
        snprintf(reply->text, sizeof reply->text, "%.*s", reply->error != 0 ? (int)value.len : 0,
                 (const char *)value.data);
    }
    return reply->error;
}

/* In the place of ask.c and of the client. */
int ask_operation(ordersched_client *client, const struct ordersched_operation *operation,
                  unsigned timeout_ms, struct ask_reply *reply)
{
    (void)client, (void)operation, (void)timeout_ms;
    return take_reply(reply);
}
int ask_leader(ordersched_client *client, const struct operation *operation, unsigned timeout_ms,
               struct ask_reply *reply)
{
    (void)client, (void)operation, (void)timeout_ms;
    return take_reply(reply);
}
void ask_leader_each(ordersched_client *client, const struct operation *operations,
                     unsigned timeout_ms, struct ask_reply *replies, unsigned n)
{
    (void)client, (void)operations, (void)timeout_ms;
    for (unsigned i = 0; i < n; i++) {
        (void)take_reply(&replies[i]);
    }
}
void ask_nodes(ordersched_client *client, const struct operation *operation, unsigned timeout_ms,
               struct ask *asks, unsigned n)
{
    (void)client, (void)operation, (void)timeout_ms;
    for (unsigned i = 0; i < n; i++) {
        assert(strlen(asks[i].target) < PROTOCOL_ADDRESS_MAX);
        (void)take_reply(&asks[i].reply);
    }
}
void ask_reply_free(struct ask_reply *reply)
{
    free(reply->body);
    reply->body = NULL;
}
int ordersched_open(const struct ordersched_config *config, ordersched_client **client)
{
    (void)config;
    *client = must_have(malloc(1));
    return ORDERSCHED_OK;
}
void ordersched_close(ordersched_client *client)
{
    free(client);
}
int ordersched_request_id(ordersched_client *client, unsigned timeout_ms,
                          uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    (void)client, (void)timeout_ms;
    memset(request_id, 1, ORDERSCHED_REQUEST_ID_SIZE);
    return ORDERSCHED_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    struct input in = input_of(data, size);
    char *argv[8] = {"orderctl"};
    int argc = 1;

    if (!quiet) {
        quiet = freopen("/dev/null", "w", stdout) != NULL;
        assert(quiet);
    }
    char *const *command = commands[input_number(&in, 1) % COMMANDS];
    while (argc < 7 && command[argc - 1] != NULL) {
        argv[argc] = command[argc - 1];
        argc++;
    }
    answers = in;
    asked = 0;
    int rv = orderctl_main(argc, argv);
    assert(rv == CTL_DONE || rv == CTL_REFUSED || rv == CTL_UNKNOWN);
    return 0;
}
