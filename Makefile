# The commands of Daybook. Each sets up its own environment in .venv first; DAYBOOK_HOME=/some/folder works on that folder.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SPARK := $(VENV)/.spark
BENCH := $(VENV)/.bench
JAVA := $(or $(JAVA_HOME),$(shell command -v java))
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade pyproject.toml
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
export DAYBOOK_HOME ?= $(CURDIR)/data
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help setup spark bench-tools nightly rebuild mastery parity ui demo demo-db test soak bench check format lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The second engine is installed where it is asked for.
setup: $(READY) $(if $(filter spark,$(DAYBOOK_ENGINE)),$(SPARK))

spark: $(SPARK) ## Install Spark, the second engine (docs/guides/spark.md)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
		|| { echo "Daybook needs Python 3.11 to 3.13; PYTHON=/path/to/python3 names another one"; exit 1; }
	@echo "setting up $(VENV) (once, about a minute)" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(SPARK): $(READY) requirements-spark.lock
	@echo "installing Spark into $(VENV) (once, some minutes: 500 MB)" >&2
	@$(PIP) --require-hashes --requirement requirements.lock --requirement requirements-spark.lock
	@touch $@

$(BENCH): $(READY) requirements-bench.lock
	@echo "installing what the benchmark measures beside into $(VENV) (once: 130 MB)" >&2
	@$(PIP) --require-hashes --requirement requirements.lock --requirement requirements-bench.lock
	@touch $@

nightly: setup ## Load what is new (or FROM=, TO=), build, check, publish
	@$(BIN)/python -m orchestration nightly $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

rebuild: setup ## Drop the warehouse and build every mart from the lake alone
	@$(BIN)/python -m orchestration rebuild

mastery: setup ## Fit a challenger for topic mastery, promote or keep it, re-score, publish (CHAMPION= goes back to one)
	@$(BIN)/python -m orchestration mastery $(if $(CHAMPION),--champion $(CHAMPION))

parity: setup $(if $(JAVA),$(SPARK)) ## Build the same lake on both engines and compare every mart
	@$(BIN)/python -m orchestration parity

ui: setup ## Dagster's UI and daemon on 127.0.0.1:3000
	@$(BIN)/python -m orchestration ui

demo: setup ## Write demo extracts (ARGS="--learners 1000 --days 60")
	@$(BIN)/python -m ingestion.demo $(ARGS)

demo-db: setup ## Fill a database with the demo, in tables of its own, and write the sources.yaml that reads them (URL=, or DAYBOOK_DEMO_DB)
	@$(BIN)/python -m ingestion.demo.database $(if $(URL),'$(URL)') $(ARGS)

test: setup $(if $(JAVA),$(SPARK)) ## Run all tests; those of Spark where there is Java
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 15 $(ARGS)

soak: setup ## The long proof, two hours on 2 cores: random histories, kills, hostile files (ARGS="--kills 10 --seed 7")
	@$(BIN)/python -m tests.soak $(ARGS)

bench-tools: $(BENCH) ## Install what the benchmark needs, and measures beside

bench: $(BENCH) $(if $(JAVA),$(SPARK)) ## Measure speed and memory, for hours (ARGS="--work DIR" goes on in DIR where it was cut off)
	@$(BIN)/python -m benchmarks $(ARGS)

check: setup ## Formatters, linters, types, SQL lint: what CI runs before the tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/yamllint --strict .
	@$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

format: setup ## Let the formatters rewrite the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .
	@$(BIN)/sqlfluff fix --processes 2 dbt_project/models dbt_project/tests

lock: setup ## Pin the newest allowed versions anew, with hashes
	@$(PIP) uv
	@$(COMPILE) --no-strip-extras --extra dev --output-file requirements.lock
	@# What is pinned for Windows alone is not there elsewhere.
	@sed -n "/sys_platform == 'win32'/d; s/^\([[:alnum:]._-]*\)\(\[.*\]\)\{0,1\}==.*/\1/p" requirements.lock > $(VENV)/locked.txt
	@$(COMPILE) --strip-extras --extra spark --extra spark-test --excludes $(VENV)/locked.txt --output-file requirements-spark.lock
	@$(COMPILE) --strip-extras --extra bench --excludes $(VENV)/locked.txt --constraint requirements.lock --constraint requirements-spark.lock --output-file requirements-bench.lock

clean: ## Remove the environment and what dbt compiled; the data stays
	@rm -rf $(VENV) dbt_project/target dbt_project/logs
