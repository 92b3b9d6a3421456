/* client_tls.c - see client_tls.h. */
#include "client_tls.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client_engine.h"
#include "../ordersched.h"
#include "../wire/certificate_name.h"

/* A file is another one if any of these differ. All zero: it is not there. */
struct seen {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec modified;
    struct timespec changed;
};

struct client_tls {
    struct client_tls_paths paths; /* our own copies */
    char name[CERTIFICATE_DNS_MAX + 1];
    struct seen seen[3]; /* as they were when they were last read */
    nng_tls_config *config;
    unsigned loaded; /* how often it was made */
};

static void see_file(const char *path, struct seen *seen)
{
    struct stat st;

    memset(seen, 0, sizeof *seen);
    if (path != NULL && stat(path, &st) == 0) {
        seen->device = st.st_dev;
        seen->inode = st.st_ino;
        seen->size = st.st_size;
        seen->modified = st.st_mtim;
        seen->changed = st.st_ctim;
    }
}

static void see_files(const struct client_tls_paths *paths, struct seen seen[3])
{
    see_file(paths->ca, &seen[0]);
    see_file(paths->cert, &seen[1]);
    see_file(paths->key, &seen[2]);
}

/* Of files that were found good. */
static int make_config(const struct client_tls *tls, const struct client_tls_files *files,
                       nng_tls_config **config)
{
    client_engine_use();
    int rv = nng_tls_config_alloc(config, NNG_TLS_MODE_CLIENT);
    if (rv != 0) {
        return rv;
    }
    if ((rv = nng_tls_config_auth_mode(*config, NNG_TLS_AUTH_MODE_REQUIRED)) != 0 ||
        (rv = nng_tls_config_server_name(*config, tls->name)) != 0 ||
        (rv = nng_tls_config_ca_chain(*config, files->ca, NULL)) != 0 ||
        (files->cert != NULL &&
         (rv = nng_tls_config_own_cert(*config, files->cert, files->key, NULL)) != 0)) {
        nng_tls_config_free(*config);
        *config = NULL;
    }
    return rv;
}

/* What is in force stays so if this fails. */
static int load(struct client_tls *tls, char *why, size_t why_size)
{
    struct client_tls_files files;
    nng_tls_config *config = NULL;

    see_files(&tls->paths, tls->seen); /* before they are read: a change meanwhile is another one */
    if (!client_tls_files_read(&tls->paths, &files, why, why_size)) {
        return ORDERSCHED_TLS_FILES;
    }
    int rv = make_config(tls, &files, &config);
    client_tls_files_free(&files);
    if (rv != 0) {
        snprintf(why, why_size, "nng does not take %s: %s", tls->paths.ca, nng_strerror(rv));
        return rv == NNG_ENOMEM ? ORDERSCHED_NO_MEMORY : ORDERSCHED_TLS_FILES;
    }
    if (tls->config != NULL) {
        nng_tls_config_free(tls->config);
    }
    tls->config = config;
    tls->loaded++;
    return ORDERSCHED_OK;
}

static bool copy_path(const char *path, const char **copy)
{
    *copy = path != NULL ? strdup(path) : NULL;
    return path == NULL || *copy != NULL;
}

int client_tls_new(const struct client_tls_paths *paths, const char *cluster,
                   struct client_tls **tls, char *why, size_t why_size)
{
    if (!certificate_cluster_is_good(cluster, strlen(cluster))) {
        snprintf(why, why_size,
                 "a cluster with TLS has letters, digits, '-', '_' and '.' in its name,"
                 " for its certificates");
        return ORDERSCHED_TLS_FILES;
    }
    struct client_tls *t = calloc(1, sizeof *t);
    if (t == NULL || !copy_path(paths->ca, &t->paths.ca) ||
        !copy_path(paths->cert, &t->paths.cert) || !copy_path(paths->key, &t->paths.key)) {
        client_tls_free(t);
        return ORDERSCHED_NO_MEMORY;
    }
    certificate_dns_write(cluster, t->name);
    int error = load(t, why, why_size);
    if (error != ORDERSCHED_OK) {
        client_tls_free(t);
        return error;
    }
    *tls = t;
    return ORDERSCHED_OK;
}

void client_tls_free(struct client_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    if (tls->config != NULL) {
        nng_tls_config_free(tls->config);
    }
    free((char *)tls->paths.ca);
    free((char *)tls->paths.cert);
    free((char *)tls->paths.key);
    free(tls);
}

unsigned client_tls_refresh(struct client_tls *tls)
{
    struct seen seen[3];
    char why[256];

    see_files(&tls->paths, seen);
    if (memcmp(seen, tls->seen, sizeof seen) != 0) {
        (void)load(tls, why, sizeof why); /* a diagnosis reads them anew, and says what is wrong */
    }
    return tls->loaded;
}

nng_tls_config *client_tls_config(const struct client_tls *tls)
{
    nng_tls_config_hold(tls->config);
    return tls->config;
}

const struct client_tls_paths *client_tls_paths(const struct client_tls *tls)
{
    return &tls->paths;
}

const char *client_tls_name(const struct client_tls *tls)
{
    return tls->name;
}
