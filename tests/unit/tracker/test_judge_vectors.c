/* test_judge_vectors.c: the cases of tests/vectors/judge (see its README.md), each under many hash keys.
 *
 * A case is a list of packets. They are judged twice: as facts that this test makes with the functions of facts.h, and
 * as messages that a tracker gets. Both must give what the case expects.
 *
 * SPDX-License-Identifier: MIT
 */
#include <arpa/inet.h>
#include <stdarg.h>

#include <glib.h>

#include "judge/judge.h"
#include "scene.h"

#define NUM_KEYS    50
#define MAX_WORDS   32
#define MAX_NAMES   128
#define RTT_NS      (50 * MS)
#define EVERY_NS    (20 * SECONDS) /* between the queries of a contact that lasts */
#define HOP_NS      MS             /* from one side of a NAT to the other */
#define BEGIN_NS    (INT64_C(1700000000) * SECONDS)
#define FACTS_BYTES (UINT64_C(64) << 20)
#define MAX_REPEATS 1000

typedef enum event_kind { WHAT_QUERY, WHAT_ANSWER, WHAT_STRAY, WHAT_DATAGRAM, WHAT_STREAM, WHAT_TIME } event_kind;

typedef struct event {
    int64_t ns;
    unsigned order; /* that of the lines, for packets of the same time */
    event_kind what;
    krpc_endpoint src, dst;
    krpc_endpoint owner; /* the node whose id it has: the sender, inside its NAT */
    unsigned t;          /* number of the query */
    int64_t query_ns;    /* for an answer */
    krpc_endpoint ip;    /* addr_len 0: none */
    krpc_endpoint peer;  /* in values, for an answer to get_peers; addr_len 0: none */
    bool wants_peers;
    krpc_channel channel;
    int port; /* -1: no claim */
    char label[24];
} event;

typedef struct identity {
    krpc_endpoint endpoint;
    uint8_t id[20];
    char version[4];
} identity;

typedef struct name {
    char name[24];
    char text[64];
} name;

typedef struct expectation {
    unsigned line;
    krpc_endpoint socket; /* addr_len 0: about a claim */
    char **words;
} expectation;

typedef struct test_case {
    char *file;
    char *name;
    unsigned line;
    GArray *packets;
    GArray *identities;
    GArray *expected;
    bool has_pairs, has_claims, only_messages;
    unsigned num_dropped;
} test_case;

/* ---- reading ---- */

typedef struct reader {
    char *file;
    unsigned line;
    name names[MAX_NAMES]; /* first those of the file, then those of the case */
    unsigned num_names, num_file_names;
    unsigned num_queries;
    int64_t shift_ns; /* of all times, in a repeated line */
    GPtrArray *cases;
    test_case *now;
} reader;

static void G_GNUC_NORETURN G_GNUC_PRINTF(2, 3) stop(const reader *r, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s:%u: ", r->file, r->line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

static int64_t read_seconds(const reader *r, const char *text)
{
    char *end;
    double seconds = g_ascii_strtod(text, &end);

    if (end == text || *end != '\0' || seconds < 0 || seconds > 1e6) {
        stop(r, "\"%s\" is not a number of seconds", text);
    }
    return (int64_t)(seconds * 1e6 + 0.5) * 1000;
}

static int read_number(const reader *r, const char *text)
{
    char *end;
    long number = strtol(text, &end, 10);

    if (end == text || *end != '\0' || number < 0 || number > 1000000) {
        stop(r, "\"%s\" is not a number", text);
    }
    return (int)number;
}

/* 192.0.2.1:6881, [2001:db8::1]:6881, or a name of one. */
static krpc_endpoint read_endpoint(const reader *r, const char *text)
{
    krpc_endpoint out;
    char host[64];
    uint8_t addr[16];
    const char *colon;
    bool bracket;

    for (unsigned i = r->num_names; i-- > 0;) {
        if (strcmp(r->names[i].name, text) == 0) {
            text = r->names[i].text;
            break;
        }
    }
    colon = strrchr(text, ':');
    if (colon == NULL || (size_t)(colon - text) >= sizeof host) {
        stop(r, "\"%s\" is neither an endpoint nor the name of one", text);
    }
    bracket = text[0] == '[';
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * bracket, text + bracket);
    if (inet_pton(bracket ? AF_INET6 : AF_INET, host, addr) != 1) {
        stop(r, "\"%s\" is not an IP address", host);
    }
    krpc_endpoint_set(&out, addr, bracket ? 16 : 4, (uint16_t)read_number(r, colon + 1));
    return out;
}

/* The rest of a line, after the words that every line of its kind has. */
typedef struct rest {
    int64_t from_ns, to_ns;
    bool has_to, silent, stray, datagram;
    krpc_endpoint seen; /* addr_len 0: none */
    const char *label;
} rest;

