/* cert_files.c - a pair comes to its place. See cert_files.h. */
#include "cert_files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cert_new_file.h"
#include "cert_read.h"

#define KEPT_MAX 1000 /* old pairs of one name */

bool cert_pair_name(struct cert_pair *pair, const char *directory, const char *stem,
                    struct cert_error *error)
{
    const char *slash = *directory == 0 || directory[strlen(directory) - 1] == '/' ? "" : "/";
    size_t room = sizeof pair->crt - 32; /* for the endings behind them */

    if (strcmp(directory, ".") == 0) {
        directory = slash = "";
    }
    int n = snprintf(pair->crt, room, "%s%s%s" CERT_CRT, directory, slash, stem);
    snprintf(pair->key, room, "%s%s%s" CERT_KEY, directory, slash, stem);
    return n < (int)room ||
           cert_fail(error, CERT_FILE, "%s: %s", directory, strerror(ENAMETOOLONG));
}

/* A path with an ending; pair names leave room for it. */
static void path_with(char out[PATH_MAX], const char *path, const char *ending)
{
    size_t len = strnlen(path, PATH_MAX - 32);

    memcpy(out, path, len);
    snprintf(out + len, 32, "%s", ending);
}

static bool is_there(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0;
}

static bool sync_directory(const struct cert_directory *directory, struct cert_error *error)
{
    return fsync(directory->fd) == 0 ||
           errno == EINVAL || /* a file system that has no need of it */
           cert_fail(error, CERT_FILE, "%s cannot be written to disk: %s", directory->path,
                     strerror(errno));
}

/* ---- after one that was interrupted ---- */

/* The key at one path is that of the first certificate at the other. */
static bool fits(const char *crt, const char *key)
{
    struct cert_error ignored;
    struct cert_list list;
    EVP_PKEY *read = cert_read_key(key, &ignored);
    bool good = read != NULL && cert_read_list(crt, &list, &ignored);

    if (good) {
        good = cert_key_fits(list.at[0], read);
        cert_list_free(&list);
    }
    EVP_PKEY_free(read);
    return good;
}

bool cert_pair_recover(const struct cert_directory *directory, const struct cert_pair *pair,
                       bool *finished, struct cert_error *error)
{
    char new_crt[PATH_MAX], new_key[PATH_MAX];

    *finished = false;
    path_with(new_crt, pair->crt, CERT_NEW);
    path_with(new_key, pair->key, CERT_NEW);
    if (!is_there(new_crt) && !is_there(new_key)) {
        return true;
    }
    if (!is_there(new_key) && !fits(pair->crt, pair->key) && fits(new_crt, pair->key)) {
        if (rename(new_crt, pair->crt) != 0) {
            return cert_fail(error, CERT_FILE, "%s cannot be moved to %s: %s", new_crt, pair->crt,
                             strerror(errno));
        }
        *finished = true;
    } else if (!is_there(new_crt) && !fits(pair->crt, pair->key) && fits(pair->crt, new_key)) {
        if (rename(new_key, pair->key) != 0) { /* a disk that lost the earlier of two moves */
            return cert_fail(error, CERT_FILE, "%s cannot be moved to %s: %s", new_key, pair->key,
                             strerror(errno));
        }
        *finished = true;
    }
    if ((unlink(new_crt) != 0 && errno != ENOENT) || (unlink(new_key) != 0 && errno != ENOENT)) {
        return cert_fail(error, CERT_FILE,
                         "what is left of an earlier attempt, %s or %s, cannot "
                         "be removed: %s",
                         new_crt, new_key, strerror(errno));
    }
    return sync_directory(directory, error);
}

/* ---- the old ones ---- */

/* One more name for a file, if it is there. */
static bool keep_one(const char *path, const char *ending, struct cert_error *error)
{
    char old[PATH_MAX];

    path_with(old, path, ending);
    return linkat(AT_FDCWD, path, AT_FDCWD, old, 0) == 0 || errno == ENOENT ||
           cert_fail(error, CERT_FILE, "%s cannot be kept as %s: %s", path, old, strerror(errno));
}

static void drop_kept(const struct cert_pair *pair, const char *ending)
{
    char old[PATH_MAX];

    if (*ending != 0) {
        path_with(old, pair->crt, ending);
        (void)unlink(old);
        path_with(old, pair->key, ending);
        (void)unlink(old);
    }
}

