#!/usr/bin/env bash
# readme_snippets.sh: the programs in codec/README.md compile without a warning, as C and as C++, and print what stands
# there; none has more than 20 lines.
#
# SPDX-License-Identifier: MIT
set -euo pipefail

readme=${SOURCE_DIR:?}/codec/README.md
library=${BUILD_DIR:?}/codec/libkrpc.a
[ -e "$library" ] || {
    echo "skipped: $library is not there"
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# program-1.c and what it prints, expected-1.txt, and so on
awk -v dir="$work" '
    /^```/ { if (out) { close(out); out = "" }
             else if ($0 == "```c") out = dir "/program-" ++programs ".c"
             else if ($0 == "```text") out = dir "/expected-" ++outputs ".txt"
             else out = "/dev/null"
             next }
    out { print > out }' "$readme"

flags=(-std=c11 -Wall -Wextra -Wpedantic -Werror "-I$SOURCE_DIR/codec/include")
libraries=("$library" -lm)
sanitize=$(sed -n 's/^KRPC_SANITIZE:[A-Z]*=//p' "$BUILD_DIR/CMakeCache.txt")
[ -z "$sanitize" ] || flags+=("-fsanitize=$sanitize")
! grep -qs 'gcry' <<<"$(nm -u "$library" 2>/dev/null)" || libraries+=(-lgcrypt)

programs=("$work"/program-*.c)
[ ${#programs[@]} -ge 2 ]
for program in "${programs[@]}"; do
    number=${program##*-}
    number=${number%.c}
    lines=$(wc -l <"$program")
    [ "$lines" -le 20 ] || {
        echo "program $number of codec/README.md has $lines lines"
        exit 1
    }
    "${CC:-cc}" "${flags[@]}" -o "$work/program" "$program" "${libraries[@]}"
    "$work/program" >"$work/printed.txt"
    diff -u "$work/expected-$number.txt" "$work/printed.txt"
    echo "program $number: $lines lines, prints what it should"
done

if command -v c++ >/dev/null; then
    for header in "$SOURCE_DIR"/codec/include/krpc/*.h; do
        echo "#include <krpc/$(basename "$header")>"
    done >"$work/all.cpp"
    c++ -std=c++11 -Wall -Wextra -Wpedantic -Werror "-I$SOURCE_DIR/codec/include" -fsyntax-only "$work/all.cpp"
    echo "the headers compile as C++"
fi
