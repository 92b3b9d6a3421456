/* browser_guard.h - whether what a browser sends comes from the node's own page, by what the browser says of it.
 *
 * Whoever has a page open somewhere lets that page send requests to any address its machine reaches, this node
 * included (cross-site request forgery); and by giving its own name this node's address a page can even read
 * the answers (DNS rebinding). Browsers state where a request comes from in lines that no page can set or take
 * away: Sec-Fetch-Site (W3C, Fetch Metadata Request Headers; to https and the loopback alone) and Origin
 * (RFC 6454, section 7; WHATWG Fetch). What is no browser sends neither, and is not concerned.
 *
 * Pure; allocates nothing. */
#ifndef FRONT_BROWSER_GUARD_H
#define FRONT_BROWSER_GUARD_H

#include <stdbool.h>
#include <stddef.h>

#define BROWSER_HOST_MAX 256u /* bytes of a host's name, the NUL included */

/* Lines of a request's head; NULL: it has none of that name. */
struct browser_request {
    const char *fetch_site; /* Sec-Fetch-Site */
    const char *origin;
    const char *agent; /* User-Agent */
    const char *host;  /* with its port, if one is stated */
    bool tls;
};

/* Did a browser send it? To plain HTTP off the loopback they state no Sec-Fetch-Site, and on a GET to the page's own
 * place no Origin either; but each begins its User-Agent with "Mozilla/", which only some let a page change. */
bool browser_guard_is_browser(const struct browser_request *r);
/* Does it come from a page of the very scheme, host and port it is sent to, or from no page at all (an address that
 * was typed in)? True of what says nothing of it. */
bool browser_guard_is_own(const struct browser_request *r);

enum browser_host {
    BROWSER_HOST_BAD = 0, /* none, or malformed */
    BROWSER_HOST_FIXED, /* an IP address or localhost: no name that somebody could give another address */
    BROWSER_HOST_NAME, /* `name` has it, as it stands there, without the port */
};
/* What a Host line names. `name` has BROWSER_HOST_MAX bytes. `host` may be NULL. */
enum browser_host browser_guard_host(const char *host, char *name);

#endif
