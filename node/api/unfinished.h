/* unfinished.h - who gives way when there are too many bytes of messages that have begun to come
 * in and are not complete.
 *
 * Of the address that holds most of them the message that has kept most for the longest: bytes
 * times time. So messages that are begun and left lying leave before one that is coming in, and a
 * client of another address never notices. One of at most API_UNFINISHED_SMALL bytes stays as long
 * as its address has a larger one.
 *
 * Pure. One thread. */
#ifndef API_UNFINISHED_H
#define API_UNFINISHED_H

#include <stddef.h>
#include <stdint.h>

#define API_UNFINISHED_SMALL (64u * 1024)

struct api_unfinished_of { /* a connection's message; zero it to start */
    struct api_unfinished_of *prev, *next;
    uint64_t *by_address; /* bytes of all of its address */
    size_t bytes;         /* 0: it is not in the list */
    uint64_t since_ms;
};

struct api_unfinished {
    uint64_t max; /* bytes */
    uint64_t bytes;
    struct api_unfinished_of *first, *last; /* who began first */
};

void api_unfinished_init(struct api_unfinished *u, uint64_t max);
/* So many bytes more; the first ones tell of which address, by the number that counts its bytes. */
void api_unfinished_add(struct api_unfinished *u, struct api_unfinished_of *of, size_t bytes,
                        uint64_t *by_address, uint64_t now_ms);
/* It is complete, or gone. Without bytes: nothing. */
void api_unfinished_end(struct api_unfinished *u, struct api_unfinished_of *of);
/* Who has to go? NULL: nobody, there are not too many. O(messages). */
struct api_unfinished_of *api_unfinished_victim(const struct api_unfinished *u, uint64_t now_ms);

#endif
