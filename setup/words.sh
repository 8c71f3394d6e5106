# Sourced by the scripts beside it: saying and failing. They run from the project's root, whatever its path.

say() { printf '%s\n' "setup: $*"; }
fail() { printf '%s\n' "setup: $*" >&2; exit 1; }

# as_root COMMAND…: as root, through sudo when we are not.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif [ -t 0 ]; then sudo "$@"
    else sudo -n "$@"; fi
}

# need_room FOLDER MEGABYTES: fails unless that much disk is free there.
need_room() {
    free=$(df -Pm "$1" | awk 'NR == 2 { print $4 }')
    [ "$free" -ge "$2" ] || fail "only $free MB are free on the disk of $1; $2 MB are needed"
}
