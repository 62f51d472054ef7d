# Shouwang 守望. Two commands do everything on a fresh Debian machine: `make run` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test test-fast check bench sos-proof kills power-cuts fuzz fuzz-guided mutants browser docs clean machine

help: ## show what can be made
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 16

run: $(VENV)/.installed portal/static/vendor/.collected ## gateway, portal and the simulated neighbourhood; Ctrl-C stops
	@$(BIN)/python -m shouwang run --config config.toml

test: machine $(VENV)/.installed portal/static/vendor/.collected check ## everything: checks, unit tests, peers, browser, kill -9, the proof in virtual time
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup
	$(BIN)/python -W ignore -m bench.proof --schedules $(or $(SCHEDULES),1000)

test-fast: $(VENV)/.installed ## the pure and quick tests only
	$(BIN)/python -m pytest -q -m "not slow" -n 2

check: $(VENV)/.installed ## ruff, mypy, import contracts, the shipped configuration
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m shouwang check config.toml

bench: machine $(VENV)/.installed ## figures, as ratios in one run
	$(BIN)/python -m shouwang bench ingest
	$(BIN)/python -m shouwang bench sos
	$(BIN)/python -m shouwang bench wires
	$(BIN)/python -m shouwang bench fence
	$(BIN)/python -m shouwang bench rules
	$(BIN)/python -m shouwang bench portal
	$(BIN)/python -m shouwang bench map
	$(BIN)/python -m shouwang bench track

sos-proof: $(VENV)/.installed ## crash points to depth 2 and 5,000 seeded schedules; SCHEDULES=100000 for the long form
	$(BIN)/python -W ignore -m bench.proof

kills: machine $(VENV)/.installed ## kill -9 in a loop while bands press; KILLS=2000 for the long form
	$(BIN)/python -m bench.kills --kills $(or $(KILLS),200)

power-cuts: machine $(VENV)/.installed ## power cuts that drop what was never synced; CUTS=1000 for the long form
	$(BIN)/python -m bench.power --cuts $(or $(CUTS),60)

fuzz: $(VENV)/.installed ## bytes nobody should send, to every codec; INPUTS=2000000 for the long form
	$(BIN)/python -m bench.fuzz --inputs $(or $(INPUTS),0)

fuzz-guided: $(VENV)/.installed ## the same steered by coverage (atheris), SECONDS a codec; one codec with CODEC=watch
	$(BIN)/python -m pip install -q --only-binary :all: atheris==3.0.0
	$(BIN)/python -m bench.guided --seconds $(or $(SECONDS),60) $(if $(CODEC),--codec $(CODEC))

mutants: machine $(VENV)/.installed ## breaks the product on purpose: every mutant must be noticed
	$(BIN)/python -m bench.mutants

browser: machine $(VENV)/.installed portal/static/vendor/.collected ## the stories in real Chromium; screenshots in tests/browser/shots
	$(BIN)/python -m pytest -q tests/browser

docs: $(VENV)/.installed ## rewrite the generated parts of the docs
	$(BIN)/python docs/generate.py

clean: ## remove what was made, keep the journal in data/var
	rm -rf $(VENV) node_modules portal/static/vendor build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis tests/browser/shots
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What tests need from Debian (Mosquitto, Chromium, gammu ...): installed once, as root.
machine:
	@deploy/install-packages deploy/packages-test.txt

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

portal/static/vendor/.collected: package-lock.json portal/collect_vendor.py | $(VENV)/.installed
	@deploy/install-packages deploy/packages-run.txt
	npm ci --no-audit --no-fund --loglevel=error
	$(BIN)/python -m portal.collect_vendor
	@touch $@
