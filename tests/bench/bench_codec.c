/* bench_codec.c: measures the time for decoding and encoding; prints tables in Markdown.
 *
 *     bench_codec [--rounds N] NAME=PAYLOADS...
 *
 * PAYLOADS is a file from `generate`. All measures run in the same process, in turns: a round runs each measure once
 * over all messages, and starts with a different one. The results are the medians over the rounds; ratios are the
 * medians of the rounds' ratios.
 *
 * SPDX-License-Identifier: MIT
 */
#include <krpc/message.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_ROUNDS      1001
#define MAX_MEASURES    8
#define ENCODE_MESSAGES 64 /* few enough to stay in the cache, like a message that was just built */
#define ENCODE_TIMES    16
#define FILE_LIST_SIZE  (10u << 20)

#ifdef BENCH_LIBTORRENT
extern const char *bench_libtorrent_version;
int bench_libtorrent_bdecode(const char *data, size_t len, int depth, int tokens);
#endif

static unsigned rounds = 51;

/* ---- measures ---- */

typedef struct set {
    const char *name;
    uint8_t *bytes;
    uint32_t *offs; /* num + 1 of them */
    size_t num;
} set;

/* One measure: it does its work for the whole of ctx and returns a number that depends on all of it. */
typedef struct measure {
    const char *name;
    uint64_t (*run)(void *ctx);
    double ns[MAX_ROUNDS];
} measure;

static volatile uint64_t sum; /* keeps the compiler from removing work */

