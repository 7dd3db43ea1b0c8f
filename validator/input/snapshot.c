/* snapshot.c: see snapshot.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "input/snapshot.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "output/output.h"

static atomic_int wanted; /* other threads read what a signal sets */

static void on_signal(int number)
{
    (void)number;
    wanted = 1;
}

/* A read from a pipe goes on after the signal. */
void snapshot_watch(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
}

bool snapshot_is_wanted(void)
{
    return wanted != 0;
}

void snapshot_clear(void)
{
    wanted = 0;
}

unsigned snapshot_run(unsigned (*write)(void *ctx), void *ctx)
{
    int status = 0;
    pid_t copy = fork();
    if (copy == 0) {
        _exit((int)write(ctx));
    }
    if (copy < 0) {
        say("no snapshot: cannot start a process: %s", strerror(errno));
        return 0;
    }
    while (waitpid(copy, &status, 0) < 0 && errno == EINTR) {}
    if (WIFSIGNALED(status)) {
        say("no snapshot: its process ended with signal %d", WTERMSIG(status));
        return 0;
    }
    return (unsigned)WEXITSTATUS(status);
}
