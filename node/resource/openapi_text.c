/* openapi_text.c - docs/openapi.yaml as JSON, in the binary; packaging/yaml_json.c makes it at the build. */
#include "openapi_text.h"

__asm__(".section .rodata\n"
        ".global openapi_text\n"
        ".hidden openapi_text\n"
        "openapi_text:\n"
        ".incbin \"openapi.json\"\n"
        ".byte 0\n"
        ".previous\n");
