/* yaml_json.c - a YAML file as JSON, for the build: docs/openapi.yaml becomes what nodes serve.
 *
 *   yaml_json IN.yaml OUT.json
 *
 * One document of YAML 1.2's JSON schema: plain scalars are null, true, false or numbers where they look like
 * one, else strings; keys are strings; aliases are copies. What is not that is an error with its line. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 64 /* also what ends an alias of itself */

static const char *file;

static json_t *refuse(const yaml_node_t *node, const char *why)
{
    fprintf(stderr, "%s:%zu: %s\n", file, node->start_mark.line + 1, why);
    return NULL;
}

/* Of a plain scalar; NULL: it is a string. */
static json_t *plain_value(const char *text, size_t len)
{
    char *end;

    if (len == 0 || strcmp(text, "null") == 0 || strcmp(text, "~") == 0) {
        return json_null();
    }
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        return json_boolean(text[0] == 't');
    }
    if (strspn(text, "-0123456789") == len) {
        errno = 0;
        long long number = strtoll(text, &end, 10);
        return *end == '\0' && errno == 0 ? json_integer(number) : NULL;
    }
    if (strspn(text, "-+.0123456789eE") == len && strpbrk(text, "0123456789") != NULL) {
        double number = strtod(text, &end);
        return *end == '\0' ? json_real(number) : NULL;
    }
    return NULL;
}

static json_t *scalar_value(const yaml_node_t *node)
{
    const char *text = (const char *)node->data.scalar.value;
    size_t len = node->data.scalar.length;
    json_t *value = NULL;

    if (node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        value = plain_value(text, len);
    }
    if (value == NULL) {
        value = json_stringn(text, len);
    }
    return value != NULL ? value : refuse(node, "not UTF-8");
}

static json_t *value_of(yaml_document_t *doc, int index, int depth);

static json_t *sequence_value(yaml_document_t *doc, const yaml_node_t *node, int depth)
{
    json_t *array = json_array();

    for (yaml_node_item_t *i = node->data.sequence.items.start; i < node->data.sequence.items.top;
         i++) {
        json_t *item = value_of(doc, *i, depth + 1);
        if (item == NULL) {
            json_decref(array);
            return NULL;
        }
        json_array_append_new(array, item);
    }
    return array;
}

static json_t *mapping_value(yaml_document_t *doc, const yaml_node_t *node, int depth)
{
    json_t *object = json_object();

    for (yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top;
         p++) {
        const yaml_node_t *key = yaml_document_get_node(doc, p->key);
        const char *name = (const char *)key->data.scalar.value;
        json_t *value = NULL;

        if (key->type != YAML_SCALAR_NODE) {
            refuse(key, "a key is not a string");
        } else if (json_object_get(object, name) != NULL) {
            refuse(key, "a key that is there already");
        } else {
            value = value_of(doc, p->value, depth + 1);
        }
        if (value == NULL) {
            json_decref(object);
            return NULL;
        }
        json_object_set_new(object, name, value);
    }
    return object;
}

static json_t *value_of(yaml_document_t *doc, int index, int depth)
{
    const yaml_node_t *node = yaml_document_get_node(doc, index);

    if (depth > DEPTH_MAX) {
        return refuse(node, "nested too deeply");
    }
    switch (node->type) {
        case YAML_SCALAR_NODE: return scalar_value(node);
        case YAML_SEQUENCE_NODE: return sequence_value(doc, node, depth);
        case YAML_MAPPING_NODE: return mapping_value(doc, node, depth);
        default: return refuse(node, "not a value");
    }
}

/* The one document of a stream. */
static json_t *read_yaml(FILE *in)
{
    yaml_parser_t parser;
    yaml_document_t doc;
    json_t *value = NULL;

    if (!yaml_parser_initialize(&parser)) {
        return NULL;
    }
    yaml_parser_set_input_file(&parser, in);
    if (!yaml_parser_load(&parser, &doc)) {
        fprintf(stderr, "%s:%zu: %s\n", file, parser.problem_mark.line + 1, parser.problem);
    } else {
        if (yaml_document_get_root_node(&doc) == NULL) {
            fprintf(stderr, "%s: empty\n", file);
        } else {
            value = value_of(&doc, 1, 0);
        }
        yaml_document_delete(&doc);
    }
    yaml_parser_delete(&parser);
    return value;
}

int main(int argc, char **argv)
{
    int rc = 1;

    if (argc != 3) {
        fputs("usage: yaml_json IN.yaml OUT.json\n", stderr);
        return 2;
    }
    file = argv[1];
    FILE *in = fopen(file, "rb");
    if (in == NULL) {
        perror(file);
        return 1;
    }
    json_t *value = read_yaml(in);
    fclose(in);
    if (value != NULL) {
        rc = json_dump_file(value, argv[2], JSON_COMPACT | JSON_REAL_PRECISION(15)) == 0 ? 0 : 1;
        if (rc != 0) {
            perror(argv[2]);
        }
        json_decref(value);
    }
    return rc;
}
