# make demo and make test do all the set-up; make help lists the rest.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup cuda demo demo-all report why plan provenance test lint lock

help:  ## list these targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /: /'

setup: $(STAMP)  ## the virtual environment .venv, from requirements.lock

$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"error: {sys.executable} is Python {v[0]}.{v[1]} but 3.11 or newer is needed: call make with PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@if command -v nvidia-smi >/dev/null; then $(MAKE) cuda; fi
	@touch $@

cuda:  ## what TV-L1 on an NVIDIA GPU needs; setup sees to it where there is one
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["cuda"])' \
		| xargs $(BIN)/python -m pip install --quiet --disable-pip-version-check

demo: setup  ## the demo data set through every stage; prints its table
	$(BIN)/snakemake --cores all results/tables/demo.csv
	@$(BIN)/python -m pipeline.tables show results/tables/demo.csv

demo-all: setup  ## the same with every row of every paper that the demo can have: far more than a coffee break
	$(BIN)/snakemake --config 'datasets={"demo": {"tables": {"rows": "all"}}}' --cores all results/tables/demo.csv
	@$(BIN)/python -m pipeline.tables show results/tables/demo.csv

report: setup  ## figures and results/report.html of DATASET=demo, one file to open in a browser; OPTIONS= go to snakemake
	$(BIN)/snakemake $(OPTIONS) --cores all -- results/figures/$(or $(DATASET),demo)/summary.html
	$(BIN)/snakemake $(OPTIONS) --report results/report.html --report-stylesheet rules/report/report.css -- results/figures/$(or $(DATASET),demo)/summary.html

why: setup  ## what would run again for TARGET=results/tables/... and why, in words; OPTIONS= go to snakemake
	@$(BIN)/python -m pipeline.why $(or $(TARGET),results/tables/demo.csv) $(OPTIONS)

plan: setup  ## what TARGET=results/tables/... would cost in hours, disk and files; OPTIONS= such as --cores 16 --gpus 4 --gpu A100
	@$(BIN)/python -m pipeline.plan $(or $(TARGET),results/tables/demo.csv) $(OPTIONS)

provenance: setup  ## where TARGET=results/tables/... comes from: settings, hashes, commits, machines, times
	@$(BIN)/python -m pipeline.provenance $(or $(TARGET),results/tables/demo.csv)

test: setup  ## the tests
	$(BIN)/python -m pytest

lint: setup  ## ruff, mypy, snakefmt and snakemake's own lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

lock:  ## write requirements.lock anew from pyproject.toml's ranges, in a fresh environment
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet '.[dev]'
	{ sed -n '/^#/p' requirements.lock; .venv-lock/bin/python -m pip freeze --exclude actionbench | sed 's/+cpu$$//'; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf .venv-lock build actionbench.egg-info
