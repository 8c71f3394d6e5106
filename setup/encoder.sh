#!/bin/sh
# Builds mapserver/encoder.c into .venv, if a C compiler is at hand; without one everything is answered in SQL.
set -eu
cd "$(dirname "$0")/.."
. setup/words.sh

source=mapserver/encoder.c
target=.venv/lib/citymap-encoder.so
if [ -f "$target" ] && [ ! "$source" -nt "$target" ]; then exit 0; fi
compiler=$(command -v "${CC:-cc}" || command -v gcc || command -v clang) || {
    say "no C compiler: features and tiles are encoded in PostgreSQL, which takes more of its time"
    exit 0
}
if said=$("$compiler" -O3 -shared -fPIC -o "$target.new" "$source" -lm 2>&1); then
    mv "$target.new" "$target"
else
    say "$source was not built, so PostgreSQL does its work: $(echo "$said" | head -n 1)"
fi
