# "make figure" makes the main figure and the pages of a report, "make test" runs the quick tests. All goals set up the
# environment that they need first, once, and again when its lock file changes. PYTHON=... chooses the interpreter.

SHELL := /bin/bash
VENV := .venv
STAMP := $(VENV)/installed-$(shell cksum < requirements.lock | cut -d ' ' -f 1)
SLURM_STAMP := $(VENV)/slurm-$(shell cksum < requirements-slurm.lock | cut -d ' ' -f 1)
ONNX_STAMP := $(VENV)/onnx-$(shell cksum < requirements-onnx.lock | cut -d ' ' -f 1)
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

.PHONY: figure test test-all test-onnx test-slurm benchmark docs setup check lock

# CONFIG=my.yaml lays a config over config.yaml.
figure: setup
	. $(VENV)/bin/activate && snakemake --cores all $(if $(CONFIG),--configfile $(CONFIG)) -- \
	  results/figures/phase_transition.pdf results/pages/start.html results/pages/explorer.html
	@echo "results/figures/phase_transition.pdf and .png, results/pages/start.html, results/pages/explorer.html"

test: setup
	. $(VENV)/bin/activate && pytest --numprocesses 2 --dist worksteal

# The slow ones too.
test-all: setup
	. $(VENV)/bin/activate && pytest --numprocesses 2 --dist worksteal -m "not slurm"

# Those of exports to ONNX, which are skipped without what they need.
test-onnx: $(ONNX_STAMP)
	. $(VENV)/bin/activate && pytest -m "" tests/exports/test_onnx.py tests/exports/test_latency.py

# Starts and stops a Slurm cluster of its own on this machine; needs root and Debian's packages slurm-wlm and munge.
test-slurm: $(SLURM_STAMP)
	. $(VENV)/bin/activate && pytest -m slurm

# An hour and a quarter on two idle cores; GLUE=folder adds a GLUE task. What is measured: benchmarks/README.md.
benchmark: setup
	. $(VENV)/bin/activate && GLUE=$(GLUE) python -m benchmarks

# The site, into site/, in an environment of its own: it needs nothing of the workflow's.
DOCS := .venv-docs
DOCS_STAMP := $(DOCS)/installed-$(shell cksum < requirements-docs.lock | cut -d ' ' -f 1)

docs: $(DOCS_STAMP)
	NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict
	@echo "site/index.html"

setup: $(STAMP)

# An environment in the folder of its stamp, from a lock file.
define environment
@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer found. On Debian or Ubuntu: apt install python3 python3-venv" \
  "(or name one: make PYTHON=/path/to/python3.11 ...)" >&2; exit 1; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
  echo "$(PYTHON) cannot make virtual environments. On Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }
@rm -f $(@D)/installed-*
$(PYTHON) -m venv $(@D)
$(@D)/bin/pip install --quiet --requirement $(1)
@touch $@
endef

$(STAMP):
	$(call environment,requirements.lock)

$(DOCS_STAMP):
	$(call environment,requirements-docs.lock)

$(SLURM_STAMP): $(STAMP)
	$(VENV)/bin/pip install --quiet --requirement requirements-slurm.lock
	@touch $@

$(ONNX_STAMP): $(STAMP)
	$(VENV)/bin/pip install --quiet --requirement requirements-onnx.lock
	@touch $@

# What a reviewer runs before a change lands.
check: setup
	. $(VENV)/bin/activate && ruff check . && ruff format --check . && mypy && snakefmt --check Snakefile workflow
	@# Functions stand beside the rules that they serve; any other finding counts.
	. $(VENV)/bin/activate && snakemake --lint > $(VENV)/lint.log 2>&1; \
	  grep -q '^Lints for' $(VENV)/lint.log && ! grep '^    \* ' $(VENV)/lint.log | grep -v 'Mixed rules and functions'

# Needs uv. What torch pins exactly by itself (CUDA libraries, triton) is left out: CPU builds come without it.
lock:
	{ echo '# Versions of everything, for all platforms. Made by "make lock" from pyproject.toml; not edited by hand.'; \
	  uv pip compile --quiet --universal --python-version 3.11 --extra workflow --extra test --no-header --no-annotate \
	    pyproject.toml | grep -vE '^(cuda|nvidia)-|^triton=='; } > requirements.lock.new
	mv requirements.lock.new requirements.lock
	{ sed '/- pip:/q' envs/supertickets.yaml; sed -n 's/^[^#]/      - &/p' requirements.lock; } \
	  > envs/supertickets.yaml.new
	mv envs/supertickets.yaml.new envs/supertickets.yaml
	{ echo '# What profiles/slurm needs besides requirements.lock. Made by "make lock" from pyproject.toml;' \
	    'not edited by hand.'; \
	  uv pip compile --quiet --universal --python-version 3.11 --extra slurm --constraint requirements.lock --no-header \
	    --no-annotate pyproject.toml | grep -E '^snakemake-executor-plugin'; } > requirements-slurm.lock.new
	mv requirements-slurm.lock.new requirements-slurm.lock
	{ echo '# What exports to ONNX need besides requirements.lock. Made by "make lock" from pyproject.toml;' \
	    'not edited by hand.'; \
	  uv pip compile --quiet --universal --python-version 3.11 --extra onnx --constraint requirements.lock --no-header \
	    --no-annotate pyproject.toml | grep -vE '^(cuda|nvidia)-|^triton==' | grep -vxFf requirements.lock; } \
	    > requirements-onnx.lock.new
	mv requirements-onnx.lock.new requirements-onnx.lock
	{ echo '# What the site needs. Made by "make lock" from pyproject.toml; not edited by hand.'; \
	  uv pip compile --quiet --universal --python-version 3.11 --group docs --constraint requirements.lock --no-header \
	    --no-annotate; } > requirements-docs.lock.new
	mv requirements-docs.lock.new requirements-docs.lock
