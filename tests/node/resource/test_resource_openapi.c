/* docs/openapi.yaml and the table of resources have the same methods, paths and parameters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../../node/resource/resource_openapi.h"
#include "../../../node/resource/resource_table.h"
#include "../../support/front/front_desk.h"

static json_t *load(void)
{
    json_t *document = json_loads(resource_openapi_text, JSON_REJECT_DUPLICATES, NULL);

    assert_non_null(document);
    return document;
}

/* "{…}" is any one name, whatever it is called. */
static bool is_same_path(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        if (*a == '{' && *b == '{') {
            a = strchr(a, '}');
            b = strchr(b, '}');
        }
        if (*a++ != *b++) {
            return false;
        }
    }
    return *a == *b;
}

static bool is_method(const char *member, const char *method)
{
    return strcasecmp(member, method) == 0;
}

static json_t *operation_of(json_t *document, const struct resource *r)
{
    const char *path, *member;
    json_t *item, *operation;

    json_object_foreach (json_object_get(document, "paths"), path, item) {
        if (!is_same_path(path, r->pattern)) {
            continue;
        }
        json_object_foreach (item, member, operation) {
            if (is_method(member, r->method)) {
                return operation;
            }
        }
    }
    return NULL;
}

static const struct resource *resource_of(const char *path, const char *method)
{
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        if (is_same_path(path, r->pattern) && is_method(method, r->method)) {
            return r;
        }
    }
    return NULL;
}

/* Is the word among others, with a space between each? */
static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; at != NULL && (at = strstr(at, word)) != NULL; at += len) {
        if ((at == words || at[-1] == ' ') && (at[len] == '\0' || at[len] == ' ')) {
            return true;
        }
    }
    return false;
}

static unsigned count_words(const char *words)
{
    unsigned n = words != NULL && words[0] != '\0';

    for (; words != NULL && *words != '\0'; words++) {
        n += *words == ' ';
    }
    return n;
}

/* A parameter, or what its reference names. */
static const json_t *resolved(json_t *document, const json_t *parameter)
{
    static const char components[] = "#/components/parameters/";
    const char *ref = json_string_value(json_object_get(parameter, "$ref"));

    if (ref == NULL) {
        return parameter;
    }
    assert_int_equal(strncmp(ref, components, strlen(components)), 0);
    json_t *all = json_object_get(json_object_get(document, "components"), "parameters");
    return json_object_get(all, ref + strlen(components));
}

/* The console's files are no part of the API. */
static bool is_of_the_console(const struct resource *r)
{
    return strcmp(r->pattern, "/") == 0 || strcmp(r->pattern, "/console/{part}") == 0;
}

static void every_resource_is_in_the_document(void **state)
{
    json_t *document = load();

    (void)state;
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        if (operation_of(document, r) == NULL && !is_of_the_console(r)) {
            fail_msg("docs/openapi.yaml has no %s %s", r->method, r->pattern);
        }
    }
    json_decref(document);
}

static void every_operation_of_the_document_is_a_resource(void **state)
{
    static const char methods[] = "get put post patch delete";
    const char *path, *member;
    json_t *document = load(), *item, *operation;

    (void)state;
    json_object_foreach (json_object_get(document, "paths"), path, item) {
        json_object_foreach (item, member, operation) {
            if (has_word(methods, member) && resource_of(path, member) == NULL) {
                fail_msg("no resource is %s %s", member, path);
            }
        }
    }
    json_decref(document);
}

static void parameters_are_the_same(void **state)
{
    json_t *document = load(), *parameter;
    size_t place;

    (void)state;
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        unsigned n = 0;
        json_t *parameters = json_object_get(operation_of(document, r), "parameters");
        json_array_foreach (parameters, place, parameter) {
            const json_t *p = resolved(document, parameter);
            const char *name = json_string_value(json_object_get(p, "name"));
            if (strcmp(json_string_value(json_object_get(p, "in")), "query") != 0) {
                continue;
            }
            n++;
            if (!has_word(r->params, name)) {
                fail_msg("%s %s does not take %s", r->method, r->pattern, name);
            }
        }
        if (n != count_words(r->params)) {
            fail_msg("%s %s takes \"%s\"; the document has %u of them", r->method, r->pattern,
                     r->params, n);
        }
    }
    json_decref(document);
}

static void paths_are_told_apart(void **state)
{
    (void)state;
    assert_true(is_same_path("/v1/orders/{id}/pay", "/v1/orders/{order}/pay"));
    assert_false(is_same_path("/v1/orders/{id}/pay", "/v1/orders/{id}"));
    assert_false(is_same_path("/v1/orders/{id}", "/v1/orders/{id}/pay"));
    assert_false(is_same_path("/v1/orders", "/v1/orderS"));
    assert_true(has_word("limit cursor", "cursor"));
    assert_false(has_word("limit cursor", "curs"));
    assert_false(has_word(NULL, "limit"));
}

static void it_is_served_as_it_is(void **state)
{
    struct front_desk d;

    (void)state;
    front_desk_open(&d);
    front_desk_request(&d, "GET", "/v1/openapi.json", NULL);
    assert_true(d.answered);
    assert_int_equal(d.status, 200);
    assert_string_equal((const char *)d.text.data, resource_openapi_text);
    front_desk_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_resource_is_in_the_document),
        cmocka_unit_test(every_operation_of_the_document_is_a_resource),
        cmocka_unit_test(parameters_are_the_same),
        cmocka_unit_test(paths_are_told_apart),
        cmocka_unit_test(it_is_served_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
