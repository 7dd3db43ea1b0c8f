/* judge_cases.c: reads the cases of tests/vectors/judge.
 *
 * SPDX-License-Identifier: MIT
 */
#include "judge_cases.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS          INT64_C(1000000)
#define SECONDS     (1000 * MS)
#define BEGIN_NS    (INT64_C(1700000000) * SECONDS)
#define RTT_NS      (50 * MS)
#define EVERY_NS    (20 * SECONDS) /* between the queries of a contact that lasts */
#define HOP_NS      MS             /* from one side of a NAT to the other */
#define MAX_WORDS   32
#define MAX_NAMES   128
#define MAX_REPEATS 1000

typedef struct name {
    char name[24];
    char text[64];
} name;

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
    int port;

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
    port = read_number(r, colon + 1);
    if (port > UINT16_MAX) {
        stop(r, "port %d is above 65535", port);
    }
    krpc_endpoint_set(&out, addr, bracket ? 16 : 4, (uint16_t)port);
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
    krpc_endpoint one = read_endpoint(r, "203.0.113.250:9"), other = read_endpoint(r, "203.0.113.251:9");
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

void judge_cases_lie(test_case *c, const krpc_endpoint *socket, const krpc_endpoint *witness,
                     const krpc_endpoint *outside, int64_t ns)
{
    reader r = {.now = c};
    unsigned t = UINT16_MAX - c->packets->len; /* no query of the case has this number */

    add(&r, WHAT_QUERY, ns - BEGIN_NS, socket, witness, socket, t, "");
    add_answer(&r, ns - BEGIN_NS + RTT_NS, ns - BEGIN_NS, witness, socket, witness, t, "")->ip = *outside;
    g_array_sort(c->packets, by_time);
}

GPtrArray *judge_cases_read(const char *path)
{
    GPtrArray *cases = g_ptr_array_new_with_free_func(case_free);
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *file;

    if (dir == NULL) {
        read_file(cases, path);
        return cases;
    }
    while ((file = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_suffix(file, ".txt")) {
            char *full = g_build_filename(path, file, NULL);

            read_file(cases, full);
            g_free(full);
        }
    }
    g_dir_close(dir);
    return cases;
}
