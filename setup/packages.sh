#!/bin/sh
# Installs what the distribution has to give: PostgreSQL with PostGIS and Mesa's EGL, which draws pictures without a
# screen, to run; with `test`, also what the tests look with.
# Says what it is about to install before it does; does nothing when all is there.
# sh setup/packages.sh run|test
set -eu
cd "$(dirname "$0")/.."
. setup/words.sh

has_postgis() {
    for control in /usr/share/postgresql/*/extension/postgis.control; do
        major=${control#/usr/share/postgresql/}
        major=${major%%/*}
        if [ -x "/usr/lib/postgresql/$major/bin/initdb" ] && [ "$major" -ge 15 ]; then return 0; fi
    done
    return 1
}

needs_postgis() { # a PostGIS of the operator's own is enough to run, not to test
    if [ "$purpose" = run ] && [ -n "${DATABASE_URL:-}" ]; then return 1; fi
    ! has_postgis
}

for_pictures() {
    ls /usr/lib/*/libEGL_mesa.so.0 >/dev/null 2>&1 || echo libegl-mesa0
    ls /usr/lib/*/dri/swrast_dri.so /usr/lib/*/libgallium*.so 2>/dev/null | grep -q . || echo libgl1-mesa-dri
}

for_tests() {
    [ "$purpose" = test ] || return 0
    command -v ogr2ogr >/dev/null || echo gdal-bin
    [ -d /usr/lib/python3/dist-packages/qgis ] || echo python3-qgis
    command -v chromium >/dev/null || echo chromium
    [ -d /usr/share/fonts/truetype/noto ] || echo fonts-noto-core
    command -v docker-compose >/dev/null || echo docker-compose
    command -v cc >/dev/null || echo gcc libc6-dev # the encoder and its tests
    ls /usr/lib/*/libatomic.so.1 >/dev/null 2>&1 || echo libatomic1 # for the driver of the browser tests
}

newest_postgis() { # the packages of the newest PostgreSQL that this distribution has PostGIS for
    newest=$(apt-cache pkgnames postgresql- | grep -Ex 'postgresql-(1[5-9]|[2-9][0-9])-postgis-3' | sort -V | tail -n 1)
    [ -z "$newest" ] || echo "${newest%-postgis-3} $newest $newest-scripts"
}

install() {
    say "installing with apt: $*"
    # Debian would make and start a cluster of its own; ours lives in the data folder.
    policy=/etc/postgresql-common/createcluster.d/citymap.conf
    as_root mkdir -p "${policy%/*}"
    echo "create_main_cluster = false" | as_root tee "$policy" >/dev/null
    ended=0
    said=$(as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" 2>&1) || ended=$?
    as_root rm -f "$policy"
    [ "$ended" = 0 ] || fail "apt could not install $*: $(echo "$said" | grep -E '^(E|dpkg):' | tail -n 2 | tr '\n' ' ')"
}

purpose=${1:-run}
wanted=$({ for_pictures && for_tests; } | tr '\n' ' ')
if needs_postgis; then postgis="PostgreSQL with PostGIS"; else postgis=; fi
[ -n "$wanted$postgis" ] || exit 0
can_install() { command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }; }
if [ "$purpose" = run ] && [ -z "$postgis" ] && ! can_install; then # all else runs without them
    say "missing: $wanted(install them as root); until then WMS, WMTS and map tiles are refused"
    exit 0
fi

missing="$postgis${postgis:+${wanted:+, }}$wanted"
command -v apt-get >/dev/null || fail "missing: $missing; there is no apt-get here, install it by hand"
[ "$(id -u)" = 0 ] || command -v sudo >/dev/null || fail "missing: $missing; run \`make setup\` once as root, or install sudo"
need_room /usr 2500
say "missing: $missing; asking apt"
said=$(as_root apt-get update -q 2>&1) || fail "apt-get update failed (no network, or sudo was refused): $(echo "$said" | tail -n 1)"
if [ -n "$postgis" ]; then
    wanted="$(newest_postgis) $wanted"
    command -v cc >/dev/null || wanted="$wanted gcc libc6-dev" # for the encoder; it is left out where there is none
    case $wanted in *-postgis-3*) ;; *) fail "apt knows no PostgreSQL 15+ with PostGIS 3: no network, or older than Debian 12" ;; esac
fi
# shellcheck disable=SC2086  # the names are words
install $wanted