static rest read_rest(const reader *r, char **words)
{
    rest o = {.label = ""};

    for (; *words != NULL; words++) {
        const char *word = *words;
        bool takes_value = strcmp(word, "at") == 0 || strcmp(word, "from") == 0 || strcmp(word, "to") == 0 ||
                           strcmp(word, "as") == 0 || strcmp(word, "seen") == 0;

        if (takes_value && words[1] == NULL) {
            stop(r, "\"%s\" needs a value", word);
        }
        if (strcmp(word, "at") == 0 || strcmp(word, "from") == 0) {
            char **times = g_strsplit(*++words, "..", 2);

            o.from_ns = read_seconds(r, times[0]) + r->shift_ns;
            o.has_to = times[1] != NULL;
            o.to_ns = times[1] == NULL ? o.from_ns : read_seconds(r, times[1]) + r->shift_ns;
            g_strfreev(times);
        } else if (strcmp(word, "to") == 0) {
            o.has_to = true;
            o.to_ns = read_seconds(r, *++words) + r->shift_ns;
        } else if (strcmp(word, "as") == 0) {
            o.label = *++words;
        } else if (strcmp(word, "seen") == 0) {
            o.seen = read_endpoint(r, *++words);
        } else if (strcmp(word, "silent") == 0) {
            o.silent = true;
        } else if (strcmp(word, "stray") == 0) {
            o.stray = true;
        } else if (strcmp(word, "datagram") == 0) {
            o.datagram = true;
        } else {
            stop(r, "unknown word \"%s\"", word);
        }
    }
    if (o.to_ns < o.from_ns) {
        stop(r, "it ends before it begins");
    }
    return o;
}

/* ---- packets ---- */

static event *add(reader *r, event_kind what, int64_t ns, const krpc_endpoint *src, const krpc_endpoint *dst,
                  const krpc_endpoint *owner, unsigned t, const char *label)
{
    event p;

    memset(&p, 0, sizeof p);
    p.ns = BEGIN_NS + ns;
    p.order = r->now->packets->len;
    p.what = what;
    p.src = *src;
    p.dst = *dst;
    p.owner = *owner;
    p.t = t;
    p.port = -1;
    g_strlcpy(p.label, label, sizeof p.label);
    g_array_append_val(r->now->packets, p);
    return &g_array_index(r->now->packets, event, r->now->packets->len - 1);
}

static event *add_answer(reader *r, int64_t ns, int64_t query_ns, const krpc_endpoint *src, const krpc_endpoint *dst,
                         const krpc_endpoint *owner, unsigned t, const char *label)
{
    event *p = add(r, WHAT_ANSWER, ns, src, dst, owner, t, label);

    p->query_ns = BEGIN_NS + query_ns;
    return p;
}

/* contact A > B at 10..50: A asks B, which answers, every 20 s. */
static void read_contact(reader *r, char **words, unsigned num)
{
    krpc_endpoint a, b;
    rest o;

    if (num < 4 || strcmp(words[2], ">") != 0) {
        stop(r, "expected: contact A > B at TIME");
    }
    a = read_endpoint(r, words[1]);
    b = read_endpoint(r, words[3]);
    o = read_rest(r, words + 4);
    for (int64_t ns = o.from_ns;;) {
        unsigned t = ++r->num_queries;
        const char *label = ns == o.from_ns ? o.label : "";

        add(r, o.datagram ? WHAT_DATAGRAM : o.stray ? WHAT_STRAY : WHAT_QUERY, ns, &a, &b, &a, t, label);
        if (!o.datagram && !o.stray && !o.silent) {
            add_answer(r, ns + RTT_NS, ns, &b, &a, &b, t, "");
        }
        if (ns == o.to_ns) {
            break;
        }
        ns = MIN(ns + EVERY_NS, o.to_ns);
    }
}

/* told S by W at E from 10 to 10.2: S asks W, which answers, and names E in ip. */
static void read_told(reader *r, char **words, unsigned num)
{
    krpc_endpoint s, w, e;
    unsigned t = ++r->num_queries;
    rest o;

    if (num < 6 || strcmp(words[2], "by") != 0 || strcmp(words[4], "at") != 0) {
        stop(r, "expected: told SOCKET by WITNESS at ENDPOINT from TIME");
    }
    s = read_endpoint(r, words[1]);
    w = read_endpoint(r, words[3]);
    e = read_endpoint(r, words[5]);
    o = read_rest(r, words + 6);
    if (!o.has_to) {
        o.to_ns = o.from_ns + RTT_NS;
    }
    add(r, WHAT_QUERY, o.from_ns, &s, &w, &s, t, "");
    add_answer(r, o.to_ns, o.from_ns, &w, &s, &w, t, o.label)->ip = e;
}

/* pair A > B via E at 10: A asks B. One of them is inside a NAT, and is E outside. Both sides are captured. */
static void read_pair(reader *r, char **words, unsigned num)
{
    krpc_endpoint a, b, e;
    unsigned t = ++r->num_queries;
    rest o;

    if (num < 6 || strcmp(words[2], ">") != 0 || strcmp(words[4], "via") != 0) {
        stop(r, "expected: pair A > B via ENDPOINT at TIME");
    }
    a = read_endpoint(r, words[1]);
    b = read_endpoint(r, words[3]);
    e = read_endpoint(r, words[5]);
    o = read_rest(r, words + 6);
    r->now->has_pairs = true;
    if (krpc_endpoint_scope(&a) != KRPC_ADDR_GLOBAL) {
        int64_t back = o.from_ns + HOP_NS + RTT_NS;

        add(r, WHAT_QUERY, o.from_ns, &a, &b, &a, t, "");
        add(r, WHAT_QUERY, o.from_ns + HOP_NS, &e, &b, &a, t, o.label);
        if (!o.silent) {
            add_answer(r, back, o.from_ns, &b, &e, &b, t, "");
            add_answer(r, back + HOP_NS, o.from_ns, &b, &a, &b, t, "");
        }
    } else {
        add(r, WHAT_QUERY, o.from_ns, &a, &e, &a, t, o.label);
        add(r, WHAT_QUERY, o.from_ns + HOP_NS, &a, &b, &a, t, "");
        if (!o.silent) {
            add_answer(r, o.from_ns + RTT_NS, o.from_ns, &b, &a, &b, t, "");
            add_answer(r, o.from_ns + RTT_NS + HOP_NS, o.from_ns, &e, &a, &b, t, "");
        }
    }
}

