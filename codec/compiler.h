/* compiler.h: what a compiler may be told about how often code runs.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef COMPILER_H
#define COMPILER_H

/* RARE keeps what hardly ever happens out of the loops that it happens in, APART what needs more registers than the
 * rest; HOT puts what a loop is made of into it, and LIKELY puts what is usual in a line. */
#if defined(__GNUC__)
#define RARE              __attribute__((noinline, cold))
#define APART             __attribute__((noinline))
#define HOT               __attribute__((always_inline))
#define LIKELY(condition) __builtin_expect((condition) ? 1 : 0, 1)
#else
#define RARE
#define APART
#define HOT
#define LIKELY(condition) (condition)
#endif

#endif
