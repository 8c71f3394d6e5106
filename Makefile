# The two commands: `make run` and `make test`. Both do all the set-up, and can be called alone, again, in any order.
# HOST, PORT, CITYMAP_DATA, DATABASE_URL, CITYMAP_REAL_DATA and PYTHON are honoured: `make run PORT=9000`.

PYTEST := .venv/bin/python -m pytest

.PHONY: help run stop setup test check units conformance fuzz bench real clean

.NOTPARALLEL:

help: ## What can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/\1\t\2/p' Makefile | expand -t 14

run: ## Set up, then serve the map in the foreground until Ctrl-C
	@sh setup/install.sh run
	@exec .venv/bin/citymap serve

stop: ## Stop what `make run` left, if anything
	@if [ -x .venv/bin/citymap ]; then exec .venv/bin/citymap stop; else echo "nothing was set up here"; fi

setup: ## Only set up, for running and for testing
	@sh setup/install.sh test

test: setup check units ## Set up, check, and run all tests but the long ones

check: ## The quick part: format, lint, types, floors, generated files
	@sh setup/environment.sh
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(PYTEST) -q -p no:cacheprovider tests/test_house_*.py

units: ## The tests, on two cores
	$(PYTEST) -n 2 --dist loadfile -m "not slow"

conformance: setup ## The OGC checks, in full
	CITYMAP_LONG=1 $(PYTEST) -k conformance

fuzz: setup ## Requests made to break the server, in full
	CITYMAP_LONG=1 $(PYTEST) -k fuzz

bench: setup ## Measure; nothing is asserted
	CITYMAP_LONG=1 $(PYTEST) -s -k bench

real: setup ## The real input, whole (CITYMAP_REAL_DATA, default ../shared/data)
	$(PYTEST) -m real

clean: stop ## Throw the environment away; the data folder stays
	rm -rf .venv viewer/node_modules mapserver/viewer/static/dist
