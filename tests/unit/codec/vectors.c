/* vectors.c: the reader of tests/vectors and the writer of its form.
 *
 * SPDX-License-Identifier: MIT
 */
#include "vectors.h"

#include <krpc/advert.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *vectors_source_dir(void)
{
    const char *dir = getenv("SOURCE_DIR");

    return dir != NULL ? dir : ".";
}

static void *grow(void *list, size_t size)
{
    void *more = realloc(list, size);

    if (more == NULL) {
        fprintf(stderr, "vectors: no memory\n");
        exit(2);
    }
    return more;
}

static char *copy(const char *text)
{
    size_t len = strlen(text) + 1;

    return memcpy(grow(NULL, len), text, len);
}

/* ---- findings ---- */

static void collect(void *ctx, const krpc_finding *finding)
{
    findings *to = (findings *)ctx;

    if (to->num == to->room) {
        to->room = to->room == 0 ? 16 : 2 * to->room;
        to->list = grow(to->list, to->room * sizeof *to->list);
    }
    to->list[to->num++] = *finding;
}

krpc_sink findings_sink(findings *to)
{
    krpc_sink sink = {collect, to};

    memset(to, 0, sizeof *to);
    return sink;
}

static int compare_findings(const void *left, const void *right)
{
    const krpc_finding *a = (const krpc_finding *)left;
    const krpc_finding *b = (const krpc_finding *)right;

    if (a->off != b->off) {
        return a->off < b->off ? -1 : 1;
    }
    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }
    return (int)a->rule - (int)b->rule;
}

void findings_sort(findings *list)
{
    if (list->num > 0) {
        qsort(list->list, list->num, sizeof *list->list, compare_findings);
    }
}

bool findings_have(const findings *list, krpc_rule rule)
{
    for (size_t i = 0; i < list->num; i++) {
        if (list->list[i].rule == rule) {
            return true;
        }
    }
    return false;
}

void findings_free(findings *list)
{
    free(list->list);
    memset(list, 0, sizeof *list);
}

/* ---- what the codec makes of a message ---- */

/* A string that is longer is shown by its beginning. */
#define MAX_WHOLE     64
#define MAX_BEGINNING 16

static void put_quoted(FILE *to, const uint8_t *bytes, size_t len)
{
    size_t shown = len > MAX_WHOLE ? MAX_BEGINNING : len;

    fputc('"', to);
    for (size_t i = 0; i < shown; i++) {
        if (bytes[i] < 0x20 || bytes[i] >= 0x7f || bytes[i] == '"' || bytes[i] == '\\') {
            fprintf(to, "\\x%02x", bytes[i]);
        } else {
            fputc(bytes[i], to);
        }
    }
    fputs(shown < len ? "\"..." : "\"", to);
}

static const char *scope_name(krpc_scope scope)
{
    static const char *const names[] = {"", "a.", "r.", "e."};

    return names[scope];
}

static void put_value(FILE *to, const krpc_value *v, const uint8_t *data)
{
    switch (v->type) {
    case BENCODE_STRING:
        put_quoted(to, data + v->off, v->len);
        break;
    case BENCODE_INT:
        fprintf(to, "%lld", (long long)v->num);
        break;
    case BENCODE_LIST:
        fprintf(to, "list of %lld", (long long)v->num);
        break;
    default:
        fputs("dictionary", to);
    }
    fprintf(to, " @%u+%u\n", v->off, v->len);
}

/* a, r and e are named only where none of their own fields is. */
static bool is_implied(const krpc_message *m, krpc_field field)
{
    krpc_scope scope = field == KRPC_A   ? KRPC_SCOPE_A
                       : field == KRPC_R ? KRPC_SCOPE_R
                       : field == KRPC_E ? KRPC_SCOPE_E
                                         : KRPC_NUM_SCOPES;
    unsigned first = krpc_scope_first(scope);
    unsigned end = krpc_scope_first(scope + 1u);

    return krpc_message_next(m, first, end) < end;
}

static void put_fields(FILE *to, const krpc_message *m, const uint8_t *data)
{
    for (krpc_field f = 0; f < KRPC_NUM_FIELDS; f++) {
        const krpc_field_info *info = krpc_field_get(f);
        bool wrong = krpc_fields_have(&m->wrong, f);

        if ((!wrong && !krpc_has(m, f)) || (!wrong && is_implied(m, f))) {
            continue;
        }
        fprintf(to, "%s: %s%s ", wrong ? "wrong" : "field", scope_name(info->scope), info->key);
        put_value(to, &m->value[f], data);
    }
}

static void put_unknown(FILE *to, const krpc_message *m, const uint8_t *data)
{
    for (krpc_scope scope = KRPC_SCOPE_TOP; scope < KRPC_SCOPE_E; scope++) {
        krpc_unknown walk;
        krpc_span key, value;

        krpc_unknown_init(&walk, m, data, scope);
        while (krpc_unknown_next(&walk, &key, &value)) {
            fprintf(to, "unknown: %s", scope_name(scope));
            put_quoted(to, data + key.off, key.len);
            fputc(' ', to);
            put_quoted(to, data + value.off, value.len);
            fprintf(to, " @%u+%u\n", value.off, value.len);
        }
    }
}

