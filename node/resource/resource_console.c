/* resource_console.c - see resource_console.h. */
#include "resource_console.h"

#include <string.h>

/* Of this host alone, and no script or style within the page: nothing that an order or a receiver says can
 * become one. Nobody may show the page in a frame of theirs. (W3C, Content Security Policy Level 3) */
#define POLICY                                                                                    \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src " \
    "'self'; "                                                                                    \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for "     \
    "'script'; trusted-types 'none'"

#define PART(symbol, file)                        \
    __asm__(".section .rodata\n"                  \
            ".hidden console_" #symbol "\n"       \
            ".global console_" #symbol "\n"       \
            ".hidden console_" #symbol "_end\n"   \
            ".global console_" #symbol "_end\n"   \
            "console_" #symbol ":\n"              \
            ".incbin \"node/console/" file "\"\n" \
            "console_" #symbol "_end:\n"          \
            ".byte 0\n"                           \
            ".previous\n");                       \
    extern const char console_##symbol[], console_##symbol##_end[];

PART(index, "index.html")
PART(css, "console.css")
PART(console, "console.js")
PART(api, "api.js")
PART(dom, "dom.js")
PART(words, "words.js")
PART(overview, "overview.js")
PART(forecast, "forecast.js")
PART(alerts, "alerts.js")
PART(late, "late.js")
PART(pages, "pages.js")
PART(orders, "orders.js")
PART(routes, "routes.js")
PART(dead, "dead.js")
PART(members, "members.js")
PART(audit, "audit.js")

#define SCRIPT(symbol)                                                             \
    {                                                                              \
#symbol ".js", "text/javascript", console_##symbol, console_##symbol##_end \
    }

static const struct part {
    const char *name, *type, *begin, *end;
} page = {"", "text/html; charset=utf-8", console_index, console_index_end},
  parts[] = {
      {"console.css", "text/css", console_css, console_css_end},
      SCRIPT(console),
      SCRIPT(api),
      SCRIPT(dom),
      SCRIPT(words),
      SCRIPT(overview),
      SCRIPT(forecast),
      SCRIPT(alerts),
      SCRIPT(late),
      SCRIPT(pages),
      SCRIPT(orders),
      SCRIPT(routes),
      SCRIPT(dead),
      SCRIPT(members),
      SCRIPT(audit),
};

static void answer_part(struct exchange *x, const struct part *part)
{
    exchange_header(x, "Content-Security-Policy", POLICY);
    exchange_header(x, "Referrer-Policy", "no-referrer");
    exchange_header(x, "X-Frame-Options", "DENY");
    exchange_answer_static(x, 200, part->type, part->begin, (size_t)(part->end - part->begin));
}

void resource_console(struct exchange *x)
{
    answer_part(x, &page);
}

void resource_console_part(struct exchange *x)
{
    struct slice name = x->segments[1];

    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (name.len == strlen(parts[i].name) && memcmp(name.data, parts[i].name, name.len) == 0) {
            answer_part(x, &parts[i]);
            return;
        }
    }
    exchange_refuse(x, 404, "NO_SUCH_RESOURCE", "The console has no such part.", NULL);
}
