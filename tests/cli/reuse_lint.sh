#!/bin/sh
# reuse_lint.sh: every file has a copyright and a licence, in its SPDX line or in REUSE.toml (which reuse knows since 4.0).
# SPDX-License-Identifier: MIT
set -eu
cd "$SOURCE_DIR"
skip()
{
    echo "skipped: $1"
    exit 77
}
command -v reuse >/dev/null || skip "reuse is not installed"
version=$(reuse --version | sed -n '1s/.* //p')
[ "${version%%.*}" -ge 4 ] || skip "reuse $version is installed, and REUSE.toml needs 4.0"
git rev-parse --is-inside-work-tree >/dev/null 2>&1 || skip "not a git checkout, so that built files would be checked as well"
report=$(reuse lint 2>&1) || { echo "$report"; exit 1; }
# An expression that cannot be parsed is an error that does not change the exit status.
if echo "$report" | grep ERROR; then
    exit 1
fi
echo "$report" | grep "license information"
