/* file.c - the configuration file: YAML, checked by libcyaml against the table of
 * settings.
 *
 * Every scalar is loaded as text and read by the same code as the flags, so that "30m" means the
 * same in both. libcyaml (1.3) tells the place of the value *before* a wrong key and none for a
 * value that only we refuse; find_line() looks the exact line up with libyaml, on which libcyaml
 * is built. */
#include <cyaml/cyaml.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "parts.h"

#define FILE_MAX_BYTES (1024u * 1024)
#define SCALAR_MAX_BYTES 4096

/* The file as libcyaml loads it. */
struct file_peer {
    char *id;
    char *address;
};
struct file_values {
    char *values[CONFIG_SETTINGS_MAX]; /* NULL = not in the file */
    struct file_peer *peers;
    unsigned n_peers;
    char **web_origins;
    unsigned n_web_origins;
};

static const cyaml_schema_field_t peer_fields[] = {
    CYAML_FIELD_STRING_PTR("id", CYAML_FLAG_POINTER, struct file_peer, id, 1, SCALAR_MAX_BYTES),
    CYAML_FIELD_STRING_PTR("address", CYAML_FLAG_POINTER, struct file_peer, address, 1,
                           SCALAR_MAX_BYTES),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t peer_schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct file_peer, peer_fields),
};

static const cyaml_schema_value_t web_origin_schema = {
    CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 0, SCALAR_MAX_BYTES),
};

/* One optional field for each setting, and the end mark. */
static void schema_fill(cyaml_schema_field_t *fields)
{
    unsigned n;
    const struct setting *settings = config_settings(&n);
    for (unsigned i = 0; i < n; i++) {
        if (settings[i].kind == SETTING_PEERS) {
            fields[i] = (cyaml_schema_field_t){
                .key = settings[i].name,
                .data_offset = offsetof(struct file_values, peers),
                .count_offset = offsetof(struct file_values, n_peers),
                .count_size = sizeof(unsigned),
                .value = {CYAML_VALUE_SEQUENCE(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
                                               struct file_peer, &peer_schema, 1,
                                               CONFIG_PEERS_MAX)},
            };
        } else if (settings[i].kind == SETTING_WEB_ORIGINS) {
            fields[i] = (cyaml_schema_field_t){
                .key = settings[i].name,
                .data_offset = offsetof(struct file_values, web_origins),
                .count_offset = offsetof(struct file_values, n_web_origins),
                .count_size = sizeof(unsigned),
                .value = {CYAML_VALUE_SEQUENCE(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char *,
                                               &web_origin_schema, 0, CONFIG_WEB_ORIGINS_MAX)},
            };
        } else {
            fields[i] = (cyaml_schema_field_t){
                .key = settings[i].name,
                .data_offset = (uint32_t)(offsetof(struct file_values, values) +
                                          i * sizeof(char *)),
                .value = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0,
                                             SCALAR_MAX_BYTES)},
            };
        }
    }
    fields[n] = (cyaml_schema_field_t)CYAML_FIELD_END;
}

struct text {
    char *data;
    size_t len;
};

/* What to look for: the first match in the order of the file. */
struct place {
    const char *scalar;    /* a scalar with this text, or NULL = the start of a mapping */
    bool top_key;          /* only a key of the outermost mapping */
    unsigned depth;        /* inside this many collections; 0 = any */
    unsigned skip;         /* that many matches come first */
    unsigned line, column; /* only after this place (from 1); 0 = anywhere */
};

static bool place_matches(const struct place *p, const yaml_event_t *event, unsigned depth,
                          bool top_key)
{
    unsigned line = (unsigned)event->start_mark.line + 1;
    unsigned column = (unsigned)event->start_mark.column + 1;
    if ((p->top_key && !top_key) || (p->depth != 0 && p->depth != depth) || line < p->line ||
        (line == p->line && column <= p->column)) {
        return false;
    }
    if (p->scalar == NULL) {
        return event->type == YAML_MAPPING_START_EVENT;
    }
    return event->type == YAML_SCALAR_EVENT &&
           strcmp((const char *)event->data.scalar.value, p->scalar) == 0;
}