static krpc_channel read_channel(const reader *r, const char *text)
{
    for (unsigned i = 0; i < KRPC_NUM_CHANNELS; i++) {
        if (strcmp(krpc_channel_get((krpc_channel)i)->name, text) == 0) {
            return (krpc_channel)i;
        }
    }
    stop(r, "unknown channel \"%s\"", text);
}

/* claim A > B CHANNEL PORT at 10: A says that its port is PORT, in a query, or over TCP in a PORT message. */
static void read_claim(reader *r, char **words, unsigned num)
{
    krpc_endpoint a, b;
    unsigned t = ++r->num_queries;
    bool stream;
    rest o;
    event *p;

    if (num < 6 || strcmp(words[2], ">") != 0) {
        stop(r, "expected: claim A > B CHANNEL PORT at TIME");
    }
    a = read_endpoint(r, words[1]);
    b = read_endpoint(r, words[3]);
    o = read_rest(r, words + 6);
    stream = read_channel(r, words[4]) == KRPC_CHANNEL_PORT_MESSAGE;
    p = add(r, stream ? WHAT_STREAM : WHAT_QUERY, o.from_ns, &a, &b, &a, t, o.label);
    p->channel = read_channel(r, words[4]);
    p->port = read_number(r, words[5]);
    if (!stream && !o.silent) {
        add_answer(r, o.from_ns + RTT_NS, o.from_ns, &b, &a, &b, t, "")->ip = o.seen;
    }
    r->now->has_claims = true;
}

/* values A > B PEER at 10: A asks B for peers of the info-hash that is announced, and B returns that one. */
static void read_values(reader *r, char **words, unsigned num)
{
    krpc_endpoint a, b;
    unsigned t = ++r->num_queries;
    rest o;

    if (num < 5 || strcmp(words[2], ">") != 0) {
        stop(r, "expected: values A > B PEER at TIME");
    }
    a = read_endpoint(r, words[1]);
    b = read_endpoint(r, words[3]);
    o = read_rest(r, words + 5);
    add(r, WHAT_QUERY, o.from_ns, &a, &b, &a, t, o.label)->wants_peers = true;
    add_answer(r, o.from_ns + RTT_NS, o.from_ns, &b, &a, &b, t, "")->peer = read_endpoint(r, words[4]);
    r->now->only_messages = true;
}

/* id SOCKET aa LT: its node id, 20 times that byte or 40 digits, and its version. */
static void read_id(reader *r, char **words, unsigned num)
{
    identity i;

    memset(&i, 0, sizeof i);
    if (num < 3 || (strlen(words[2]) != 2 && strlen(words[2]) != 40)) {
        stop(r, "expected: id SOCKET HEX [VERSION]");
    }
    i.endpoint = read_endpoint(r, words[1]);
    for (unsigned k = 0; k < 20; k++) {
        const char *hex = words[2] + (strlen(words[2]) == 2 ? 0 : 2 * k);

        if (!g_ascii_isxdigit(hex[0]) || !g_ascii_isxdigit(hex[1])) {
            stop(r, "\"%s\" is not hexadecimal", words[2]);
        }
        i.id[k] = (uint8_t)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));
    }
    if (num > 3) {
        memcpy(i.version, words[3], MIN(strlen(words[3]), sizeof i.version));
    }
    g_array_append_val(r->now->identities, i);
}

/* capture 0..200: the capture has packets of other hosts at these two times. */
static void read_capture(reader *r, char **words, unsigned num)
{
    krpc_endpoint other = ep("203.0.113.250:9"), one = ep("203.0.113.251:9");
    char *at[] = {(char *)(uintptr_t)"at", words[1], NULL};
    rest o;

    if (num != 2) {
        stop(r, "expected: capture FROM..TO");
    }
    o = read_rest(r, at);
    add(r, WHAT_TIME, o.from_ns, &one, &other, &one, 0, "");
    add(r, WHAT_TIME, o.to_ns, &one, &other, &one, 0, "");
}

/* ---- cases ---- */

static void free_expectation(void *data)
{
    g_strfreev(((expectation *)data)->words);
}

static void case_free(void *data)
{
    test_case *c = data;

    g_free(c->file);
    g_free(c->name);
    g_array_free(c->packets, TRUE);
    g_array_free(c->identities, TRUE);
    g_array_free(c->expected, TRUE);
    g_free(c);
}

