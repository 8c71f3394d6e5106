#!/bin/sh
# The whole set-up, for `make run`, `make test` and the Dockerfile. Each step does nothing when it has nothing to do.
# sh setup/install.sh run|test
set -eu
cd "$(dirname "$0")/.."
sh setup/python.sh >/dev/null
sh setup/packages.sh "${1:-run}"
sh setup/environment.sh
sh setup/encoder.sh
sh setup/viewer.sh
