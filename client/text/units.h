/* units.h - durations, sizes and times as people write them. A leaf. */
#ifndef UNITS_H
#define UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "1500ms", "30s", "30.5m", "24h", "7d", and sums such as "1h30m"; a bare number is refused.
 * False: not a duration, negative, or above 2^53 ms. */
bool units_parse_duration(const char *text, uint64_t *ms);
/* "8GiB", "256MiB", "64KiB", "1000" (bytes), "1GB" (10^9). */
bool units_parse_size(const char *text, uint64_t *bytes);
/* RFC 3339: "2026-11-23T12:00:00Z", with fraction and offset. */
bool units_parse_time(const char *text, uint64_t *ms_since_epoch);
/* "2026-11-23T12:00:00.123Z"; out has at least 32 bytes. */
void units_format_time(uint64_t ms_since_epoch, char *out, size_t len);
/* "29m 59.5s", "340 ms": short, for people; out has at least 32 bytes. */
void units_format_duration(uint64_t ms, char *out, size_t len);
/* "HOST:PORT" or "[v6]:PORT": splits; false when malformed or the port is not 1..65535. host has
 * at least 256 bytes. */
bool units_split_address(const char *address, char *host, size_t host_len, unsigned *port);
/* Is HOST of "HOST:PORT" this machine's own, whatever it is connected to: localhost, 127/8, ::1? */
bool units_is_loopback(const char *address);
/* Of "unix:PATH" the path, which is absolute; NULL: it is no such address. */
const char *units_local_path(const char *address);
/* The address with its port moved by `delta` (the client API is PORT+1). False: no room. */
bool units_move_port(const char *address, int delta, char *out, size_t len);

#endif