static void read_case(reader *r, char **words, unsigned num)
{
    test_case *c = g_new0(test_case, 1);

    if (num != 2) {
        stop(r, "expected: case NAME");
    }
    for (unsigned i = 0; i < r->cases->len; i++) {
        if (strcmp(((test_case *)r->cases->pdata[i])->name, words[1]) == 0) {
            stop(r, "another case has the name \"%s\"", words[1]);
        }
    }
    c->file = g_strdup(r->file);
    c->name = g_strdup(words[1]);
    c->line = r->line;
    c->packets = g_array_new(FALSE, FALSE, sizeof(event));
    c->identities = g_array_new(FALSE, FALSE, sizeof(identity));
    c->expected = g_array_new(FALSE, FALSE, sizeof(expectation));
    g_array_set_clear_func(c->expected, free_expectation);
    g_ptr_array_add(r->cases, c);
    if (r->now == NULL) {
        r->num_file_names = r->num_names;
    }
    r->num_names = r->num_file_names;
    r->num_queries = 0;
    r->now = c;
}

static void read_name(reader *r, char **words, unsigned num)
{
    name *n = &r->names[r->num_names];

    if (num != 3 || r->num_names == MAX_NAMES || strchr(words[1], ':') != NULL) {
        stop(r, "expected: name NAME ENDPOINT, at most %d times", MAX_NAMES);
    }
    g_strlcpy(n->name, words[1], sizeof n->name);
    g_strlcpy(n->text, words[2], sizeof n->text);
    read_endpoint(r, words[2]);
    r->num_names++;
}

static void read_expect(reader *r, char **words, unsigned num)
{
    expectation e;

    memset(&e, 0, sizeof e);
    if (num < 3) {
        stop(r, "expected: expect SOCKET KEY=VALUE..., or expect claim LABEL VERDICT OUTCOME");
    }
    e.line = r->line;
    if (strcmp(words[1], "claim") != 0) {
        e.socket = read_endpoint(r, words[1]);
    }
    e.words = g_strdupv(words + 2);
    g_array_append_val(r->now->expected, e);
}

static void read_words(reader *r, char **words);

/* repeat 9 step 5 LINE: the line nine times, each 5 s after the one before; # is the number, from 1. */
static void read_repeat(reader *r, char **words, unsigned num)
{
    int times, count = 0;
    int64_t step_ns;

    if (num < 5 || strcmp(words[2], "step") != 0) {
        stop(r, "expected: repeat NUMBER step SECONDS LINE");
    }
    times = read_number(r, words[1]);
    step_ns = read_seconds(r, words[3]);
    if (times > MAX_REPEATS || r->shift_ns != 0) {
        stop(r, "at most %d times, and not inside another repeat", MAX_REPEATS);
    }
    while (count++ < times) {
        char *replaced[MAX_WORDS + 1] = {NULL};
        char number[16];

        snprintf(number, sizeof number, "%d", count);
        for (unsigned i = 4; i < num; i++) {
            char **parts = g_strsplit(words[i], "#", -1);

            replaced[i - 4] = g_strjoinv(number, parts);
            g_strfreev(parts);
        }
        r->shift_ns = (count - 1) * step_ns;
        read_words(r, replaced);
        for (unsigned i = 0; replaced[i] != NULL; i++) {
            g_free(replaced[i]);
        }
    }
    r->shift_ns = 0;
}

static void read_words(reader *r, char **words)
{
    static const struct {
        const char *word;
        void (*read)(reader *r, char **words, unsigned num);
    } kinds[] = {{"contact", read_contact}, {"told", read_told},     {"pair", read_pair},
                 {"claim", read_claim},     {"values", read_values}, {"id", read_id},
                 {"capture", read_capture}, {"repeat", read_repeat}, {"expect", read_expect}};
    unsigned num = g_strv_length(words);

    if (strcmp(words[0], "case") == 0) {
        read_case(r, words, num);
        return;
    }
    if (strcmp(words[0], "name") == 0) {
        read_name(r, words, num);
        return;
    }
    if (r->now == NULL) {
        stop(r, "there is no case yet");
    }
    if (strcmp(words[0], "only") == 0 && num == 2 && strcmp(words[1], "messages") == 0) {
        r->now->only_messages = true;
        return;
    }
    if (strcmp(words[0], "dropped") == 0 && num == 2) {
        r->now->num_dropped = (unsigned)read_number(r, words[1]);
        return;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(words[0], kinds[i].word) == 0) {
            kinds[i].read(r, words, num);
            return;
        }
    }
    stop(r, "unknown line \"%s\"", words[0]);
}

static void read_line(reader *r, char *line)
{
    char *words[MAX_WORDS + 1] = {NULL};
    unsigned num = 0;

    if (line[0] == '#' || g_str_has_prefix(line, "note ")) {
        return;
    }
    for (char *word = strtok(line, " \t\r"); word != NULL; word = strtok(NULL, " \t\r")) {
        if (num == MAX_WORDS) {
            stop(r, "more than %d words", MAX_WORDS);
        }
        words[num++] = word;
    }
    if (num > 0) {
        read_words(r, words);
    }
}

static gint by_time(gconstpointer a, gconstpointer b)
{
    const event *x = a, *y = b;

    return x->ns != y->ns ? (x->ns < y->ns ? -1 : 1) : x->order < y->order ? -1 : x->order > y->order;
}

