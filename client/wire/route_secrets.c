/* route_secrets.c - see route_secrets.h. */
#include "route_secrets.h"

#include <assert.h>
#include <string.h>

#define SECRET_PREFIX_LEN 6u
#define KEY_PREFIX_LEN 5u
#define KEY_DIGITS 86u /* of 64 bytes, and two signs of padding */
#define KEY_LEN (KEY_PREFIX_LEN + KEY_DIGITS + 2)
#define PUBLIC_BYTES 32u

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The six bits of a digit; 64 and more: it is none. */
static unsigned digit_bits(uint8_t b)
{
    return b >= 'A' && b <= 'Z'   ? (unsigned)b - 'A'
           : b >= 'a' && b <= 'z' ? (unsigned)b - 'a' + 26
           : b >= '0' && b <= '9' ? (unsigned)b - '0' + 52
           : b == '+'             ? 62
           : b == '/'             ? 63
                                  : 64;
}

static bool are_digits(const uint8_t *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (digit_bits(text[i]) > 63) {
            return false;
        }
    }
    return true;
}

/* --- secrets --- */

bool route_secret_is_plausible(struct slice secret)
{
    return secret.len > SECRET_PREFIX_LEN && secret.len <= PROTOCOL_SECRET_MAX &&
           memcmp(secret.data, "whsec_", SECRET_PREFIX_LEN) == 0;
}

bool route_secret_is_good(struct slice secret)
{
    if (!route_secret_is_plausible(secret)) {
        return false;
    }
    const uint8_t *base64 = secret.data + SECRET_PREFIX_LEN;
    size_t len = secret.len - SECRET_PREFIX_LEN;
    size_t plain = len;
    while (plain > 0 && len - plain < 2 && base64[plain - 1] == '=') {
        plain--;
    }
    size_t bytes = len / 4 * 3 - (len - plain);
    return are_digits(base64, plain) && len % 4 == 0 && bytes >= 24 && bytes <= 64;
}

/* --- signing keys --- */

/* The last digit stands for two bits of the last byte; the four behind them are 0. */
bool route_signing_key_is_good(struct slice key)
{
    const uint8_t *base64 = key.data + KEY_PREFIX_LEN;

    return key.len == KEY_LEN && memcmp(key.data, "whsk_", KEY_PREFIX_LEN) == 0 &&
           are_digits(base64, KEY_DIGITS) && (digit_bits(base64[KEY_DIGITS - 1]) & 15) == 0 &&
           memcmp(base64 + KEY_DIGITS, "==", 2) == 0;
}

/* The 33rd byte is the last of the eleventh group of three bytes, four digits. Of the private half
 * nothing is decoded but a few bits beside it. */
static void public_bytes(const uint8_t *base64, uint8_t out[PUBLIC_BYTES])
{
    uint32_t bits = digit_bits(base64[42]) << 6 | digit_bits(base64[43]);
    unsigned have = 8; /* of the bits, those that are not taken yet */
    size_t n = 0;

    for (size_t i = 44; n < PUBLIC_BYTES; i++) {
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
        if (n < PUBLIC_BYTES) {
            bits = bits << 6 | digit_bits(base64[i]);
            have += 6;
        }
    }
}

/* Three bytes are four digits; of the last group's, two. */
static void write_base64(const uint8_t bytes[PUBLIC_BYTES], char *out)
{
    for (size_t i = 0; i < PUBLIC_BYTES; i += 3) {
        uint32_t three = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8;

        three |= i + 2 < PUBLIC_BYTES ? bytes[i + 2] : 0;
        *out++ = digits[three >> 18];
        *out++ = digits[three >> 12 & 63];
        *out++ = digits[three >> 6 & 63];
        *out++ = i + 2 < PUBLIC_BYTES ? digits[three & 63] : '=';
    }
    *out = '\0';
}

void route_signing_key_public(struct slice key, char out[ROUTE_PUBLIC_KEY_SIZE])
{
    uint8_t bytes[PUBLIC_BYTES];

    assert(route_signing_key_is_good(key));
    public_bytes(key.data + KEY_PREFIX_LEN, bytes);
    memcpy(out, "whpk_", KEY_PREFIX_LEN);
    write_base64(bytes, out + KEY_PREFIX_LEN);
}

bool route_public_key_is_good(struct slice key)
{
    size_t plain = ROUTE_PUBLIC_KEY_SIZE - 2; /* before the one sign of padding */

    return key.len == ROUTE_PUBLIC_KEY_SIZE - 1 && memcmp(key.data, "whpk_", KEY_PREFIX_LEN) == 0 &&
           are_digits(key.data + KEY_PREFIX_LEN, plain - KEY_PREFIX_LEN) &&
           key.data[plain] == '=' && (digit_bits(key.data[plain - 1]) & 3) == 0;
}

struct slice route_signing_key_find(const struct route_settings *s, struct slice public_key)
{
    char own[ROUTE_PUBLIC_KEY_SIZE];

    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        route_signing_key_public(s->signing_keys[i], own);
        if (public_key.len == sizeof own - 1 && memcmp(own, public_key.data, sizeof own - 1) == 0) {
            return s->signing_keys[i];
        }
    }
    return (struct slice){0};
}
