/* request_key.c - see request_key.h. */
#include "request_key.h"

#include <string.h>

#define KEY_MAX 128

bool request_key_is_good(struct slice key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] < ' ' || key.data[i] > '~') {
            return false;
        }
    }
    return key.len >= 1 && key.len <= KEY_MAX;
}

/* The gateway makes an id of its own from 16 zeros. */
void request_key_make(const struct exchange *x, const struct slice *about,
                      uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    (void)x;
    (void)about;
    memset(request_id, 0, ORDERSCHED_REQUEST_ID_SIZE);
}

void request_key_of_key(const struct exchange *x, struct slice key,
                        uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    (void)x;
    (void)key;
    memset(request_id, 0, ORDERSCHED_REQUEST_ID_SIZE);
}

void request_key_of_content(const struct operation *op,
                            uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    (void)op;
    memset(request_id, 0, ORDERSCHED_REQUEST_ID_SIZE);
}