/* libyaml marks what it could not parse, but of bytes it could not read it has only the offset. */
static unsigned problem_line(const yaml_parser_t *parser, const struct text *text)
{
    if (parser->error != YAML_READER_ERROR) {
        return (unsigned)parser->problem_mark.line + 1;
    }
    unsigned line = 1;
    for (size_t i = 0; i < text->len && i < parser->problem_offset; i++) {
        line += text->data[i] == '\n';
    }
    return line;
}

/* The line of a place, or of the first error of syntax, whose text goes to `problem`; 0 = the
 * whole file was read and held neither. */
static unsigned find_line(const struct text *text, struct place p, char *problem, size_t len)
{
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        return 0;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text->data, text->len);
    unsigned line = 0, depth = 0;
    bool key_next = true; /* in the outermost mapping, keys and values take turns */
    for (bool end = false; line == 0 && !end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            line = problem_line(&parser, text);
            snprintf(problem, len, "%s", parser.problem != NULL ? parser.problem : "not YAML");
            break;
        }
        bool opens = event.type == YAML_MAPPING_START_EVENT ||
                     event.type == YAML_SEQUENCE_START_EVENT;
        bool closes = event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT;
        bool top = depth == 1 && !closes;
        if (place_matches(&p, &event, depth, top && key_next) && p.skip-- == 0) {
            line = (unsigned)event.start_mark.line + 1;
        }
        key_next ^= top;
        depth += opens;
        depth -= closes;
        end = event.type == YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return line;
}

/* libcyaml's account of what is wrong: its first message, and the innermost place. */
struct account {
    char message[512];
    unsigned line, column;
};

static void account_log_cb(cyaml_log_t level, void *ctx, const char *format, va_list args)
{
    (void)level;
    struct account *account = ctx;
    char text[512];
    vsnprintf(text, sizeof text, format, args);
    text[strcspn(text, "\n")] = '\0';
    const char *place = strstr(text, "(line: ");
    if (place != NULL && account->line == 0) {
        (void)sscanf(place, "(line: %u, column: %u)", &account->line, &account->column);
    } else if (place == NULL && account->message[0] == '\0' && strstr(text, "Backtrace") == NULL) {
        const char *prefix = "Load: ";
        size_t skip = strncmp(text, prefix, strlen(prefix)) == 0 ? strlen(prefix) : 0;
        snprintf(account->message, sizeof account->message, "%s", text + skip);
    }
}

/* Turn libcyaml's account into our sentence with the right line. */
static enum config_status complain_account(const char *file, const struct text *text,
                                           cyaml_err_t error, const struct account *account)
{
    char problem[256];
    struct place nowhere = {.scalar = "", .line = UINT32_MAX};
    unsigned line = find_line(text, nowhere, problem, sizeof problem);
    if (line > 0) {
        return config_complain("%s:%u: %s", file, line, problem);
    }
    line = account->line > 0 ? account->line : 1;
    const char *colon = strrchr(account->message, ':');
    const char *key = colon != NULL && colon[1] == ' ' ? colon + 2 : NULL;
    if (key != NULL && (error == CYAML_ERR_INVALID_KEY || strstr(account->message, "already"))) {
        /* The account's place is the value before the key. */
        struct place p = {.scalar = key, .line = account->line, .column = account->column};
        unsigned key_line = find_line(text, p, problem, sizeof problem);
        line = key_line > 0 ? key_line : line;
        if (error != CYAML_ERR_INVALID_KEY) {
            return config_complain("%s:%u: %s is given twice", file, line, key);
        }
        const char *guess = config_setting_guess(key);
        return config_complain("%s:%u: unknown key \"%s\"%s%s%s", file, line, key,
                               guess != NULL ? ": did you mean " : "", guess != NULL ? guess : "",
                               guess != NULL ? "?" : "");
    }
    if (strstr(account->message, "Expecting SEQUENCE") != NULL) {
        return config_complain(
            "%s:%u: here belongs a list: a line for each, behind \"- \"; peers as "
            "\"- {id: 1, address: HOST:PORT}\"",
            file, line);
    }
    return config_complain("%s:%u: %s", file, line,
                           account->message[0] != '\0' ? account->message : cyaml_strerror(error));
}

