# cmake -D DEF=fields.def -D OUT=more.def -P more_fields.cmake: the table with a key more at the end of each scope, and as
# many others in front of the last one as take the table past two words of a set.
#
# SPDX-License-Identifier: MIT
file(READ "${DEF}" table)
set(many "")
foreach(i RANGE 10 89)
  string(APPEND many "FIELD(A_X${i}, A, \"x${i}\", INT, 0, 9, \"x${i}\", \"More\", \"test\", \"more\")\n")
endforeach()
set(last_A "${many}FIELD(A_ZZ, A, \"zz\", TEXT, 0, 9, \"a_zz\", \"Last\", \"test\", \"the last argument\")\n")
set(last_TOP "FIELD(ZZ, TOP, \"zz\", INT, 0, 9, \"zz\", \"Last\", \"test\", \"the last key\")\n")
set(last_R "FIELD(R_ZZ, R, \"zz_with_a_long_name\", BYTES, 0, 9, \"r_zz\", \"Last\", \"test\", \"the last result\")\n")
foreach(pair IN ITEMS TOP:A A:R R:E)
  string(REPLACE ":" ";" pair ${pair})
  list(GET pair 0 scope)
  list(GET pair 1 next)
  string(FIND "${table}" "FIELD(${next}_" at)
  string(SUBSTRING "${table}" 0 ${at} head)
  string(SUBSTRING "${table}" ${at} -1 tail)
  set(table "${head}${last_${scope}}${tail}")
endforeach()
file(WRITE "${OUT}" "${table}")
