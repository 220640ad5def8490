# make tables       the environment, then results/tables.md
# make report       the environment, then results/report.html, with the figures
# make cifar10      the environment, then what CIFAR-10 can show without a GPU: results/cifar10/report.html (20 minutes)
# make unit         the environment, then the tests without Snakemake and long trainings (2 minutes)
# make test         the environment, then all tests but those of the default run and on a real SLURM (12 minutes)
# make default      the environment, then the default run from nothing, and the tests of it (5 minutes)
# make slurm        a SLURM on this machine (as root, on Debian), then the tests on it
# make check        formatters and linters
# make readme       what was found into README.md, the tables to docs/tables.md, two figures to docs/
# make keep         what `make cifar10` gives to docs/cifar10.md and benchmarks/results/, where the tables read it
# make reference    docs/configuration.md, from config/schema.yaml
# make environment  the environment alone, in .venv
# make lock         requirements.lock anew, from pyproject.toml
# make clean        remove the environment and Snakemake's records; results stay
# make help         this list
#
# torch comes without CUDA where there is neither an NVIDIA GPU nor a SLURM cluster, a tenth of the download, if the index
# that has it can be reached.
# TORCH_INDEX=ADDRESS takes torch and torchvision from that index, whatever is here.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN = $(CURDIR)/$(VENV)/bin
PINNED = $(shell grep -E '^($(1))==' requirements.lock)
PYTEST = pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
export PATH := $(BIN):$(PATH)

.PHONY: tables report cifar10 unit test default slurm check readme keep reference environment lock clean help

tables: $(VENV)/.installed
	snakemake results/tables.md

report: $(VENV)/.installed
	snakemake results/report.html

cifar10: $(VENV)/.installed
	snakemake --configfile config/cifar10.yaml -- results/cifar10/report.html

unit: $(VENV)/.installed
	$(PYTEST) -m 'not workflow and not long and not default and not slurm and not slow'

test: $(VENV)/.installed
	$(PYTEST)

default: $(VENV)/.installed
	pytest -m default

slurm: $(VENV)/.installed
	pytest -m 'slurm and not slow' -rs --durations=0 --durations-min=5

check: $(VENV)/.installed
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile rules
	snakemake --lint

$(VENV)/.installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "error: Python 3.11 or newer is needed")'
	test -d $(VENV) || $(PYTHON) -m venv $(VENV)
	@if [ -n "$(TORCH_INDEX)" ]; then \
	  pip install --index-url "$(TORCH_INDEX)" $(call PINNED,torch|torchvision) && echo "torch: from TORCH_INDEX"; \
	elif command -v nvidia-smi >/dev/null; then \
	  echo "torch: with CUDA, because nvidia-smi is here"; \
	elif command -v sbatch >/dev/null; then \
	  echo "torch: with CUDA, because sbatch is here, whose nodes may have GPUs"; \
	elif pip install -q $(call PINNED,uv) \
	  && UV_HTTP_RETRIES=0 uv pip install -q --python $(BIN)/python --torch-backend=cpu $(call PINNED,torch|torchvision); then \
	  echo "torch: without CUDA, because nvidia-smi is not here"; \
	else \
	  echo "torch: as the default index has it, because the index without CUDA cannot be reached"; \
	fi
	pip install -r requirements.lock
	pip install --no-build-isolation --no-deps -e .
	touch $@

readme: tables
	snakemake results/README.md results/figures/again.svg results/figures/rules.svg
	cp results/README.md README.md
	cp results/tables.md docs/tables.md
	cp results/figures/again.svg results/figures/rules.svg docs/

keep: cifar10
	cp results/cifar10/tables.md docs/cifar10.md
	cp results/cifar10/tables.csv benchmarks/results/cifar10.csv

reference: $(VENV)/.installed
	freedarts reference --output docs/configuration.md

environment: $(VENV)/.installed

# The CUDA libraries are left out: which ones are needed, torch itself says, exactly and per platform. PYTHON should be the
# oldest 3.11 that there is: what a later one takes may not be for it.
lock:
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install 'setuptools>=77' '.[slurm]'
	.venv-lock/bin/pip install --group dev 2>/dev/null \
	  || .venv-lock/bin/pip install axe-playwright-python nas-bench-201 pytest pytest-xdist ruff snakefmt uv
	.venv-lock/bin/pip freeze --all --exclude freedarts --exclude pip --exclude wheel \
	  | grep -vE '^(nvidia|cuda|triton)' | sed 's/+.*//' > requirements.lock
	for version in 3.11 3.12 3.13 3.14; do \
	  .venv-lock/bin/uv pip compile -q --python-version $$version -o /dev/null requirements.lock || exit 1; \
	done
	rm -rf .venv-lock

clean:
	rm -rf $(VENV) .snakemake build *.egg-info

help:
	@sed -n 's/^# \(make .*\)/\1/p; /^$$/q' $(firstword $(MAKEFILE_LIST))
