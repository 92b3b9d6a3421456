/* cert_new_file.c - see cert_new_file.h. */
#include "cert_new_file.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct new_file {
    const char *path;
    mode_t mode;
    bool owned; /* by somebody who is to be kept */
    uid_t uid;
    gid_t gid;
};

/* What a file takes over from the one in whose place it will come. */
static bool take_over(struct new_file *file, const char *like, mode_t at_most,
                      struct cert_error *error)
{
    struct stat st;

    if (like == NULL || (lstat(like, &st) != 0 && errno == ENOENT)) {
        return true;
    }
    if (S_ISLNK(st.st_mode)) {
        return cert_fail(error, CERT_FILE,
                         "%s is a symbolic link, which is not replaced: name the file itself",
                         like);
    }
    if (!S_ISREG(st.st_mode)) {
        return cert_fail(error, CERT_FILE, "%s is no regular file", like);
    }
    file->mode = (st.st_mode & at_most) | 0600;
    file->owned = true;
    file->uid = st.st_uid;
    file->gid = st.st_gid;
    return true;
}

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

/* Owner first: before that the group would be another one. */
static bool hand_over(const struct new_file *file, int fd, struct cert_error *error)
{
    struct stat st;

    if (!file->owned) {
        return true;
    }
    if (fstat(fd, &st) == 0 && (st.st_uid != file->uid || st.st_gid != file->gid) &&
        fchown(fd, st.st_uid != file->uid ? file->uid : (uid_t)-1, file->gid) != 0) {
        return cert_fail(error, CERT_FILE,
                         "%s would not belong to user %u and group %u any more, as what it "
                         "replaces does (%s): do it as that user, or as root",
                         file->path, (unsigned)file->uid, (unsigned)file->gid, strerror(errno));
    }
    return fchmod(fd, file->mode) == 0 ||
           cert_fail(error, CERT_FILE, "%s: %s", file->path, strerror(errno));
}

static bool fill(const struct new_file *file, int fd, BIO *text, struct cert_error *error)
{
    char *data;
    long len = BIO_get_mem_data(text, &data);

    if (!hand_over(file, fd, error)) {
        return false;
    }
    return (write_all(fd, data, (size_t)len) && fsync(fd) == 0) ||
           cert_fail(error, CERT_FILE, "%s cannot be written: %s", file->path, strerror(errno));
}

static bool create(const struct new_file *file, BIO *text, struct cert_error *error)
{
    /* What it lends to a group comes with the group itself. */
    mode_t mode = file->owned ? file->mode & ~(mode_t)077 : file->mode;
    mode_t umask_before = umask(0);
    int fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);

    umask(umask_before);
    if (fd < 0) {
        return cert_fail(error, CERT_FILE, "%s cannot be created: %s", file->path, strerror(errno));
    }
    bool good = fill(file, fd, text, error);
    if (close(fd) != 0 && good) {
        good = cert_fail(error, CERT_FILE, "%s cannot be written: %s", file->path, strerror(errno));
    }
    if (!good) {
        (void)unlink(file->path);
    }
    return good;
}

bool cert_new_key(const char *path, const char *like, const EVP_PKEY *key, struct cert_error *error)
{
    struct new_file file = {.path = path, .mode = 0600};
    BIO *text = BIO_new(BIO_s_mem()); /* wiped when it is freed */

    bool good = take_over(&file, like, 0640, error);
    if (good &&
        (text == NULL || PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL) != 1)) {
        good = cert_fail_library(error, "writing a key");
    }
    good = good && create(&file, text, error);
    BIO_free(text);
    return good;
}

bool cert_new_certificate(const char *path, const char *like, const X509 *cert,
                          struct cert_error *error)
{
    struct new_file file = {.path = path, .mode = 0644};
    BIO *text = BIO_new(BIO_s_mem());

    bool good = take_over(&file, like, 0644, error);
    if (good && (text == NULL || PEM_write_bio_X509(text, (X509 *)cert) != 1)) {
        good = cert_fail_library(error, "writing a certificate");
    }
    good = good && create(&file, text, error);
    BIO_free(text);
    return good;
}
