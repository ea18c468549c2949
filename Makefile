# Each target sets up what it needs: `make demo` and `make test` are all that a new machine asks for.
# They need Python 3.11 or newer and nothing else; with DATABASE_URL set they use that PostgreSQL instead
# of the embedded one.

PORT ?= 8000
ONCE ?=
ARGS ?=
QUICK ?=
ONLY ?=
SEED ?=
SLACK ?=
WRITE ?=
ifeq ($(origin PYTHON),undefined)
PYTHON := $(shell for python in .venv/bin/python python3.13 python3.12 python3.11 python3.14 python3; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo "$$python" && break; done)
endif
HOLD := .venv/bin/python -m gosend.lib.embedded_postgres hold --
SET_UP = $(if $(PYTHON),$(PYTHON) bin/install.py,@echo "Python 3.11 or newer with its venv module is needed \
	(Debian: apt install python3-venv); name it with PYTHON=…" >&2; exit 1;)

.DEFAULT_GOAL := help
.PHONY: help demo test faults run worker doctor bench soak screenshots migrate check fix stop set-up set-up-dev

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 18

demo: set-up ## Everything at once, with a first message (ONCE=1 to end after it, PORT= for another port)
	@exec env -u DATABASE_URL -u REDIS_URL $(HOLD) .venv/bin/python manage.py demo --port $(PORT) $(if $(filter-out 0 no false,$(ONCE)),--once)

test: set-up-dev ## Run the tests (ARGS= for pytest)
	@exec $(HOLD) .venv/bin/python -m pytest --ds=tests.settings $(ARGS)

faults: set-up-dev ## Kill our own processes and count (QUICK=1 for minutes, ONLY=F01,F05, SEED=, WRITE=1 for the page; F32 takes MINUTES=10)
	@exec .venv/bin/python -m tests.faults $(if $(filter-out 0 no false,$(QUICK)),--quick) \
		$(if $(ONLY),--only $(ONLY)) $(if $(SEED),--seed $(SEED)) $(if $(SLACK),--slack $(SLACK)) \
		$(if $(MINUTES),--minutes $(MINUTES)) $(if $(filter-out 0 no false,$(WRITE)),--write docs/faults.md)

run: set-up ## The web server on 127.0.0.1:$(PORT)
	@.venv/bin/python -m gosend.lib.ports $(PORT) run
	@exec $(HOLD) sh -c '.venv/bin/python manage.py migrate --verbosity 0 && exec .venv/bin/granian \
		--interface wsgi --host 127.0.0.1 --port $(PORT) --workers 2 --blocking-threads 16 \
		--respawn-failed-workers --workers-kill-timeout 35 gosend.wsgi:application'

worker: set-up ## The worker, with its beat
	@exec $(HOLD) .venv/bin/celery -A gosend worker --beat --pool threads --concurrency 8 --loglevel info

# Unless a port is named, it finds the server by itself: the running demo's, or PUBLIC_URL.
doctor: set-up ## What is wrong with this installation, and the cure (ARGS=--offline asks Meta nothing, PORT=)
	@exec $(HOLD) .venv/bin/python manage.py doctor \
		$(if $(filter-out file,$(origin PORT)),--url http://127.0.0.1:$(PORT)) $(ARGS)

bench: set-up-dev ## Measure the hot paths against yardsticks (ONLY=accept,send WRITE=docs/benchmarks.md)
	@exec .venv/bin/python -m tests.benchmarks --only "$(ONLY)" $(if $(WRITE),--write "$(WRITE)")

soak: set-up-dev ## Ten minutes of steady work: does memory stay flat? (SECONDS=600)
	@exec .venv/bin/python -m tests.benchmarks --only soak --seconds $(or $(SECONDS),600) \
		$(if $(WRITE),--write "$(WRITE)")

screenshots: set-up-dev ## Draw the console's pictures into docs/images (needs a browser)
	@exec env SCREENSHOTS="$(CURDIR)/docs/images" $(HOLD) .venv/bin/python -m pytest --ds=tests.settings \
		-n 0 tests/browser/test_pictures.py

migrate: set-up ## Bring the database up to date
	@exec $(HOLD) .venv/bin/python manage.py migrate

check: set-up-dev ## Format, lint, types, import contracts, migrations, documents made from code
	.venv/bin/ruff format --check .
	.venv/bin/ruff check --no-cache . # its cache misses files that came or went
	.venv/bin/mypy .
	.venv/bin/lint-imports
	$(HOLD) .venv/bin/python manage.py makemigrations --check --dry-run
	$(HOLD) .venv/bin/python manage.py openapi --check
	$(HOLD) .venv/bin/python manage.py errors --check

fix: set-up-dev ## Format, and mend what ruff can mend
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .

stop: set-up ## Stop an embedded PostgreSQL that a crash left running
	@.venv/bin/python -m gosend.lib.embedded_postgres stop

set-up:
	@$(SET_UP) requirements.txt

set-up-dev:
	@$(SET_UP) requirements-dev.txt