/* Processor time of this thread, so other work on the machine matters little. */
static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void run_rounds(measure *list, size_t num, void *ctx)
{
    for (size_t i = 0; i < num; i++) {
        sum += list[i].run(ctx); /* fills the caches */
    }
    for (unsigned r = 0; r < rounds; r++) {
        for (size_t i = 0; i < num; i++) {
            measure *m = &list[(i + r) % num];
            double begin = now_ns();

            sum += m->run(ctx);
            m->ns[r] = now_ns() - begin;
        }
    }
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median_of(const double *list)
{
    double sorted[MAX_ROUNDS];

    memcpy(sorted, list, rounds * sizeof sorted[0]);
    qsort(sorted, rounds, sizeof sorted[0], compare_doubles);
    return sorted[rounds / 2];
}

static double ratio(const measure *of, const measure *to)
{
    double list[MAX_ROUNDS];

    for (unsigned r = 0; r < rounds; r++) {
        list[r] = of->ns[r] / to->ns[r];
    }
    return median_of(list);
}

/* ---- decoding ---- */

static uint64_t run_walk(void *ctx)
{
    const set *s = (const set *)ctx;
    uint64_t n = 0;

    for (size_t i = 0; i < s->num; i++) {
        uint32_t size = 0;

        n += (uint64_t)bencode_check(&size, s->bytes + s->offs[i], s->offs[i + 1] - s->offs[i]) + size;
    }
    return n;
}

static uint64_t run_tokens(void *ctx)
{
    const set *s = (const set *)ctx;
    uint64_t n = 0;

    for (size_t i = 0; i < s->num; i++) {
        bencode_reader reader;
        bencode_token token;

        bencode_reader_init(&reader, s->bytes + s->offs[i], s->offs[i + 1] - s->offs[i]);
        while (bencode_next(&reader, &token) == BENCODE_OK) {
            n += token.body_len;
        }
    }
    return n;
}

static uint64_t run_decode(void *ctx)
{
    const set *s = (const set *)ctx;
    krpc_message m;
    uint64_t n = 0;

    for (size_t i = 0; i < s->num; i++) {
        uint32_t len = s->offs[i + 1] - s->offs[i];

        krpc_message_decode(&m, s->bytes + s->offs[i], len, len, NULL);
        n += m.present.words[0];
    }
    return n;
}

static void count(void *ctx, const krpc_finding *finding)
{
    uint64_t *list = (uint64_t *)ctx;

    list[finding->rule]++;
}

static uint64_t run_rules(void *ctx)
{
    const set *s = (const set *)ctx;
    uint64_t counts[KRPC_NUM_RULES] = {0};
    krpc_sink sink = {count, counts};
    krpc_message m;
    uint64_t n = 0;

    for (size_t i = 0; i < s->num; i++) {
        const uint8_t *data = s->bytes + s->offs[i];
        uint32_t len = s->offs[i + 1] - s->offs[i];

        krpc_message_decode(&m, data, len, len, &sink);
        krpc_message_check(&m, data, &sink);
        n += m.present.words[0];
    }
    return n + counts[KRPC_RULE_KRPC_MISSING_VERSION];
}

#ifdef BENCH_LIBTORRENT
static uint64_t run_libtorrent(void *ctx)
{
    const set *s = (const set *)ctx;
    uint64_t n = 0;

    for (size_t i = 0; i < s->num; i++) {
        n += (uint64_t)bench_libtorrent_bdecode((const char *)s->bytes + s->offs[i], s->offs[i + 1] - s->offs[i], 10,
                                                500);
    }
    return n;
}
#endif

static void print_decoding(set *s)
{
    static measure list[] = {
        {"structure walk (bencode_check)", run_walk, {0}},
        {"tokens (bencode_next)", run_tokens, {0}},
        {"typed decode", run_decode, {0}},
        {"typed decode and all rules", run_rules, {0}},
#ifdef BENCH_LIBTORRENT
        {"lt::bdecode (only the structure)", run_libtorrent, {0}},
#endif
    };
    enum { NUM = sizeof list / sizeof list[0] };

    run_rounds(list, NUM, s);
    printf("\n%s: %zu messages of %.0f bytes\n\n", s->name, s->num, (double)s->offs[s->num] / (double)s->num);
#ifdef BENCH_LIBTORRENT
    printf("| | ns a message | of the walk | of lt::bdecode |\n|---|---:|---:|---:|\n");
#else
    printf("| | ns a message | of the walk |\n|---|---:|---:|\n");
#endif
    for (size_t i = 0; i < NUM; i++) {
        printf("| %s | %.1f | %.2f |", list[i].name, median_of(list[i].ns) / (double)s->num, ratio(&list[i], &list[0]));
#ifdef BENCH_LIBTORRENT
        printf(" %.2f |", ratio(&list[i], &list[NUM - 1]));
#endif
        printf("\n");
    }
}

/* ---- encoding ---- */

/* Copies a message by memcpy: its tokens are known, one piece for each. */
typedef struct pieces {
    const uint8_t *data;
    uint32_t num;
    krpc_span list[120];
} pieces;

typedef struct encoding {
    krpc_message messages[ENCODE_MESSAGES];
    pieces copies[ENCODE_MESSAGES];
    size_t num;
    size_t bytes;
    uint8_t out[8192];
} encoding;

static uint64_t run_encode(void *ctx)
{
    encoding *e = (encoding *)ctx;
    uint64_t n = 0;

    for (size_t turn = 0; turn < ENCODE_TIMES * e->num; turn++) {
        size_t i = turn % e->num;

        n += krpc_message_encode(e->out, sizeof e->out, &e->messages[i], e->copies[i].data) + e->out[i % 64];
    }
    return n;
}

static uint64_t run_copies(void *ctx)
{
    encoding *e = (encoding *)ctx;
    uint64_t n = 0;

    for (size_t turn = 0; turn < ENCODE_TIMES * e->num; turn++) {
        size_t i = turn % e->num;

        const pieces *p = &e->copies[i];
        size_t len = 0;

        for (uint32_t k = 0; k < p->num; k++) {
            if (p->list[k].len > sizeof e->out - len) {
                break;
            }
            memcpy(e->out + len, p->data + p->list[k].off, p->list[k].len);
            len += p->list[k].len;
        }
        n += len + e->out[i % 64];
    }
    return n;
}

static bool cut_into_pieces(pieces *out, const uint8_t *data, uint32_t len)
{
    bencode_reader reader;
    bencode_token token;

    out->data = data;
    out->num = 0;
    bencode_reader_init(&reader, data, len);
    while (bencode_next(&reader, &token) == BENCODE_OK) {
        if (out->num == sizeof out->list / sizeof out->list[0]) {
            return false;
        }
        out->list[out->num++] = (krpc_span){token.off, token.end - token.off};
    }
    return true;
}

#define ID           "abcdefghij0123456789"
#define HASH         "mnopqrstuvwxyz123456"
#define ANNOUNCE_LEN 138

/* An announce as a program would build it in an array: with the builder, and by hand. */
static uint64_t run_builder(void *ctx)
{
    encoding *e = (encoding *)ctx;
    uint8_t room[256];
    uint64_t n = 0;

    for (int64_t i = 0; i < ENCODE_TIMES * ENCODE_MESSAGES; i++) {
        krpc_builder b;
        uint8_t t[2] = {(uint8_t)(i >> 8), (uint8_t)i};

        krpc_builder_init(&b, room, sizeof room, KRPC_QUERY, t, 2);
        krpc_builder_method(&b, KRPC_METHOD_ANNOUNCE_PEER);
        krpc_builder_bytes(&b, KRPC_A_ID, ID, 20);
        krpc_builder_bytes(&b, KRPC_A_INFO_HASH, HASH, 20);
        krpc_builder_int(&b, KRPC_A_PORT, 6881 + i);
        krpc_builder_bytes(&b, KRPC_A_TOKEN, "aoeusnth", 8);
        krpc_builder_bytes(&b, KRPC_V, "LT\x02\x0b", 4);
        n += krpc_builder_encode(&b, e->out, sizeof e->out) + e->out[i % 64];
    }
    return n;
}

#define PUT(bytes, len) (memcpy(e->out + at, bytes, len), at += (len))

static uint64_t run_by_hand(void *ctx)
{
    encoding *e = (encoding *)ctx;
    uint64_t n = 0;

    for (int64_t i = 0; i < ENCODE_TIMES * ENCODE_MESSAGES; i++) {
        size_t at = 0;
        char port[32];
        int port_len = snprintf(port, sizeof port, "%d", (int)(6881 + i));
        uint8_t t[2] = {(uint8_t)(i >> 8), (uint8_t)i};

        PUT("d1:ad2:id20:", 12);
        PUT(ID, 20);
        PUT("9:info_hash20:", 14);
        PUT(HASH, 20);
        PUT("4:porti", 7);
        PUT(port, (size_t)port_len);
        PUT("e5:token8:", 10);
        PUT("aoeusnth", 8);
        PUT("e1:q13:announce_peer1:t2:", 25);
        PUT(t, 2);
        PUT("1:v4:LT\x02\x0b"
            "1:y1:qe",
            16);
        n += at + e->out[i % 64];
    }
    return n;
}

/* Checks that both write the same bytes. */
static void check_by_hand(encoding *e)
{
    uint8_t built[256];
    uint64_t by_builder = run_builder(e);

    memcpy(built, e->out, sizeof built);
    memset(e->out, 0, sizeof built);
    if (run_by_hand(e) != by_builder || memcmp(built, e->out, ANNOUNCE_LEN) != 0) {
        fprintf(stderr, "bench_codec: the builder and the code by hand write different bytes\n");
        exit(2);
    }
}

static void print_pair(measure *list, size_t num_messages)
{
    for (size_t i = 0; i < 2; i++) {
        printf("| %s | %.1f | %.2f |\n", list[i].name, median_of(list[i].ns) / (double)num_messages,
               ratio(&list[i], &list[1]));
    }
}

static void print_encoding(const set *s)
{
    static encoding e;
    static measure decoded[] = {{"krpc_message_encode", run_encode, {0}}, {"its tokens by memcpy", run_copies, {0}}};
    static measure built[] = {{"announce_peer with krpc_builder", run_builder, {0}},
                              {"the same by memcpy and snprintf", run_by_hand, {0}}};

    for (size_t i = 0; i < s->num && e.num < ENCODE_MESSAGES; i++) {
        const uint8_t *data = s->bytes + s->offs[i];
        uint32_t len = s->offs[i + 1] - s->offs[i];

        krpc_message_decode(&e.messages[e.num], data, len, len, NULL);
        if (e.messages[e.num].canonical && len < sizeof e.out && cut_into_pieces(&e.copies[e.num], data, len)) {
            e.num++;
            e.bytes += len;
        }
    }
    if (e.num == 0) {
        return;
    }
    check_by_hand(&e);
    run_rounds(decoded, 2, &e);
    run_rounds(built, 2, &e);
    printf("\nEncoding: %zu canonical messages of %s, %.0f bytes on average; and a query of %d bytes\n\n", e.num,
           s->name, (double)e.bytes / (double)e.num, ANNOUNCE_LEN);
    printf("| | ns a message | of memcpy |\n|---|---:|---:|\n");
    print_pair(decoded, ENCODE_TIMES * e.num);
    print_pair(built, ENCODE_TIMES * ENCODE_MESSAGES);
}

/* ---- a large file ---- */

typedef struct file_list {
    uint8_t *bytes;
    size_t len;
} file_list;

/* The files of a torrent, 10 MB of them: lengths, and paths of two names with 12 and 49 bytes. */
static file_list make_file_list(void)
{
    file_list f = {malloc(FILE_LIST_SIZE + 256), 0};
    uint32_t random = 1;

    if (f.bytes == NULL) {
        fprintf(stderr, "bench_codec: no memory\n");
        exit(2);
    }
    f.len += (size_t)sprintf((char *)f.bytes, "d5:filesl");
    while (f.len < FILE_LIST_SIZE - 8) {
        random = random * 1664525 + 1013904223;
        f.len += (size_t)sprintf((char *)f.bytes + f.len,
                                 "d6:lengthi%ue4:pathl12:Season %05u49:Episode %08x of a series with a long name.mkvee",
                                 random >> 2, random % 100000, random);
    }
    f.len += (size_t)sprintf((char *)f.bytes + f.len, "ee");
    return f;
}

static uint64_t run_list_walk(void *ctx)
{
    const file_list *f = (const file_list *)ctx;
    uint32_t size = 0;

    return (uint64_t)bencode_check(&size, f->bytes, f->len) + size;
}

static uint64_t run_list_tokens(void *ctx)
{
    const file_list *f = (const file_list *)ctx;
    bencode_reader reader;
    bencode_token token;
    uint64_t n = 0;

    bencode_reader_init(&reader, f->bytes, f->len);
    while (bencode_next(&reader, &token) == BENCODE_OK) {
        n += token.body_len;
    }
    return n + reader.pos;
}

#ifdef BENCH_LIBTORRENT
static uint64_t run_list_libtorrent(void *ctx)
{
    const file_list *f = (const file_list *)ctx;

    return (uint64_t)bench_libtorrent_bdecode((const char *)f->bytes, f->len, 100, 100000000);
}
#endif

static void print_file_list(void)
{
    static measure list[] = {
        {"structure walk (bencode_check)", run_list_walk, {0}},
        {"tokens (bencode_next)", run_list_tokens, {0}},
#ifdef BENCH_LIBTORRENT
        {"lt::bdecode", run_list_libtorrent, {0}},
#endif
    };
    file_list f = make_file_list();
    uint32_t size;

    if (bencode_check(&size, f.bytes, f.len) != BENCODE_DONE || size != f.len) {
        fprintf(stderr, "bench_codec: the file list is no bencode\n");
        exit(2);
    }
    run_rounds(list, sizeof list / sizeof list[0], &f);
    printf("\nA list of files, %.1f MB\n\n| | GB/s | of the walk's time |\n|---|---:|---:|\n", (double)f.len / 1e6);
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        printf("| %s | %.2f | %.2f |\n", list[i].name, (double)f.len / median_of(list[i].ns),
               ratio(&list[i], &list[0]));
    }
    free(f.bytes);
}

