# Everything a developer does. Needs make and Python 3.11 or newer with venv; the rest is fetched into .venv.

PYTHON ?= python3
PORT ?= 8000
# Tests wait about as much as they compute: for servers, browsers, and each other.
JOBS ?= $(shell $(PYTHON) -c 'import os; print(max(2, (os.cpu_count() or 2) * 3 // 2))')
UV_VERSION = 0.13.9

ENV = .venv/bin/python
READY = .venv/.ready
PACKAGES = alwrity_billing usage subscriptions alerts

# Every program starts twice as fast when Python may keep what it compiled, also where the surroundings forbid it.
export PYTHONDONTWRITEBYTECODE =

# Lint looks at the code alone: with an address that nobody answers, no server is started.
NO_SERVER = DATABASE_URL=postgresql://nobody@127.0.0.1:1/none DATABASE_POOL=false
AS_PRODUCTION = PRODUCTION=true DEBUG=false DATABASE_URL=postgresql://nobody@127.0.0.1:1/none \
	CELERY_BROKER_URL=redis://127.0.0.1:1/0 ALLOWED_HOSTS=billing.example.com \
	SECRET_KEY=this-value-only-serves-the-check-of-production-settings-0123456789

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench torture screenshots

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' Makefile

run: $(READY) ## start everything on this machine, with demo data (PORT=8000)
	@PORT=$(PORT) exec $(ENV) manage.py run

test: $(READY) ## run all tests (ARGS="tests/usage -k rating" for some)
	$(ENV) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY) ## check style, types, layers, migrations and production settings
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	$(NO_SERVER) $(ENV) -m mypy
	$(ENV) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'
	$(NO_SERVER) $(ENV) -W "ignore:Got an error checking" manage.py makemigrations --check --dry-run
	$(AS_PRODUCTION) $(ENV) manage.py check --deploy --fail-level WARNING

format: $(READY) ## rewrite the code in the project's style
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

bench: $(READY) ## measure, after checking the sums (ARGS="--help" for more)
	$(ENV) -m benchmarks $(ARGS)

torture: $(READY) ## race, kill and crash the ledger (ARGS="--minutes 5 --clients 64 --seeds 50")
	$(ENV) -m tests.torture $(ARGS)

screenshots: $(READY) ## take pictures of every page, in both themes and three widths (ARGS="--readme")
	$(ENV) -m tests.screenshots $(ARGS)

# The environment, from the lock file; made again whenever that or the list of dependencies changes.
$(READY): uv.lock pyproject.toml
	@command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) was not found: install Python 3.11 or newer, or name one with make PYTHON=/path/to/python3."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than 3.11: install Python 3.11 or newer, or name one with make PYTHON=/path/to/python3."; exit 1; }
	@$(ENV) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@echo "Installing the dependencies into .venv (once; a minute or two) ..."
	@$(ENV) -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"
	@UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never .venv/bin/uv sync --quiet --frozen --inexact --compile-bytecode --python $(ENV)
	@touch $(READY)
