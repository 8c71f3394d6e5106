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
	$(PYTEST) -n 2 --dist loadfile

conformance: setup ## The checks of the standards, in full, and their totals
	CITYMAP_LONG=1 $(PYTEST) tests/conformance tests/test_ogc_doors.py tests/test_documents.py tests/test_openapi.py \
		tests/test_items.py tests/test_writing.py tests/test_features.py tests/test_clients.py -n 2 --dist loadfile -o timeout=3600

fuzz: setup ## Requests and files made to break the server, in full, and their totals
	CITYMAP_LONG=1 $(PYTEST) tests/test_fuzz_api.py tests/test_attack.py tests/test_bad_input.py tests/test_cql2.py \
		tests/test_parameters.py -o timeout=3600

bench: setup ## Measure beside ogr2ogr and beside peers, and write what docs/ says of speed
	for benchmark in load demo peers; do .venv/bin/python "benchmarks/$$benchmark.py" || exit 1; done

real: setup ## The real input, whole (CITYMAP_REAL_DATA, default ../shared/data)
	$(PYTEST) -m real

clean: stop ## Throw the environment away; the data folder stays
	rm -rf .venv viewer/node_modules mapserver/viewer/static/dist
