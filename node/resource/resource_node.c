/* resource_node.c - see resource_handlers.h. */
#include "resource_handlers.h"

#include "../../client/json/json_out.h"

void resource_livez(struct exchange *x)
{
    json_t *body = json_object();

    json_object_set_new(body, "alive", json_true());
    exchange_answer(x, 200, body);
}