static void put_adverts(FILE *to, const krpc_message *m, const uint8_t *data)
{
    krpc_advert_iter it;
    krpc_advert a;
    char text[KRPC_ENDPOINT_TEXT];

    krpc_advert_init(&it, m, data);
    while (krpc_advert_next(&it, &a)) {
        fprintf(to, "advert: %s ", krpc_channel_get(a.channel)->name);
        if (a.has_addr && a.has_port) {
            fputs(krpc_endpoint_text(text, &a.endpoint), to);
        } else if (a.has_addr) {
            fputs(krpc_endpoint_addr_text(text, &a.endpoint), to);
        } else if (a.has_port) {
            fprintf(to, "%lld", (long long)a.port);
        } else {
            fputs("source port", to);
        }
        fprintf(to, " @%u+%u\n", a.off, a.len);
    }
}

static void put_findings(FILE *to, findings *list)
{
    findings_sort(list);
    for (size_t i = 0; i < list->num; i++) {
        const krpc_finding *f = &list->list[i];
        const krpc_rule_info *info = krpc_rule_get(f->rule);

        fprintf(to, "finding: %s @%u+%u", info->slug, f->off, f->len);
        if (strstr(info->text, "{a}") != NULL) {
            fprintf(to, " %lld", (long long)f->a);
        }
        if (strstr(info->text, "{b}") != NULL) {
            fprintf(to, " %lld", (long long)f->b);
        }
        fputc('\n', to);
    }
}

char *vector_describe(const uint8_t *data, size_t len, size_t wire_len)
{
    static const char *const probes[] = {"no", "maybe", "yes"};
    krpc_message m;
    findings found;
    krpc_sink sink = findings_sink(&found);
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    krpc_probe probe;

    if (to == NULL) {
        perror("vectors");
        exit(2);
    }
    krpc_message_decode(&m, data, len, wire_len, &sink);
    krpc_message_check(&m, data, &sink);
    probe = krpc_message_probe(&m, data);
    fprintf(to, "type: %s%s%s\n", krpc_type_name((krpc_type)m.type), m.method != KRPC_METHOD_NONE ? " " : "",
            krpc_method_name((krpc_method)m.method));
    if (m.status != BENCODE_DONE) {
        fprintf(to, "status: %s\n", bencode_status_name((bencode_status)m.status));
    } else if (!m.canonical) {
        fprintf(to, "canonical: no\n");
    }
    if (m.len != len) {
        fprintf(to, "size: %u\n", m.len);
    }
    if (probe != KRPC_PROBE_YES) {
        fprintf(to, "probe: %s\n", probes[probe]);
    }
    put_fields(to, &m, data);
    put_unknown(to, &m, data);
    put_adverts(to, &m, data);
    put_findings(to, &found);
    findings_free(&found);
    fclose(to);
    return text;
}

/* ---- the form of the data ---- */

static void append(uint8_t **out, size_t *len, const void *bytes, size_t num)
{
    *out = grow(*out, *len + num + 1);
    if (num > 0) {
        memcpy(*out + *len, bytes, num);
    }
    *len += num;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c != '\0' ? strchr(digits, c) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/* "{300*text}": the text, which may hold escapes but no repetition, 300 times. */
static const char *repeat(uint8_t **out, size_t *len, const char *p, const char **error)
{
    char *star;
    unsigned long times = strtoul(p + 1, &star, 10);
    const char *close = strchr(p, '}');
    uint8_t *piece = NULL;
    size_t piece_len = 0;
    char *inner;

    if (*star != '*' || close == NULL || times == 0 || times > 100000) {
        *error = "\\{N*text} is expected";
        return NULL;
    }
    inner = copy(star + 1);
    inner[close - star - 1] = '\0';
    if (strstr(inner, "\\{") == NULL && vectors_unescape(&piece, &piece_len, inner, error)) {
        for (unsigned long i = 0; i < times; i++) {
            append(out, len, piece, piece_len);
        }
    } else {
        *error = *error != NULL ? *error : "a repetition inside a repetition";
    }
    free(inner);
    free(piece);
    return *error == NULL ? close + 1 : NULL;
}

bool vectors_unescape(uint8_t **out, size_t *len, const char *text, const char **error)
{
    const char *p = text;

    *error = NULL;
    while (p != NULL && *p != '\0') {
        if (p[0] != '\\') {
            append(out, len, p++, 1);
        } else if (p[1] == '\\') {
            append(out, len, "\\", 1);
            p += 2;
        } else if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
            uint8_t byte = (uint8_t)(hex_digit(p[2]) << 4 | hex_digit(p[3]));

            append(out, len, &byte, 1);
            p += 4;
        } else if (p[1] == '{') {
            p = repeat(out, len, p + 1, error);
        } else {
            *error = "an escape is one of \\\\ \\xhh \\{N*text}";
            p = NULL;
        }
    }
    append(out, len, "", 0);
    return *error == NULL;
}