/* ---- the program ---- */

static void load(set *out, const char *argument)
{
    const char *path = strchr(argument, '=') != NULL ? strchr(argument, '=') + 1 : argument;
    FILE *from = fopen(path, "rb");
    long size;
    uint32_t at = 0;
    uint8_t head[4];

    if (from == NULL || fseek(from, 0, SEEK_END) != 0 || (size = ftell(from)) < 0) {
        perror(path);
        exit(2);
    }
    rewind(from);
    out->name = argument;
    out->bytes = malloc((size_t)size + 1);
    out->offs = malloc(((size_t)size / 4 + 2) * sizeof out->offs[0]);
    out->num = 0;
    while (out->bytes != NULL && out->offs != NULL && fread(head, 1, 4, from) == 4) {
        uint32_t len = head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;

        if (len > (uint32_t)size - at || fread(out->bytes + at, 1, len, from) != len) {
            break;
        }
        out->offs[out->num++] = at;
        at += len;
    }
    fclose(from);
    if (out->num == 0) {
        fprintf(stderr, "%s: no messages\n", path);
        exit(2);
    }
    out->offs[out->num] = at;
}

static void print_machine(void)
{
    FILE *from = fopen("/proc/cpuinfo", "r");
    char line[256], date[32];
    time_t now = time(NULL);
    const char *cpu = "unknown processor";

    while (from != NULL && fgets(line, sizeof line, from) != NULL) {
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':') != NULL) {
            line[strcspn(line, "\n")] = '\0';
            cpu = strchr(line, ':') + 2;
            break;
        }
    }
    strftime(date, sizeof date, "%Y-%m-%d", gmtime(&now));
    printf("%s, %s, ", date, cpu);
#ifdef __clang__
    printf("%s", __VERSION__);
#else
    printf("GCC %s", __VERSION__);
#endif
#ifdef BENCH_LIBTORRENT
    printf(", libtorrent-rasterbar %s", bench_libtorrent_version);
#else
    printf(", without libtorrent-rasterbar (not found when this was built)");
#endif
    printf("; processor time, medians of %u rounds\n", rounds);
    if (from != NULL) {
        fclose(from);
    }
}

int main(int argc, char **argv)
{
    int i = 1;

    if (argc > 2 && strcmp(argv[1], "--rounds") == 0) {
        rounds = (unsigned)strtoul(argv[2], NULL, 10);
        i = 3;
    }
    if (i >= argc || rounds == 0 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench_codec [--rounds 1..%d] NAME=PAYLOADS...\n", MAX_ROUNDS);
        return 2;
    }
    print_machine();
    for (int first = i; i < argc; i++) {
        char *name = strdup(argv[i]);
        set s;

        load(&s, name);
        name[strcspn(name, "=")] = '\0';
        print_decoding(&s);
        if (i == first) {
            print_encoding(&s);
        }
        free(s.bytes);
        free(s.offs);
        free(name);
    }
    print_file_list();
    return 0;
}
