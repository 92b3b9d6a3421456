/* replay.c - runs a fuzz target on the files that are named, or on those of a folder, without libFuzzer:
 * what was found once is tried with every compiler and in every build.
 *
 *   fuzz_NAME FILE|DIRECTORY... */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "input.h"

/* False: it cannot be read; a sentence was printed. */
static bool replay_file(const char *path)
{
    FILE *file = fopen(path, "r");
    struct stat st;

    if (file == NULL || fstat(fileno(file), &st) != 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        if (file != NULL) {
            fclose(file);
        }
        return false;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    assert(data != NULL);
    size_t n = fread(data, 1, size, file);
    fclose(file);
    fprintf(stderr, "%s\n", path); /* before it may crash */
    LLVMFuzzerTestOneInput(data, n);
    free(data);
    return n == size;
}

static bool replay_directory(const char *path, unsigned *n)
{
    struct dirent **names;
    int found = scandir(path, &names, NULL, alphasort);
    bool good = found >= 0;

    if (!good) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
    }
    for (int i = 0; i < found; i++) {
        char file[4096];
        int len = snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.' && len > 0 && (size_t)len < sizeof file) {
            good = replay_file(file) && good;
            *n += 1;
        }
        free(names[i]);
    }
    if (found >= 0) {
        free(names);
    }
    return good;
}

int main(int argc, char **argv)
{
    unsigned n = 0;
    bool good = true;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
            good = replay_directory(argv[i], &n) && good;
        } else {
            good = replay_file(argv[i]) && good;
            n++;
        }
    }
    fprintf(stderr, "%u inputs\n", n);
    return good && n > 0 ? 0 : 1;
}
