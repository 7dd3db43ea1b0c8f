#!/bin/sh
# samples_fresh.sh: the hand-made samples are what samples/handmade.py makes today.
# SPDX-License-Identifier: GPL-2.0-or-later
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
PYTHONDONTWRITEBYTECODE=1 "$PYTHON" "$SAMPLES/handmade.py" "$work"
stale=0
for made in "$work"/*.pcapng; do
    if ! cmp "$made" "$SAMPLES/$(basename "$made")"; then
        stale=1
    fi
done
[ "$stale" = 0 ] || { echo "run samples/handmade.py and look at what changed"; exit 1; }
echo "$(ls "$work" | wc -l) samples are fresh"
