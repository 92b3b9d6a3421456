/* route.h - what the route commands of orderctl share. */
#ifndef ORDERCTL_ROUTE_H
#define ORDERCTL_ROUTE_H

#include "orderctl.h"

extern const struct flag ctl_route_put_flags[]; /* of put and set */
int ctl_route_put_check(struct ctl *ctl);
int ctl_route_put_run(struct ctl *ctl);
int ctl_route_set_check(struct ctl *ctl);
int ctl_route_set_run(struct ctl *ctl);
int ctl_route_list_run(struct ctl *ctl);
int ctl_route_show_run(struct ctl *ctl);

/* Is the first operand a route name? CTL_DONE, or CTL_USAGE after ctl_usage(). */
int ctl_route_check_name(struct ctl *ctl);
/* Ask with a request id about the route of the first operand. Such operations may be repeated by
 * hand without harm, so the id is not shown. */
int ctl_route_ask(struct ctl *ctl, struct operation *op, struct ask_reply *reply);
/* "whsec_" and the base64 of fresh random bytes; malloc'ed, NULL on failure. */
char *ctl_route_make_secret(void);
/* The signing keys of --signing-key; those that are to be made are made now, once, and then stand in
 * the flag's values. CTL_DONE, or CTL_USAGE after ctl_usage(). */
int ctl_route_read_keys(struct ctl *ctl, struct route_settings *settings);
/* What the settings point to of the files of --ca-file, --client-cert and --client-key. Each has room for
 * a byte more than is allowed, so that too much is seen as such. */
struct route_pem {
    char ca[PROTOCOL_CA_MAX + 1];
    char client_cert[PROTOCOL_CLIENT_CERT_MAX + 1];
    char client_key[PROTOCOL_CLIENT_KEY_MAX + 1];
};
/* Read them: they go into the replicated state, so that any leader has them. CTL_DONE, or CTL_USAGE after
 * ctl_usage(). */
int ctl_route_read_pem(struct ctl *ctl, struct route_settings *settings, struct route_pem *pem);
/* The public keys of these, for the receiver: lines on the standard output; an array. */
void ctl_route_show_keys(const struct route_settings *settings);
json_t *ctl_route_keys_json(const struct route_settings *settings);
/* Say that it is shown this once. */
void ctl_route_show_secret(const char *made);

#endif
