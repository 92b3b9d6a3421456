/* openapi.c - docs/openapi.yaml as JSON, in the binary; packaging/yaml_json.c makes it at the build. */
#include "openapi.h"

__asm__(".section .rodata\n"
        ".global front_openapi_json\n"
        ".hidden front_openapi_json\n"
        "front_openapi_json:\n"
        ".incbin \"openapi.json\"\n"
        ".byte 0\n"
        ".previous\n");
