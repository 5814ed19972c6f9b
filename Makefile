# Every target creates or completes .venv first and says what it downloads. PYTHON names the interpreter to build it with.
PYTHON ?= python3
export PYTHON MAKECMDGOALS
RUN := .venv/bin/python -m

.DEFAULT_GOAL := help
.PHONY: help demo console screenshots test check audit format fuzz bench soak docs reference constraints venv venv-all venv-mlflow services lint types imports clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: venv ## simulate, train, serve and decide payments end to end, and print one screen (base install only)
	.venv/bin/adjudge demo

console: ## open the pages for people on what `make demo` leaves behind, which is made first where it is not there
	@tools/venv.sh console
	@[ -d demo/workspace ] || .venv/bin/adjudge demo
	@echo "open http://127.0.0.1:8000/console; Ctrl-C ends it"
	.venv/bin/adjudge serve --bundle demo/bundle --workspace demo/workspace --auth off --console on

screenshots: venv-all services ## take the pictures of docs/guides/desk.md anew
	ADJUDGE_SCREENSHOTS=docs/guides/desk $(RUN) pytest tests/console/test_guide.py

test: venv-all venv-mlflow services lint types imports ## install everything, then lint, types, imports, doctests, README, examples, tests
	$(RUN) pytest --doctest-modules src tests

check: venv-all venv-mlflow ## what to run before a commit: format, lint, types, imports and the fast tests
	$(RUN) ruff format --check .
	@$(MAKE) --no-print-directory lint types imports
	$(RUN) pytest --doctest-modules src tests -m "not slow"

format: venv-all ## format the code and mend what lint can mend
	$(RUN) ruff format .
	$(RUN) ruff check --fix .

fuzz: venv-all ## try 200,000 new inputs on everything that reads bytes, and the whole API; ADJUDGE_FUZZ says another number
	ADJUDGE_FUZZ=$${ADJUDGE_FUZZ:-200000} $(RUN) pytest tests/test_fuzz.py tests/service/test_openapi.py

bench: venv-all services ## run every benchmark quickly; results are kept in benchmarks/results
	@status=0; for id in $$($(RUN) benchmarks list); do $(RUN) benchmarks run $$id --quick || status=1; done; exit $$status

audit: venv-all ## look the pinned dependencies up in a public list of weaknesses, or say that none could be reached
	@$(RUN) tools.audit

soak: venv-all ## twenty minutes at half the highest rate: is memory what it was? SOAK=--quick takes one
	$(RUN) benchmarks run soak $(SOAK)

docs: venv-docs ## build the documentation into site/
	$(RUN) sphinx --fail-on-warning --keep-going --quiet docs site
	@echo "open site/index.html"

reference: venv-all ## write docs/reference anew from the code
	$(RUN) tools.reference

constraints: venv-all ## write constraints.txt anew from what .venv holds
	$(RUN) tools.constraints

venv: ## create or complete .venv for running only
	@tools/venv.sh base

venv-all: ## create or complete .venv with every extra
	@tools/venv.sh all

venv-docs:
	@tools/venv.sh docs

venv-mlflow:
	@tools/mlflow.sh

services:
	@tools/services.sh

lint: venv-all
	$(RUN) ruff check .

types: venv-all
	$(RUN) mypy

imports: venv-all
	.venv/bin/lint-imports --no-logo

clean: ## remove .venv and everything that was built
	rm -rf .venv .venv-mlflow build dist site demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
