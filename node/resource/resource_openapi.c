/* resource_openapi.c - see resource_openapi.h. */
#include "resource_openapi.h"

#include <string.h>

#include "../../client/base/must.h"
#include "../../client/json/json_write.h"
#include "openapi_text.h"

void resource_openapi(struct exchange *x)
{
    exchange_answer(x, 200, must_have(json_raw(openapi_text, strlen(openapi_text))));
}
