/* krpc/export.h: what the shared library shows to others.
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef KRPC_EXPORT_H
#define KRPC_EXPORT_H

#if defined(__GNUC__) && !defined(KRPC_STATIC)
#define KRPC_EXPORT __attribute__((visibility("default")))
#else
#define KRPC_EXPORT
#endif

#endif