static void read_file(GPtrArray *cases, const char *path)
{
    reader r;
    gchar *text = NULL;
    char **lines;

    memset(&r, 0, sizeof r);
    r.file = g_strdup(path);
    r.cases = cases;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        stop(&r, "it cannot be read");
    }
    lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i] != NULL; i++) {
        r.line = i + 1;
        read_line(&r, lines[i]);
    }
    for (unsigned i = 0; i < cases->len; i++) {
        const test_case *c = cases->pdata[i];

        if (c->expected->len == 0) {
            r.line = c->line;
            stop(&r, "case %s expects nothing", c->name);
        }
        g_array_sort(c->packets, by_time);
    }
    g_strfreev(lines);
    g_free(text);
    g_free(r.file);
}

/* Every .txt of the folder but open.txt: cases that the judge does not get right yet. */
static GPtrArray *read_folder(void)
{
    const char *root = getenv("SOURCE_DIR");
    const char *only = getenv("JUDGE_VECTORS");
    char *path = g_build_filename(root == NULL ? "." : root, "tests/vectors/judge", NULL);
    GPtrArray *cases = g_ptr_array_new_with_free_func(case_free);
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *file;

    if (only != NULL) {
        read_file(cases, only);
    }
    while (only == NULL && dir != NULL && (file = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(file, ".txt") && strcmp(file, "open.txt") != 0) {
            char *full = g_build_filename(path, file, NULL);

            read_file(cases, full);
            g_free(full);
        }
    }
    if (dir != NULL) {
        g_dir_close(dir);
    }
    g_free(path);
    return cases;
}

/* ---- what was judged, as text ---- */

typedef struct outcome {
    const test_case *of;
    const char *way; /* "facts" or "messages" */
    unsigned key;
    unsigned num_wrong;
} outcome;

static void put_frames(const outcome *o, GString *out, const uint32_t *frames, uint32_t num)
{
    for (uint32_t i = 0; i < num; i++) {
        const char *label = frames[i] >= 1 && frames[i] <= o->of->packets->len
                                ? g_array_index(o->of->packets, event, frames[i] - 1).label
                                : "";

        g_string_append(out, i == 0 ? "" : "+");
        if (label[0] != '\0') {
            g_string_append(out, label);
        } else {
            g_string_append_printf(out, "%u", frames[i]);
        }
    }
}

static void put_list(GString *out, const char *item)
{
    g_string_append_printf(out, "%s%s", out->len == 0 ? "" : ",", item);
}

static void put_endpoint(GString *out, const krpc_endpoint *endpoint)
{
    char text[KRPC_ENDPOINT_TEXT];

    put_list(out, krpc_endpoint_text(text, endpoint));
}

static bool wants(const char *value, char sign)
{
    return strchr(value, sign) != NULL;
}

/* Writes what the key of an expectation is about. value shows how much detail it wants; false: there is no such key. */
static bool describe(const outcome *o, GString *out, const tracker_node *n, const char *key, const char *value)
{
    const tracker_nat *nat = &n->nat;
    const tracker_reachability *reach = &n->reach;

    if (strcmp(key, "port") == 0) {
        g_string_append(out, tracker_port_name(nat->port));
    } else if (strcmp(key, "addresses") == 0) {
        g_string_append(out, tracker_addresses_name(nat->addresses));
    } else if (strcmp(key, "mapping") == 0) {
        g_string_append(out, tracker_mapping_name(nat->mapping));
    } else if (strcmp(key, "filtering") == 0) {
        g_string_append(out, tracker_filtering_name(nat->filtering));
    } else if (strcmp(key, "reason") == 0) {
        g_string_append(out, tracker_reason_name(nat->mapping_reason));
    } else if (strcmp(key, "port_reason") == 0) {
        g_string_append(out, tracker_reason_name(nat->port_reason));
    } else if (strcmp(key, "reach") == 0) {
        g_string_append(out, tracker_reach_name(reach->verdict));
    } else if (strcmp(key, "sites") == 0) {
        g_string_append_printf(out, "%u", reach->num_sites);
    } else if (strcmp(key, "remapped") == 0) {
        g_string_append_printf(out, "%u", nat->remapped);
    } else if (strcmp(key, "ours") == 0) {
        g_string_append(out, n->ours ? "yes" : "no");
    } else if (strcmp(key, "changed") == 0) {
        put_frames(o, out, &nat->changed_frame, 1);
    } else if (strcmp(key, "frames") == 0) {
        put_frames(o, out, reach->frames, reach->num_frames);
    } else if (strcmp(key, "external") == 0) {
        for (uint32_t i = 0; i < nat->num_kept; i++) {
            put_endpoint(out, &nat->external[i].endpoint);
            if (wants(value, '/')) {
                g_string_append_printf(out, "/%u", nat->external[i].observers);
            }
            if (wants(value, '@')) {
                g_string_append_c(out, '@');
                put_frames(o, out, nat->external[i].frames, nat->external[i].num_frames);
            }
        }
    } else if (strcmp(key, "open") == 0) {
        for (uint32_t i = 0; i < reach->num_open; i++) {
            put_endpoint(out, &reach->open[i].endpoint);
        }
    } else if (strcmp(key, "missing") == 0) {
        for (unsigned i = 0; i < TRACKER_NUM_MISSING; i++) {
            if ((reach->missing & 1u << i) != 0) {
                put_list(out, tracker_missing_name((tracker_missing)i));
            }
        }
    } else if (strcmp(key, "advice") == 0) {
        for (uint32_t i = 0; i < n->num_advice; i++) {
            const tracker_advice_item *a = &n->advice[i];

            put_list(out, tracker_advice_slug(a->advice));
            if (wants(value, ':') && a->port != 0) {
                g_string_append_printf(out, ":%u", a->port);
            }
            if (wants(value, '/') && a->said != 0) {
                g_string_append_printf(out, "/%u", a->said);
            }
            if (wants(value, '@') && a->num_frames > 0) {
                g_string_append_c(out, '@');
                put_frames(o, out, a->frames, a->num_frames);
            }
        }
    } else {
        return false;
    }
    if (out->len == 0) {
        g_string_append(out, "none");
    }
    return true;
}

