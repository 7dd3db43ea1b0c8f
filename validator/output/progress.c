/* progress.c: see progress.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "output/progress.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <glib.h>

#define FIRST_US    G_USEC_PER_SEC
#define EVERY_US    (G_USEC_PER_SEC / 5)
#define USUAL_WIDTH 80
#define MIN_NAME    8
#define MAX_NAME    32
#define MIN_BAR     8
#define MAX_BAR     30

static int64_t began_us;
static int64_t shown_us;
static gint is_shown; /* another thread may print a message */

/* "950", "1.2 k", "210 k", "1.2 M" */
static void put_short(strbuf *out, double number)
{
    static const char *const units[] = {"", " k", " M", " G"};
    unsigned unit = 0;

    while (number >= 999.5 && unit + 1 < G_N_ELEMENTS(units)) {
        number /= 1000.0;
        unit++;
    }
    strbuf_printf(out, unit > 0 && number < 9.95 ? "%.1f%s" : "%.0f%s", number, units[unit]);
}

static void put_time(strbuf *out, double seconds)
{
    double whole = MIN(seconds, 359999.0);

    if (whole < 99.5) {
        strbuf_printf(out, "%.0f s", whole);
    } else if (whole < 5999.5) {
        strbuf_printf(out, "%.0f min", whole / 60.0);
    } else {
        strbuf_printf(out, "%.0f h", whole / 3600.0);
    }
}

static void put_numbers(strbuf *out, double part, uint64_t packets, double seconds)
{
    if (part >= 0.0) {
        strbuf_printf(out, "%3.0f %%  ", part * 100.0);
    }
    put_short(out, (double)packets);
    strbuf_puts(out, " packets  ");
    put_short(out, (double)packets / seconds);
    strbuf_puts(out, "/s");
    if (part > 0.001) {
        strbuf_puts(out, "  ");
        put_time(out, seconds / part - seconds);
        strbuf_puts(out, " left");
    }
}

static void put_name(strbuf *out, const char *name, unsigned room)
{
    strbuf printable = {0};
    const char *slash = strrchr(name, '/');

    if (slash != NULL && slash[1] != 0) {
        name = slash + 1;
    }
    strbuf_printable(&printable, name, strlen(name));
    glong num_chars = g_utf8_strlen(printable.data, (gssize)printable.len);
    if (num_chars <= (glong)room) {
        strbuf_put(out, printable.data, printable.len);
    } else {
        strbuf_put(out, printable.data,
                   (size_t)(g_utf8_offset_to_pointer(printable.data, (glong)room - 3) - printable.data));
        strbuf_puts(out, "...");
    }
    strbuf_free(&printable);
}

static void put_bar(strbuf *out, double part, unsigned room)
{
    unsigned done = (unsigned)(part * room);

    strbuf_char(out, '[');
    for (unsigned i = 0; i < room; i++) {
        strbuf_char(out, i < done ? '#' : '-');
    }
    strbuf_puts(out, "]  ");
}

void progress_line(strbuf *out, unsigned width, const char *name, double part, uint64_t packets, double seconds)
{
    strbuf numbers = {0};
    unsigned room = width > 0 ? width - 1 : 0;

    put_numbers(&numbers, part, packets, MAX(seconds, 0.001));
    if (numbers.len > room) {
        strbuf_put(out, numbers.data, room);
        strbuf_free(&numbers);
        return;
    }
    room -= (unsigned)numbers.len;
    if (room >= MIN_NAME + 2) {
        size_t start = out->len;
        put_name(out, name, MIN(room - 2, MAX_NAME));
        strbuf_puts(out, "  ");
        room -= (unsigned)g_utf8_strlen(out->data + start, (gssize)(out->len - start));
    }
    if (part >= 0.0 && room >= MIN_BAR + 4) {
        put_bar(out, MIN(part, 1.0), MIN(room - 4, MAX_BAR));
    }
    strbuf_put(out, numbers.data, numbers.len);
    strbuf_free(&numbers);
}

void progress_begin(void)
{
    began_us = g_get_monotonic_time();
    shown_us = 0;
}

void progress_show(const char *name, double part, uint64_t packets)
{
    struct winsize size;
    int64_t now = g_get_monotonic_time();
    strbuf line = {0};

    if (now - began_us < FIRST_US || now - shown_us < EVERY_US) {
        return;
    }
    shown_us = now;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    strbuf_puts(&line, "\r\033[K");
    progress_line(&line, known ? size.ws_col : USUAL_WIDTH, name, part, packets, (double)(now - began_us) / 1e6);
    g_atomic_int_set(&is_shown, 1);
    fwrite(line.data, 1, line.len, stderr);
    fflush(stderr);
    strbuf_free(&line);
}

void progress_clear(void)
{
    if (g_atomic_int_compare_and_exchange(&is_shown, 1, 0)) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}
