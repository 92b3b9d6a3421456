/* cert.c - certificates are made: of a cluster's CA, of its nodes, of its clients. */
#include <string.h>

#include "cert_making.h"

static const char *out_directory(const struct ctl *ctl)
{
    const char *out = ctl_value(ctl, CTL_OUT);

    return out != NULL ? out : ".";
}

static const char *ca_directory(const struct ctl *ctl)
{
    const char *ca = ctl_value(ctl, CTL_CA);

    return ca != NULL ? ca : out_directory(ctl);
}

/* ---- arguments ---- */

static int check_create_ca(struct ctl *ctl)
{
    return making_check_flags(ctl);
}

static int check_node(struct ctl *ctl)
{
    const char *list = ctl_value(ctl, CTL_HOST);
    struct cert_names hosts = {0};
    struct cert_error error = {0};
    uint64_t id;

    if (!ctl_parse_number(ctl->operands[0], 1, INT64_MAX, &id)) {
        return ctl_usage(ctl, "the node id must be a number of 1 or more, not \"%s\"",
                         ctl->operands[0]);
    }
    if (list == NULL) {
        return ctl_usage(ctl, "--host HOST is missing: the names and addresses under which others "
                              "dial the node, separated by commas");
    }
    bool good = cert_names_add_hosts(&hosts, list, &error);
    cert_names_free(&hosts);
    return good ? making_check_flags(ctl) : ctl_usage(ctl, "--host: %s", error.text);
}

static int check_client(struct ctl *ctl)
{
    const char *name = ctl->operands[0];

    if (!certificate_client_is_good(name, strlen(name))) {
        return ctl_usage(ctl,
                         "a client's name has 1 to %d letters, digits, -, _ and ., unlike \"%s\"",
                         CERTIFICATE_CLIENT_MAX, name);
    }
    return making_check_flags(ctl);
}

/* What is there already is named, and how it is replaced nevertheless. */
static bool refuse_existing(struct making *m, const char *advice)
{
    if (m->error.code == CERT_EXISTS) {
        size_t len = strlen(m->error.text);
        snprintf(m->error.text + len, sizeof m->error.text - len, "; %s", advice);
    }
    return false;
}

/* ---- create-ca ---- */

static int run_create_ca(struct ctl *ctl)
{
    bool force = ctl_value(ctl, CTL_FORCE) != NULL;
    struct making m;

    making_begin(&m);
    m.plan.use = CERT_USE_CA;
    snprintf(m.plan.name.cluster, sizeof m.plan.name.cluster, "%s", ctl->cluster);
    making_plan_times(&m, ctl, CERT_CA_VALID_MS);
    bool good = making_open(&m, out_directory(ctl), CERT_AUTHORITY_STEM, true) &&
                (making_put(&m, true, force) ||
                 refuse_existing(&m, "what it signed would be void with another one. For another "
                                     "CA take another directory; to replace it nevertheless, and "
                                     "keep it beside: --force"));
    if (good && m.kept[0] != 0) {
        ctl_cert_note(&m.notes, "nodes and clients that know the old CA do not know this one, "
                                "until both are in their file of CAs");
    }
    return making_end(&m, ctl, good, true);
}

/* ---- node and client ---- */

static int make_leaf(struct ctl *ctl, struct making *m, const char *stem)
{
    bool force = ctl_value(ctl, CTL_FORCE) != NULL;

    bool good = making_load_ca(m, ca_directory(ctl), ctl_value(ctl, CTL_CLUSTER));
    if (good) {
        memcpy(m->plan.name.cluster, m->ca.cluster, sizeof m->plan.name.cluster);
        making_plan_times(m, ctl, CERT_VALID_MS);
        good = making_open(m, out_directory(ctl), stem, true) &&
               (making_put(m, true, force) ||
                refuse_existing(m, "for a new one with the same names: orderctl cert renew; to "
                                   "make it anew, and keep it beside: --force"));
    }
    return making_end(m, ctl, good, true);
}

static int run_node(struct ctl *ctl)
{
    struct making m;
    char stem[32];

    making_begin(&m);
    m.plan.use = CERT_USE_NODE;
    m.plan.name.kind = CERTIFICATE_NODE;
    (void)ctl_parse_number(ctl->operands[0], 1, INT64_MAX, &m.plan.name.node);
    (void)cert_names_add_hosts(&m.plan.hosts, ctl_value(ctl, CTL_HOST), &m.error);
    snprintf(stem, sizeof stem, "node-%llu", (unsigned long long)m.plan.name.node);
    return make_leaf(ctl, &m, stem);
}

static int run_client(struct ctl *ctl)
{
    struct making m;
    char stem[8 + CERTIFICATE_CLIENT_MAX];

    making_begin(&m);
    m.plan.use = CERT_USE_CLIENT;
    m.plan.name.kind = CERTIFICATE_CLIENT;
    snprintf(m.plan.name.client, sizeof m.plan.name.client, "%s", ctl->operands[0]);
    snprintf(stem, sizeof stem, "client-%s", m.plan.name.client);
    return make_leaf(ctl, &m, stem);
}

/* ---- the table ---- */

static const struct flag ca_flags[] = {
    {CTL_CLUSTER, "cluster", 0, "NAME", "whose CA it is (orderschedd); nodes are started with it"},
    {CTL_OUT, "out", 0, "DIR", "where its files come to be; made if it is not there (.)"},
    {CTL_VALID, "valid", 0, "DURATION", "for how long it may sign (3650d)"},
    {CTL_FORCE, "force", 0, NULL, "replace one that is there, and keep it beside as .old"},
    {0},
};

static const struct flag node_flags[] = {
    {CTL_HOST, "host", 0, "HOST,...", "names and addresses under which others dial the node"},
    {CTL_OUT, "out", 0, "DIR", "where its files come to be; made if it is not there (.)"},
    {CTL_CA, "ca", 0, "DIR", "where ca.crt and ca.key are (the same as --out)"},
    {CTL_CLUSTER, "cluster", 0, "NAME",
     "refuse a CA of another cluster; needed where it names none"},
    {CTL_VALID, "valid", 0, "DURATION", "for how long, but not beyond the CA (397d)"},
    {CTL_FORCE, "force", 0, NULL, "replace one that is there, and keep it beside as .old"},
    {0},
};

const struct ctl_command ctl_cert_commands[] = {
    {.name = "cert create-ca",
     .summary = "Make the CA of a cluster: ca.crt and ca.key",
     .details =
         "The first step to TLS, on a machine that is no node. ca.crt goes to every node and\n"
         "client; ca.key signs their certificates and goes nowhere: whoever has it can be any of\n"
         "them. The cluster's name stands in ca.crt, so that it need not be repeated.",
     .flags = ca_flags,
     .offline = true,
     .check = check_create_ca,
     .run = run_create_ca},
    {.name = "cert node",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Make a node's certificate and key: node-ID.crt, node-ID.key",
     .details = "For all of its ports: TLS servers and clients. It names the node, each --host, "
                "and the\n"
                "cluster's one DNS name, CLUSTER.orderschedd, which clients check.",
     .flags = node_flags,
     .offline = true,
     .check = check_node,
     .run = run_node},
    {.name = "cert client",
     .operands = "NAME",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Make a client's certificate and key: client-NAME.crt, client-NAME.key",
     .details = "NAME is who it is to the cluster: a shop, a worker, an operator.",
     .flags = node_flags + 1,
     .offline = true,
     .check = check_client,
     .run = run_client},
    {0},
};