/* Under the first ending that neither has yet; the key only if it is replaced. */
static bool keep_old(const struct cert_pair *pair, bool with_key, char ending[16],
                     struct cert_error *error)
{
    char crt[PATH_MAX], key[PATH_MAX];

    snprintf(ending, 16, ".old");
    for (unsigned i = 2;; i++) {
        path_with(crt, pair->crt, ending);
        path_with(key, pair->key, ending);
        if (!is_there(crt) && !is_there(key)) {
            break;
        }
        if (i > KEPT_MAX) {
            ending[0] = 0;
            return cert_fail(error, CERT_FILE,
                             "%d old files of it are kept: remove some of %s.old*", KEPT_MAX,
                             pair->key);
        }
        snprintf(ending, 16, ".old-%u", i);
    }
    if ((!with_key || keep_one(pair->key, ending, error)) && keep_one(pair->crt, ending, error)) {
        return true;
    }
    drop_kept(pair, ending);
    ending[0] = 0;
    return false;
}

/* ---- the new ones ---- */

struct put {
    const struct cert_directory *directory;
    const struct cert_pair *pair;
    bool with_key, replace;
    char new_crt[PATH_MAX], new_key[PATH_MAX];
};

static bool move(const char *from, const char *to, bool replace, struct cert_error *error)
{
    /* A file system without the flag has links, or no permissions either. */
    if (replace ? rename(from, to) == 0
                : renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ||
                      (errno == EINVAL && link(from, to) == 0 && unlink(from) == 0)) {
        return true;
    }
    return cert_fail(error, errno == EEXIST ? CERT_EXISTS : CERT_FILE, "%s: %s", to,
                     errno == EEXIST ? "is there already" : strerror(errno));
}

/* The old key is in its place again. */
static void take_back_key(const struct put *put, const char *ending)
{
    char old[PATH_MAX];

    if (!put->with_key) {
        return;
    }
    path_with(old, put->pair->key, ending);
    if (*ending == 0 || rename(old, put->pair->key) != 0) {
        (void)unlink(put->pair->key);
    }
}

static bool move_both(const struct put *put, char kept[16], struct cert_error *error)
{
    if (put->replace && !keep_old(put->pair, put->with_key, kept, error)) {
        return false;
    }
    if (!sync_directory(put->directory, error) ||
        (put->with_key && !move(put->new_key, put->pair->key, put->replace, error))) {
        drop_kept(put->pair, kept);
        return false;
    }
    if (!move(put->new_crt, put->pair->crt, put->replace, error)) {
        take_back_key(put, kept);
        drop_kept(put->pair, kept);
        return false;
    }
    return sync_directory(put->directory, error);
}

static bool write_both(const struct put *put, const X509 *cert, const EVP_PKEY *key,
                       struct cert_error *error)
{
    return (key == NULL ||
            cert_new_key(put->new_key, put->replace ? put->pair->key : NULL, key, error)) &&
           cert_new_certificate(put->new_crt, put->replace ? put->pair->crt : NULL, cert, error);
}

static bool put_blocked(const struct put *put, const X509 *cert, const EVP_PKEY *key, char kept[16],
                        struct cert_error *error)
{
    if (!put->replace && (is_there(put->pair->crt) || is_there(put->pair->key))) {
        return cert_fail(error, CERT_EXISTS, "%s is there already",
                         is_there(put->pair->crt) ? put->pair->crt : put->pair->key);
    }
    if (write_both(put, cert, key, error) && move_both(put, kept, error)) {
        return true;
    }
    (void)unlink(put->new_key);
    (void)unlink(put->new_crt);
    return false;
}

bool cert_pair_put(const struct cert_directory *directory, const struct cert_pair *pair,
                   const X509 *cert, const EVP_PKEY *key, bool replace, char kept[16],
                   struct cert_error *error)
{
    struct put put = {.directory = directory,
                      .pair = pair,
                      .with_key = key != NULL,
                      .replace = replace};
    sigset_t all, before;

    kept[0] = 0;
    path_with(put.new_crt, pair->crt, CERT_NEW);
    path_with(put.new_key, pair->key, CERT_NEW);
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    bool good = put_blocked(&put, cert, key, kept, error);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return good;
}
