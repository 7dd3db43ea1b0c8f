# cmake -D DEF=fields.def -D OUT=field_table.inc -P field_table.cmake: what the decoder compares keys with.
#
# The decoder finds a key by a hash of the first eight bytes of its entry, such as "2:id" or "9:info_h". C cannot compute
# with the characters of a string where it wants a constant, so this is done here: for each field its entry and the
# entry's first sixteen bytes as two big-endian numbers, and for each scope a table from hash to field. A multiplier that
# keeps the keys of every scope apart is searched for, among more slots if need be.
#
# SPDX-License-Identifier: MIT
cmake_minimum_required(VERSION 3.20)

# sixteen(OUT TEXT) is the text's first sixteen bytes in hex, with zeros after its end.
function(sixteen out text)
  string(HEX "${text}" hex)
  string(SUBSTRING "${hex}00000000000000000000000000000000" 0 32 hex)
  set(${out} ${hex} PARENT_SCOPE)
endfunction()

file(STRINGS "${DEF}" lines REGEX "^FIELD\\(")
set(scopes TOP A R)
set(rows "")
foreach(line IN LISTS lines)
  if(NOT line MATCHES "^FIELD\\(([A-Z0-9_]+), *([A-Z]+), *\"([^\"]*)\"")
    message(FATAL_ERROR "fields.def: cannot read this line: ${line}")
  endif()
  set(symbol ${CMAKE_MATCH_1})
  set(scope ${CMAKE_MATCH_2})
  set(key ${CMAKE_MATCH_3})
  string(LENGTH "${key}" len)
  sixteen(hex "${len}:${key}")
  string(SUBSTRING ${hex} 0 16 word)
  string(SUBSTRING ${hex} 16 16 rest)
  string(APPEND rows "ENTRY(${symbol}, 0x${word}, 0x${rest}, \"${len}:${key}\")\n")
  # The hash folds a word to 31 bits, so that the product fits CMake's signed 64.
  string(SUBSTRING ${word} 0 8 high)
  string(SUBSTRING ${word} 8 8 low)
  math(EXPR folded "(0x${high} ^ 0x${low}) & 0x7fffffff")
  list(APPEND symbols_${scope} ${symbol})
  list(APPEND folded_${scope} ${folded})
endforeach()

# search_multiplier() sets multiplier, hash_bits, and in slots_<scope> each field's slot; no two of a scope are the same.
macro(search_multiplier)
  set(found FALSE)
  foreach(bits RANGE 7 15)
    set(multiplier 1)
    foreach(attempt RANGE 400)
      math(EXPR multiplier "(${multiplier} * 1103515245 + 12345) & 0x7fffffff")
      math(EXPR shift "31 - ${bits}")
      set(clash FALSE)
      foreach(scope IN LISTS scopes)
        set(slots_${scope} "")
        foreach(folded IN LISTS folded_${scope})
          math(EXPR slot "((${folded} * (${multiplier} | 1)) & 0x7fffffff) >> ${shift}")
          if(slot IN_LIST slots_${scope})
            set(clash TRUE)
            break()
          endif()
          list(APPEND slots_${scope} ${slot})
        endforeach()
        if(clash)
          break()
        endif()
      endforeach()
      if(NOT clash)
        set(found TRUE)
        set(hash_bits ${bits})
        break()
      endif()
    endforeach()
    if(found)
      break()
    endif()
  endforeach()
endmacro()
search_multiplier()
if(NOT found)
  message(FATAL_ERROR "fields.def: no multiplier keeps the keys apart; does a key come twice in a scope?")
endif()
math(EXPR multiplier "${multiplier} | 1")

set(slots "")
foreach(scope IN LISTS scopes)
  foreach(symbol slot IN ZIP_LISTS symbols_${scope} slots_${scope})
    string(APPEND slots "SLOT(${scope}, ${slot}, ${symbol})\n")
  endforeach()
endforeach()

file(WRITE "${OUT}" "/* Made by field_table.cmake out of fields.def. */
#define FIELD_HASH_MULTIPLIER ${multiplier}u
#define FIELD_HASH_BITS ${hash_bits}
#ifdef ENTRY
${rows}#undef ENTRY
#endif
#ifdef SLOT
${slots}#undef SLOT
#endif
")
