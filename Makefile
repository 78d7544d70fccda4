# make train   a virtual environment, the base install, and a first GAN, on a CPU without framework
# make test    lint, types, size report and the test suite, with all engines
# make wheel-check   builds the wheel and tries it in a fresh environment: train, page, ONNX, service
# make docs    builds the documentation's site into site/, strictly; make docs-test runs its pages' code
# make bench   times beside plain code, hours; HOW=--quick: within a minute; HOW=--help: what there is
# make reproduce   lists published claims; NAME=...: runs one at a tiny scale and updates its page
# On Windows, or without make: README.md and CONTRIBUTING.md have the same as plain pip lines.

PYTHON ?= python3
DATA := $(wildcard $(CURDIR)/../shared/data)
ifneq ($(DATA),)
export GANBARU_DATA ?= $(DATA)
endif

# Tests start some two hundred processes; each would compile our modules itself, in 0.5 s.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: train test lint bench reproduce clean docs docs-test wheel-check

train: .venv/installed
	.venv/bin/ganbaru train digits

test: .venv-test/installed lint
	.venv-test/bin/python -m bench.size
	.venv-test/bin/python -m pytest --numprocesses auto --dist loadfile --durations=25

lint: .venv-test/installed
	.venv-test/bin/ruff check .
	.venv-test/bin/ruff format --check .
	.venv-test/bin/mypy

wheel-check:
	bash .ci/wheel-check

bench: .venv-test/installed
	.venv-test/bin/python -m bench $(HOW)

reproduce: .venv-test/installed
	.venv-test/bin/python -m bench.reproduce $(NAME)

# HOW=--all runs every page, minutes; by default those of a minute. HOW=PAGE... runs these.
docs-test: .venv-test/installed
	.venv-test/bin/python -m bench.docs $(HOW)

docs: .venv-docs/installed
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/python -m mkdocs build --strict

.venv-docs/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/pip install --quiet --constraint constraints.txt --editable '.[docs,serve]'
	@touch $@

.venv/installed: pyproject.toml
	@echo "1/3  a virtual environment, .venv (some seconds)"
	@$(PYTHON) -m venv .venv
	@echo "2/3  Ganbaru and what it needs, about 100 MB to download; Ctrl-C ends it, make train goes on"
	.venv/bin/pip install --disable-pip-version-check --editable .
	@echo "3/3  the training of digits"
	@touch $@

.venv-test/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/pip install --quiet --constraint constraints.txt --editable '.[all,dev]'
	@touch $@

clean:
	rm -rf .venv .venv-test .venv-docs site .mypy_cache .pytest_cache .ruff_cache .hypothesis
