/* resource_openapi.c - see resource_openapi.h. */
#include "resource_openapi.h"

#include <string.h>

/* docs/openapi.yaml, of which packaging/yaml_json.c makes JSON at the build. */
__asm__(".section .rodata\n"
        ".global resource_openapi_text\n"
        ".hidden resource_openapi_text\n"
        "resource_openapi_text:\n"
        ".incbin \"" OPENAPI_JSON "\"\n"
        ".byte 0\n"
        ".previous\n");

void resource_openapi(struct exchange *x)
{
    exchange_answer_static(x, 200, "application/json", resource_openapi_text,
                           strlen(resource_openapi_text));
}
