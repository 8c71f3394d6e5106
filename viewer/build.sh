#!/bin/sh
# Builds the viewer and its glyphs into mapserver/viewer/static/dist; does nothing when no input has changed.
# Needs Node 18 or newer with npm on the PATH, and a Python with the project's requirements (PYTHON, default .venv's).
set -eu
cd "$(dirname "$0")/.."
python="${PYTHON:-.venv/bin/python}"
dist=mapserver/viewer/static/dist

inputs() {
    find viewer/src viewer/package.json viewer/package-lock.json viewer/.npmrc viewer/index.html viewer/tsconfig.json \
        viewer/vite.config.ts viewer/compress.mjs viewer/build.sh mapserver/viewer/glyphs.py mapserver/viewer/drawing.py -type f |
        LC_ALL=C sort | tr '\n' '\0' | xargs -0 cksum | cksum
}

if [ "$(inputs)" = "$(cat "$dist/.inputs" 2>/dev/null)" ]; then
    exit 0
fi
command -v npm >/dev/null || { echo "viewer: npm is not on the PATH; install Node 18 or newer" >&2; exit 1; }
new="$dist.new"
rm -rf "$new"

(
    cd viewer
    lock="$(cksum < package-lock.json)"
    if [ "$lock" != "$(cat node_modules/.lock 2>/dev/null)" ]; then
        npm ci --no-audit --no-fund --loglevel=error
        printf '%s\n' "$lock" > node_modules/.lock
    fi
    npm run --silent build -- --logLevel warn --outDir "../$new" --emptyOutDir
)
"$python" -m mapserver.viewer.drawing viewer/node_modules/@fontsource/be-vietnam-pro/files "$new/glyphs"
mkdir "$new/leaflet" # stands inside the maps of notebooks and reports
cp -R viewer/node_modules/leaflet/dist/leaflet.js viewer/node_modules/leaflet/dist/leaflet.css \
    viewer/node_modules/leaflet/dist/images "$new/leaflet"
node viewer/compress.mjs "$new"
inputs > "$new/.inputs"
rm -rf "$dist" # what is there is served until what is new is whole
mv "$new" "$dist"
echo "viewer: built"
