#!/bin/sh
# Prints the newest Python 3.11 to 3.13 on the PATH that really runs (shims may lie), or $PYTHON when that is set.
set -eu
cd "$(dirname "$0")/.."
. setup/words.sh

runs() { # INTERPRETER [MINOR]: whether it runs, has what a venv needs, and is of that minor version (or any we take)
    "$1" -c "import ssl, venv, ensurepip, sys; sys.exit(sys.version_info[:2] not in [(3, int(m)) for m in '${2:-11 12 13}'.split()])" \
        >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    runs "$PYTHON" || fail "PYTHON=$PYTHON is no Python 3.11 to 3.13 with ssl and venv"
    command -v "$PYTHON"
    exit
fi
for minor in 13 12 11; do
    for name in "python3.$minor" python3; do
        IFS=:
        for folder in $PATH; do
            unset IFS
            if [ -x "$folder/$name" ] && runs "$folder/$name" "$minor"; then
                printf '%s\n' "$folder/$name"
                exit
            fi
        done
        unset IFS
    done
done
found=$(python3 -V 2>&1) || found="none"
fail "Python 3.11 to 3.13 with ssl and venv is needed (Debian: python3 python3-venv); found: $found"
