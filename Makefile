# Every target sets up what it needs. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Words that an environment may happen to hold count only when given on make's own command line.
given = $(if $(filter command,$(firstword $(origin $(1)))),$($(1)))
OPTIONS = $(if $(call given,DATASET),--dataset "$(DATASET)") $(if $(call given,DATA),--data "$(DATA)") \
	$(if $(call given,TEXT),--text "$(TEXT)") $(if $(call given,LABEL),--label "$(LABEL)") \
	$(if $(call given,ENCODING),--encoding "$(ENCODING)") $(if $(call given,SPACE),--space "$(SPACE)") $(if $(call given,NAME),--name "$(NAME)") \
	$(if $(ALGORITHM),--algorithm $(ALGORITHM)) $(if $(TRIALS),--trials $(TRIALS)) $(if $(BUDGET),--budget $(BUDGET)) \
	$(if $(EPOCHS),--epochs $(EPOCHS)) $(if $(WORKERS),--workers $(WORKERS)) $(if $(SEED),--seed $(SEED)) \
	$(if $(SEEDS),--seeds $(SEEDS)) $(if $(ENSEMBLE),--ensemble $(ENSEMBLE)) \
	$(if $(RESUME),--resume $(filter-out 1,$(RESUME)))

.PHONY: help setup sweep ui export test test-all check fix bench bench-quality chaos clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(READY)  ## make .venv with every pinned package

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

sweep: $(READY)  ## TASK=sentiment|text|tagging|seq2seq|generation, or DATA=file.csv TEXT=column LABEL=column; DATASET SPACE TRIALS BUDGET EPOCHS ...
	@$(BIN)/sweeper sweep $(if $(call given,DATA)$(call given,DATASET)$(RESUME),$(TASK),$(or $(TASK),sentiment)) $(OPTIONS)

ui: $(READY)  ## browse the trials in MLflow, on the loopback address; PORT=5000
	@$(BIN)/sweeper ui $(if $(PORT),--port $(PORT))

export: $(READY)  ## the newest sweep's best model as a SavedModel; TO=folder
	@$(BIN)/sweeper export $(if $(SWEEP),"$(SWEEP)") $(if $(TRIAL),--trial $(TRIAL)) --to "$(or $(TO),exports/$(shell date +%Y%m%d-%H%M%S))"

test: $(READY)  ## the fast tests; ARGS= is passed on to pytest
	@$(BIN)/python -m pytest -m "$(or $(SELECT),not slow)" -n auto --dist worksteal $(ARGS)

test-all: $(READY)  ## all tests, those that train for a while too
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(READY)  ## formatting, lint, types; edits nothing
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

fix: $(READY)  ## format and repair what can be repaired
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY)  ## measure speed, overhead and memory into benchmarks/RESULTS.md; ARGS="steps pipeline" names parts
	@$(BIN)/python -m benchmarks.run $(ARGS)

bench-quality: $(READY)  ## how good the best of a sweep is, beside baselines and published figures; DATASET=name
	@$(BIN)/python -m benchmarks.run $(if $(DATASET),$(addprefix quality-,$(DATASET)),quality)

chaos: $(READY)  ## inject faults into real sweeps, and compare them with undisturbed ones: docs/chaos.md
	@$(BIN)/python -m tests.chaos

clean:  ## remove .venv and caches, but no sweep
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache sweeper/kernels/__pycache__