static void say_wrong(outcome *o, unsigned line, const char *key, const char *got, const char *want)
{
    fprintf(stderr, "\n%s:%u: case %s (%s, key %u): %s is %s, expected %s\n", o->of->file, line, o->of->name, o->way,
            o->key, key, got, want);
    o->num_wrong++;
}

static gint by_text(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The order of a list does not matter. */
static bool is_same_list(const char *got, const char *want)
{
    char **one = g_strsplit(got, ",", -1), **other = g_strsplit(want, ",", -1);
    unsigned num = g_strv_length(one);
    bool same = num == g_strv_length(other);

    qsort(one, num, sizeof *one, by_text);
    qsort(other, g_strv_length(other), sizeof *other, by_text);
    for (unsigned i = 0; i < num && same; i++) {
        same = strcmp(one[i], other[i]) == 0;
    }
    g_strfreev(one);
    g_strfreev(other);
    return same;
}

/* want is a list, several lists between "|" of which one is right, or "!" and a list that is wrong. */
static bool is_wanted(const char *got, const char *want)
{
    char **choices = g_strsplit(want + (want[0] == '!'), "|", -1);
    bool any = false;

    for (unsigned i = 0; choices[i] != NULL; i++) {
        any |= is_same_list(got, choices[i]);
    }
    g_strfreev(choices);
    return any != (want[0] == '!');
}

/* words are key=value; only_facts: a tracker is needed for advice. */
static void compare_node(outcome *o, const expectation *e, const tracker_node *n, bool only_facts)
{
    for (unsigned i = 0; e->words[i] != NULL; i++) {
        char **pair = g_strsplit(e->words[i], "=", 2);
        GString *got = g_string_new(NULL);

        if (pair[1] == NULL || !describe(o, got, n, pair[0], pair[1])) {
            fprintf(stderr, "%s:%u: \"%s\" is not key=value of a known key\n", o->of->file, e->line, e->words[i]);
            exit(2);
        }
        if (!(only_facts && (strcmp(pair[0], "advice") == 0 || strcmp(pair[0], "ours") == 0)) &&
            !is_wanted(got->str, pair[1])) {
            say_wrong(o, e->line, pair[0], got->str, pair[1]);
        }
        g_string_free(got, TRUE);
        g_strfreev(pair);
    }
}

/* ---- as facts ---- */

static void judge_as_facts(outcome *o)
{
    const test_case *c = o->of;
    tracker_options options = {0};
    uint64_t memory = 0;
    hash_key key;
    facts f;

    test_key_set(&options, o->key);
    hash_key_init(&key, options.hash_key);
    facts_init(&f, &key, FACTS_BYTES, &memory);
    f.contacts.num_dropped = c->num_dropped;
    for (unsigned i = 0; i < c->packets->len; i++) {
        const event *p = &g_array_index(c->packets, event, i);
        static const fact_what whats[] = {FACT_QUERY, FACT_ANSWER, FACT_STRAY, FACT_DATAGRAM};
        fact_moment at = {p->ns, fact_place(0, i + 1)};
        fact_contact *session;

        facts_time(&f, p->ns);
        if (p->what == WHAT_TIME) {
            continue;
        }
        session = facts_touch(&f, &at, &p->src, &p->dst, hash_endpoint(&key, &p->src), hash_endpoint(&key, &p->dst),
                              whats[p->what]);
        if (p->ip.addr_len != 0) {
            unsigned mine = fact_side(session, facts_find(&f, &p->dst));

            facts_sight(&f, FACT_TOLD, session->end[mine], session->end[!mine], &p->ip, p->query_ns, &at, p->ns);
        }
        for (unsigned k = 0; k < c->identities->len; k++) {
            const identity *id = &g_array_index(c->identities, identity, k);

            if (krpc_endpoint_equal(&id->endpoint, &p->src)) {
                facts_identity(&f, facts_find(&f, &p->src), id->id, (const uint8_t *)id->version, &at);
            }
        }
    }
    for (unsigned i = 0; i < c->expected->len; i++) {
        const expectation *e = &g_array_index(c->expected, expectation, i);
        uint32_t index = facts_find(&f, &e->socket);
        tracker_node n;
        judge_socket s;

        memset(&n, 0, sizeof n);
        if (index == NONE) {
            say_wrong(o, e->line, "socket", "not there", "there");
            continue;
        }
        judge_socket_init(&s, &f, index);
        n.nat = s.nat;
        n.reach = s.reach;
        judge_socket_clear(&s);
        compare_node(o, e, &n, true);
    }
    facts_clear(&f);
}

/* ---- as messages ---- */

static const identity *identity_of(const test_case *c, const krpc_endpoint *endpoint)
{
    for (unsigned k = 0; k < c->identities->len; k++) {
        const identity *id = &g_array_index(c->identities, identity, k);

        if (krpc_endpoint_equal(&id->endpoint, endpoint)) {
            return id;
        }
    }
    return NULL;
}

static void make_id(uint8_t out[20], const test_case *c, const krpc_endpoint *owner)
{
    const identity *id = identity_of(c, owner);

    if (id != NULL) {
        memcpy(out, id->id, 20);
        return;
    }
    for (unsigned i = 0; i < 20; i++) {
        out[i] = (uint8_t)(krpc_endpoint_hash(owner) * (2 * i + 1) >> 24);
    }
}

static const uint8_t info_hash[20] = "aaaaaaaaaaaaaaaaaaa";

static void put_claim(krpc_builder *b, const event *p)
{
    switch (p->channel) {
    case KRPC_CHANNEL_P:
        krpc_builder_int(b, KRPC_P, p->port);
        break;
    case KRPC_CHANNEL_CONTACT:
        krpc_builder_int(b, KRPC_A_PORT, p->port);
        break;
    default:
        krpc_builder_bytes(b, KRPC_A_INFO_HASH, info_hash, sizeof info_hash);
        krpc_builder_bytes(b, KRPC_A_TOKEN, "token", 5);
        krpc_builder_int(b, KRPC_A_PORT, p->port);
        if (p->channel == KRPC_CHANNEL_IMPLIED_PORT) {
            krpc_builder_int(b, KRPC_A_IMPLIED_PORT, 1);
        }
    }
}

static void hand_over(const test_case *c, tracker *t, const event *p, const tracker_packet *packet)
{
    static const uint8_t target[20] = "bbbbbbbbbbbbbbbbbbb";
    static const krpc_method methods[KRPC_NUM_CHANNELS] = {[KRPC_CHANNEL_CONTACT] = KRPC_METHOD_CONTACT,
                                                           [KRPC_CHANNEL_ANNOUNCE_PEER] = KRPC_METHOD_ANNOUNCE_PEER,
                                                           [KRPC_CHANNEL_IMPLIED_PORT] = KRPC_METHOD_ANNOUNCE_PEER};
    const identity *id = identity_of(c, &p->owner);
    uint8_t room[1024], bytes[1024], own[20], values[32] = "l6:"; /* the builder keeps pointers */
    char number[8];
    krpc_builder b;
    krpc_message m;
    uint32_t len;

    snprintf(number, sizeof number, "%04x", p->t);
    make_id(own, c, &p->owner);
    krpc_builder_init(&b, room, sizeof room, p->what == WHAT_QUERY ? KRPC_QUERY : KRPC_RESPONSE, number,
                      p->what == WHAT_STRAY ? 3 : 4);
    if (p->what == WHAT_QUERY) {
        krpc_method method = p->wants_peers                                           ? KRPC_METHOD_GET_PEERS
                             : p->port < 0 || methods[p->channel] == KRPC_METHOD_NONE ? KRPC_METHOD_FIND_NODE
                                                                                      : methods[p->channel];

        krpc_builder_method(&b, method);
        krpc_builder_bytes(&b, KRPC_A_ID, own, sizeof own);
        if (method == KRPC_METHOD_FIND_NODE) {
            krpc_builder_bytes(&b, KRPC_A_TARGET, target, sizeof target);
        }
        if (p->wants_peers) {
            krpc_builder_bytes(&b, KRPC_A_INFO_HASH, info_hash, sizeof info_hash);
        } else if (p->port >= 0) {
            put_claim(&b, p);
        }
    } else if (p->peer.addr_len != 0) {
        size_t size = 3 + krpc_endpoint_put(values + 3, &p->peer);

        values[size++] = 'e';
        krpc_builder_bytes(&b, KRPC_R_ID, own, sizeof own);
        krpc_builder_bytes(&b, KRPC_R_TOKEN, "token", 5);
        krpc_builder_raw(&b, KRPC_R_VALUES, values, size);
    } else {
        krpc_builder_bytes(&b, KRPC_R_ID, own, sizeof own);
        krpc_builder_bytes(&b, KRPC_R_NODES, "", 0);
    }
    if (p->ip.addr_len != 0) {
        krpc_builder_endpoint(&b, KRPC_IP, &p->ip);
    }
    if (id != NULL && id->version[0] != '\0') {
        krpc_builder_bytes(&b, KRPC_V, id->version, 4);
    }
    len = (uint32_t)krpc_builder_encode(&b, bytes, sizeof bytes);
    CU_ASSERT_FATAL(len > 40 && len <= sizeof bytes);
    krpc_message_decode(&m, bytes, len, len, NULL);
    CU_ASSERT_EQUAL_FATAL(krpc_message_probe(&m, bytes), KRPC_PROBE_YES);
    tracker_message(t, packet, &m, bytes, NULL, NULL, NULL);
}

/* A PORT message, after the handshake. */
static void hand_over_stream(const test_case *c, tracker *t, const event *p, const tracker_packet *packet)
{
    char peer_id[21] = "--------------------";
    const identity *id = identity_of(c, &p->owner);
    uint8_t bytes[128];
    size_t len;

    if (id != NULL && id->version[0] != '\0') {
        memcpy(peer_id + 1, id->version, 2);
        memcpy(peer_id + 3, "2000", 4);
    }
    len = peerwire_handshake_put(bytes, sizeof bytes, PEERWIRE_RESERVED_DHT, info_hash, (const uint8_t *)peer_id);
    len += peerwire_port_put(bytes + len, sizeof bytes - len, (uint16_t)p->port);
    tracker_segment(t, packet, 1000, 0, TRACKER_TCP_SYN, NULL, 0, 0, NULL, NULL);
    tracker_segment(t, packet, 1001, 0, 0, bytes, len, len, NULL, NULL);
}

/* words: LABEL VERDICT [OUTCOME [OBSERVED]]. */
static void compare_claim(outcome *o, const expectation *e, const tracker *t)
{
    tracker_advert a;
    const event *p;
    bool found = false;
    unsigned num = g_strv_length(e->words);
    char text[KRPC_ENDPOINT_TEXT] = "none";

    for (uint64_t serial = 0; !found && tracker_advert_get(t, serial, &a); serial++) {
        p = &g_array_index(o->of->packets, event, a.frame - 1);
        found = strcmp(p->label, e->words[0]) == 0;
    }
    if (!found) {
        say_wrong(o, e->line, e->words[0], "no claim", "a claim");
        return;
    }
    if (num > 1 && !is_wanted(tracker_verdict_name((tracker_verdict)a.verdict), e->words[1])) {
        say_wrong(o, e->line, "verdict", tracker_verdict_name((tracker_verdict)a.verdict), e->words[1]);
    }
    if (num > 2 && !is_wanted(tracker_later_name((tracker_later)a.later), e->words[2])) {
        say_wrong(o, e->line, "outcome", tracker_later_name((tracker_later)a.later), e->words[2]);
    }
    if (num > 3) {
        if (a.observed.port != 0) {
            krpc_endpoint_text(text, &a.observed);
        }
        if (strcmp(e->words[3], text) != 0) {
            say_wrong(o, e->line, "observed", text, e->words[3]);
        }
    }
}

static void judge_as_messages(outcome *o)
{
    const test_case *c = o->of;
    tracker_options options = {.max_nodes = 4096, .max_transactions = 4096, .max_adverts = 1024, .max_streams = 64};
    tracker *t;

    test_key_set(&options, o->key);
    t = tracker_new(&options);
    for (unsigned i = 0; i < c->packets->len; i++) {
        const event *p = &g_array_index(c->packets, event, i);
        tracker_packet packet = {.frame = i + 1, .time_ns = p->ns, .src = p->src, .dst = p->dst};

        if (p->what == WHAT_TIME || p->what == WHAT_DATAGRAM) {
            tracker_datagram(t, &packet, (const uint8_t *)"?", 1, NULL, NULL);
        } else if (p->what == WHAT_STREAM) {
            hand_over_stream(c, t, p, &packet);
        } else {
            hand_over(c, t, p, &packet);
        }
    }
    tracker_finish(t);
    for (unsigned i = 0; i < c->expected->len; i++) {
        const expectation *e = &g_array_index(c->expected, expectation, i);
        tracker_node n;

        if (e->socket.addr_len == 0) {
            compare_claim(o, e, t);
        } else if (tracker_node_find(t, &e->socket, &n)) {
            compare_node(o, e, &n, false);
        } else {
            say_wrong(o, e->line, "node", "not there", "there");
        }
    }
    tracker_free(t);
}

/* ---- tests ---- */

/* The two ways to judge. Pairs and claims are what the tracker makes of messages; it cannot be told to drop facts. */
static unsigned judge_all(const GPtrArray *cases, unsigned key)
{
    unsigned num_wrong = 0;

    for (unsigned i = 0; i < cases->len; i++) {
        const test_case *c = cases->pdata[i];
        outcome o = {c, "facts", key, 0};

        if (!c->has_pairs && !c->has_claims && !c->only_messages) {
            judge_as_facts(&o);
        }
        if (c->num_dropped == 0) {
            o.way = "messages";
            judge_as_messages(&o);
        }
        num_wrong += o.num_wrong > 0;
    }
    return num_wrong;
}

static void every_case_is_judged_right(void)
{
    GPtrArray *cases = read_folder();

    if (getenv("JUDGE_VECTORS") == NULL) {
        CU_ASSERT(cases->len >= 150);
    }
    CU_ASSERT_EQUAL(judge_all(cases, 0), 0);
    g_ptr_array_free(cases, TRUE);
}

static void no_hash_key_changes_a_verdict(void)
{
    GPtrArray *cases = read_folder();

    for (unsigned key = 1; key < NUM_KEYS; key++) {
        if (judge_all(cases, key) > 0) {
            CU_FAIL("a case depends on the hash key");
            break;
        }
    }
    g_ptr_array_free(cases, TRUE);
}

int main(void)
{
    const unit_test tests[] = {UNIT_TEST(every_case_is_judged_right), UNIT_TEST(no_hash_key_changes_a_verdict)};

    return UNIT_RUN("judge vectors", tests);
}