static enum config_status text_read(struct text *text, const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return config_complain("--config: cannot open %s: %s", file, strerror(errno));
    }
    text->data = malloc(FILE_MAX_BYTES + 1);
    if (text->data == NULL) {
        close(fd);
        return config_complain("out of memory");
    }
    ssize_t n;
    do {
        n = read(fd, text->data + text->len, FILE_MAX_BYTES + 1 - text->len);
        text->len += n > 0 ? (size_t)n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    int error = errno;
    close(fd);
    if (n < 0) {
        return config_complain("--config: cannot read %s: %s", file, strerror(error));
    }
    if (text->len > FILE_MAX_BYTES) {
        return config_complain("--config: %s is larger than %u bytes", file, FILE_MAX_BYTES);
    }
    return CONFIG_OK;
}

static enum config_status peers_take(struct config_draft *draft, const struct text *text,
                                     const struct file_values *values)
{
    char problem[256];
    enum config_status status = CONFIG_OK;
    config_peers_clear(draft->config);
    for (unsigned i = 0; i < values->n_peers && status == CONFIG_OK; i++) {
        /* Mappings at depth 2 are only the members: the document, then the sequence. */
        struct place p = {.scalar = NULL, .depth = 2, .skip = i};
        struct config_origin origin = {draft->file, find_line(text, p, problem, sizeof problem)};
        status = config_peer_add(draft, values->peers[i].id, values->peers[i].address, origin);
    }
    return status;
}

static enum config_status web_origins_take(struct config_draft *draft,
                                           const struct setting *setting, const struct text *text,
                                           const struct file_values *values, unsigned key_line)
{
    char problem[256];
    enum config_status status = CONFIG_OK;
    for (unsigned i = 0; i < values->n_web_origins && status == CONFIG_OK; i++) {
        /* Within the document and the list. */
        struct place p = {.scalar = values->web_origins[i], .depth = 2, .line = key_line};
        struct config_origin origin = {draft->file, find_line(text, p, problem, sizeof problem)};
        status = config_set(draft, setting, values->web_origins[i], origin);
    }
    return status;
}

static enum config_status values_take(struct config_draft *draft, const struct text *text,
                                      const struct file_values *values)
{
    unsigned n;
    const struct setting *settings = config_settings(&n);
    enum config_status status = CONFIG_OK;
    for (unsigned i = 0; i < n && status == CONFIG_OK; i++) {
        bool peers = settings[i].kind == SETTING_PEERS && values->peers != NULL;
        bool web = settings[i].kind == SETTING_WEB_ORIGINS && values->web_origins != NULL;
        if (values->values[i] == NULL && !peers && !web) {
            continue;
        }
        char problem[256];
        struct place p = {.scalar = settings[i].name, .top_key = true};
        struct config_origin origin = {draft->file, find_line(text, p, problem, sizeof problem)};
        draft->origins[i] = origin;
        status = peers ? peers_take(draft, text, values)
                 : web ? web_origins_take(draft, &settings[i], text, values, origin.line)
                       : config_set(draft, &settings[i], values->values[i], origin);
    }
    return status;
}

enum config_status config_file_read(struct config_draft *draft)
{
    struct text text = {0};
    struct file_values *values = NULL;
    struct account account = {0};
    cyaml_schema_field_t fields[CONFIG_SETTINGS_MAX + 1];
    schema_fill(fields);
    const cyaml_schema_value_t schema = {
        CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct file_values, fields),
    };
    const cyaml_config_t how = {
        .log_fn = account_log_cb,
        .log_ctx = &account,
        .log_level = CYAML_LOG_WARNING,
        .mem_fn = cyaml_mem,
        .flags = CYAML_CFG_NO_ALIAS,
    };
    enum config_status status = text_read(&text, draft->file);
    if (status == CONFIG_OK) {
        cyaml_err_t error = cyaml_load_data((const uint8_t *)text.data, text.len, &how, &schema,
                                            (cyaml_data_t **)&values, NULL);
        /* A warning is a part of the file that was passed over. */
        if (error != CYAML_OK || account.message[0] != '\0') {
            status = complain_account(draft->file, &text, error, &account);
        } else if (values != NULL) {
            status = values_take(draft, &text, values);
        }
    }
    if (values != NULL) {
        (void)cyaml_free(&how, &schema, values, 0);
    }
    free(text.data);
    return status;
}
