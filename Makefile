# Two commands matter: `make demo` and `make test`. Both do all set-up themselves; `make` lists the rest.

SHELL := /bin/sh
.DEFAULT_GOAL := help
PY := .venv/bin/python

# Chains run side by side already; threads below them only compete.
export OPENBLAS_NUM_THREADS ?= 1
export OMP_NUM_THREADS ?= 1

.PHONY: help demo test smoke reproduce lab notebooks bench bench-costs bench-fits bench-recovery bench-wide bench-acic bench-gates bench-geometry bench-peers bench-sbc bench-scale bench-synthetic lint format types imports browser lock clean runtime dev

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: runtime ## Fit the bundled ACTG 320 trial and write patient reports (ARGS="..." is passed on)
	@$(PY) experiments/run.py experiment=actg320 existing=continue $(ARGS)

test: dev ## Run the tests (ARGS="..." is passed on, e.g. ARGS="-m recovery")
	@$(PY) -m pytest $(ARGS)

# Nothing is recorded of it, so models may be compiled from pieces that are there, in half the time.
smoke: runtime ## Fit 300 patients of every scenario, scored against the truth (ARGS="..." is passed on)
	@MEDRESPONSE_KERNELS=$${MEDRESPONSE_KERNELS:-kept} $(PY) experiments/run.py experiment=scenarios size=smoke existing=replace $(ARGS)

reproduce: runtime ## Re-run an experiment, compare with its recorded results: experiment=<name> [size=ci]
	@test -n "$(experiment)" || { echo "Name the experiment: make reproduce experiment=actg320 [size=ci]" >&2; exit 2; }
	@$(PY) experiments/run.py experiment=$(experiment) action=reproduce existing=replace size=$(or $(size),full) $(ARGS)

lab: dev ## Open JupyterLab on the notebooks
	@cd notebooks && ../$(PY) -m jupyterlab $(ARGS)

notebooks: dev ## Run every notebook from top to bottom; copies with output go to outputs/notebooks
	@$(PY) -m nbconvert --to notebook --execute --output-dir outputs/notebooks notebooks/*.ipynb

bench: runtime ## Time what the README promises to be quick
	@$(PY) -m benchmarks $(ARGS)

bench-recovery: runtime ## Recover every family's known truth (about an hour)
	@$(PY) -m benchmarks.recovery $(ARGS)

bench-acic: runtime ## Ten ACIC 2016 instances, beside peers in an environment of their own (two hours)
	@test -x .venv-peers/bin/python || $(PY) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet -r benchmarks/peers/requirements.txt
	@.venv-peers/bin/python benchmarks/peers/run.py outputs/acic
	@.venv-peers/bin/python benchmarks/peers/run.py outputs/acic bcf_x5 bart_s_x5 bart_t_x5 6
	@$(PY) -m benchmarks.acic run outputs/acic $(ARGS)
	@$(PY) -m benchmarks.acic converge outputs/acic 6
	@$(PY) -m benchmarks.acic table outputs/acic

bench-peers: dev ## Scenarios and GBSG-2 patients, beside peers in an environment of their own (half an hour of CPU)
	@test -x .venv-peers/bin/python || $(PY) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet -r benchmarks/peers/requirements.txt
	@$(PY) -m benchmarks.scenarios data outputs/scenarios
	@.venv-peers/bin/python benchmarks/peers/scenarios.py outputs/scenarios
	@$(PY) -m benchmarks.scenarios run outputs/scenarios $(ARGS)
	@$(PY) -m benchmarks.scenarios table outputs/scenarios

bench-gates: runtime ## Count clean and broken models that fail a validation (four minutes of CPU)
	@$(PY) -m benchmarks.gates $(ARGS)

bench-reports: dev ## Time reports of 500 patients as HTML and as PDF (three minutes)
	@$(PY) -m benchmarks.reports $(ARGS)

bench-sbc: runtime ## Calibrate families, priors and missing data by simulation, 400 replicates each (three hours)
	@$(PY) -m benchmarks.sbc $(ARGS)

bench-fits: runtime ## Time fits beside PyMC, NumPyro, rstanarm and bambi (ten minutes; ARGS="--quick starts" takes some rows)
	@$(PY) -m benchmarks.fits $(ARGS)

bench-geometry: runtime ## How the flagship fits mix at the default draws (half an hour; ARGS="bernoulli:500" takes one)
	@$(PY) -m benchmarks.geometry $(ARGS)

bench-costs: dev ## Measure what fits cost, where no row is there, and fit the law of `plan` (five minutes)
	@$(PY) -m benchmarks.costs $(ARGS)

bench-scale: runtime ## Time scores of up to a million patients, beside PyMC (eight minutes; ARGS="peer million" for some rows)
	@$(PY) -m benchmarks.scale $(ARGS)

bench-synthetic: runtime ## Time 100,000 patients of every scenario (a minute)
	@$(PY) -m benchmarks.synthetic $(ARGS)

bench-wide: runtime ## Fit 5,000 features in 1,000 patients (ten minutes)
	@$(PY) -m benchmarks.wide $(ARGS)

lint: dev ## Check formatting and style
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .

format: dev ## Rewrite files as lint wants them
	@$(PY) -m ruff check --fix-only .
	@$(PY) -m ruff format .

types: dev ## Check types
	@$(PY) -m mypy

imports: dev ## Check which package imports which
	@.venv/bin/lint-imports --no-logo

browser: ## Install what the browser tests need (npm packages; Chromium on Debian as root)
	@.ci/browser

lock: ## Re-make the locks, keeping pins that still fit (upgrade=1 takes the newest of everything)
	@.ci/lock $(if $(upgrade),--upgrade)

clean: ## Remove the environment and caches; outputs and results stay
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

runtime:
	@.ci/setup runtime

dev:
	@.ci/setup dev
