/* operation_kind.c - what kind of operation a code stands for, by its range and its subject. */
#include "protocol.h"

bool operation_is_logged(enum operation_code code)
{
    return (code >= 1 && code <= 15) || (code >= 32 && code <= 47) || (code >= 64 && code <= 79);
}

bool operation_is_read(enum operation_code code)
{
    return code >= 16 && code <= 31;
}

bool operation_is_on_route(enum operation_code code)
{
    return code >= 32 && code <= 47 && code != OPERATION_DEAD_REDRIVE &&
           code != OPERATION_DEAD_DROP && !operation_is_on_clock(code) &&
           !operation_is_on_principal(code);
}

bool operation_is_on_clock(enum operation_code code)
{
    return code == OPERATION_CLOCK_TRUST;
}

bool operation_is_on_principal(enum operation_code code)
{
    return code >= OPERATION_GRANT_PUT && code <= OPERATION_AUTHORIZE;
}