typedef struct parser {
    vectors *out;
    const char *file;
    unsigned line;
    uint8_t **bytes; /* what a line that is indented goes on with */
    size_t *len;
} parser;

static void fail(const parser *p, const char *what)
{
    fprintf(stderr, "%s:%u: %s\n", p->file, p->line, what);
    exit(2);
}

static vector *current(const parser *p)
{
    if (p->out->num == 0) {
        fail(p, "the first line is a name");
    }
    return &p->out->list[p->out->num - 1];
}

static void parse_bytes(parser *p, const char *text)
{
    const char *error;

    if (p->bytes == NULL) {
        fail(p, "nothing to go on with");
    } else if (!vectors_unescape(p->bytes, p->len, text, &error)) {
        fail(p, error);
    }
}

static void add_line(vector *v, const char *key, const char *text)
{
    size_t had = v->expected != NULL ? strlen(v->expected) : 0;
    size_t more = strlen(key) + strlen(text) + 4;

    v->expected = grow(v->expected, had + more);
    snprintf(v->expected + had, more, "%s: %s\n", key, text);
}

static void parse_entry(parser *p, const char *key, const char *text)
{
    p->bytes = NULL;
    if (strcmp(key, "name") == 0) {
        vector v = {.name = copy(text), .file = copy(p->file), .line = p->line, .wire_len = SIZE_MAX};

        p->out->list = grow(p->out->list, (p->out->num + 1) * sizeof v);
        p->out->list[p->out->num++] = v;
    } else if (strcmp(key, "bytes") == 0) {
        p->bytes = &current(p)->bytes;
        p->len = &current(p)->len;
        parse_bytes(p, text);
    } else if (strcmp(key, "encoded") == 0) {
        p->bytes = &current(p)->encoded;
        p->len = &current(p)->encoded_len;
        parse_bytes(p, text);
    } else if (strcmp(key, "wire") == 0) {
        current(p)->wire_len = strtoul(text, NULL, 10);
    } else if (strcmp(key, "near") == 0) {
        vector *v = current(p);

        v->near = grow(v->near, (v->num_near + 1) * sizeof *v->near);
        v->near[v->num_near++] = copy(text);
    } else if (strcmp(key, "note") != 0) {
        add_line(current(p), key, text);
    }
}

static void parse_line(parser *p, char *line)
{
    size_t indent = strspn(line, " ");
    size_t len = strlen(line);
    char *colon;

    while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == ' ')) {
        line[--len] = '\0';
    }
    if (len == 0 || line[0] == '#') {
        return;
    }
    if (indent > 0) {
        if (p->bytes != NULL) { /* else a note goes on */
            parse_bytes(p, line + indent);
        }
        return;
    }
    colon = strchr(line, ':');
    if (colon == NULL) {
        fail(p, "neither a comment nor KEY: VALUE");
        return;
    }
    *colon = '\0';
    parse_entry(p, line, colon + 1 + strspn(colon + 1, " "));
}

static void load_file(vectors *out, const char *path)
{
    parser p = {out, path, 0, NULL, NULL};
    FILE *from = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;

    if (from == NULL) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    while (getline(&line, &room, from) >= 0) {
        p.line++;
        parse_line(&p, line);
    }
    free(line);
    fclose(from);
}

static int only_text(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 4 && strcmp(entry->d_name + len - 4, ".txt") == 0;
}

void vectors_load(vectors *out, const char *dir)
{
    struct dirent **files;
    int num = scandir(dir, &files, only_text, alphasort);

    memset(out, 0, sizeof *out);
    if (num < 0) {
        fprintf(stderr, "%s: %s\n", dir, strerror(errno));
        exit(2);
    }
    for (int i = 0; i < num; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", dir, files[i]->d_name);
        load_file(out, path);
        free(files[i]);
    }
    free(files);
    for (size_t i = 0; i < out->num; i++) {
        vector *v = &out->list[i];

        if (v->wire_len == SIZE_MAX) {
            v->wire_len = v->len;
        }
        if (v->expected == NULL) {
            v->expected = copy("");
        }
    }
}

void vectors_free(vectors *loaded)
{
    for (size_t i = 0; i < loaded->num; i++) {
        vector *v = &loaded->list[i];

        for (size_t n = 0; n < v->num_near; n++) {
            free(v->near[n]);
        }
        free(v->near);
        free(v->name);
        free(v->file);
        free(v->bytes);
        free(v->encoded);
        free(v->expected);
    }
    free(loaded->list);
    memset(loaded, 0, sizeof *loaded);
}
