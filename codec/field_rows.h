/* field_rows.h: the slots of the scope ROW_SCOPE, for field_lookup.h.
 *
 * SPDX-License-Identifier: MIT
 */
{0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(0, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(1, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(2, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(3, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(4, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(5, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(6, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
 ,
 0
#define FIELD(SYMBOL, SCOPE, KEY, ...) IN_ROW(7, SYMBOL, SCOPE, KEY)
#include <krpc/fields.def>
},
#undef ROW_SCOPE
