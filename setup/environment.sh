#!/bin/sh
# Makes .venv out of the lock file of its Python, with hashes; does nothing when neither has changed.
set -eu
cd "$(dirname "$0")/.."
. setup/words.sh

venv="$PWD/.venv"
stamp=$venv/.citymap
version() { "$1" -c 'import ssl, sys; print(*sys.version_info[:3], sep=".")' 2>/dev/null; }
lock_of() { "$1" -c 'import sys; print("requirements/py", *sys.version_info[:2], ".txt", sep="")'; }
state() { version "$venv/bin/python" && echo "$venv" && cksum "$(lock_of "$venv/bin/python")"; }
chosen() { [ -z "${PYTHON:-}" ] || [ "$(version "$PYTHON")" = "$(version "$venv/bin/python")" ]; }

if [ -f "$stamp" ] && chosen && [ "$(state)" = "$(cat "$stamp")" ]; then exit 0; fi

python=$(sh setup/python.sh)
lock=$(lock_of "$python")
need_room . 3000
say "installing the Python packages of $lock into .venv ($("$python" -V)); this takes minutes"
# A venv of another Python, or one that was moved here, is thrown away.
prefix=$("$venv/bin/python" -c 'import sys; print(sys.prefix)' 2>/dev/null) || prefix=
if [ "$prefix" != "$venv" ] || [ "$(version "$venv/bin/python")" != "$(version "$python")" ]; then rm -rf "$venv"; fi
rm -f "$stamp"
"$python" -m venv "$venv" || fail "$python could not make .venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock" ||
    fail "pip could not install $lock (no network?); what it said stands above"

# The project itself: its folder on the path, and its command.
pwd > "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/citymap.pth"
cat > "$venv/bin/citymap" <<'TEXT'
#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/python" -m mapserver.cli "$@"
TEXT
chmod +x "$venv/bin/citymap"
state > "$stamp"
