# `make repro` and `make test` set up .venv themselves and start nothing that is up to date.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: repro test lint preset report bench test-xla clean-venv

# With a remote, what a colleague has pushed is downloaded instead of made again.
REMOTE = $(shell grep -hs '^ *remote *=' .dvc/config .dvc/config.local)

repro: .venv/runtime
	dvc repro $(if $(REMOTE),--pull)

# Two at a time, for most tests wait for a stage, which starts on one core.
test: .venv/dev lint
	python -m pytest -n 2 --dist worksteal

lint: .venv/dev
	ruff check .
	ruff format --check .

preset: .venv/runtime ## NAME=…: a file of presets/ written over params.yaml
	python -m tools.preset $(NAME)

report: .venv/dev ## pictures of the metrics, for README and pull requests; a page to open
	python -m tools.report

bench: .venv/dev ## after `make repro`; benchmarks/README.md says what each measures
	python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r benchmarks/requirements.txt
	python -m benchmarks.training
	python -m benchmarks.generation
	python -m benchmarks.data_scale
	python -m benchmarks.gpu_qlora --tiny

# In an environment of its own: torch_xla needs an older torch, and gigabytes with it.
test-xla: .venv-xla/installed
	PJRT_DEVICE=CPU .venv-xla/bin/python -m pytest tests/xla

.venv-xla/installed: tests/xla/requirements.txt constraints.txt
	test -x .venv-xla/bin/python || $(PYTHON) -m venv .venv-xla
	.venv-xla/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv/runtime: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean-venv:
	rm -rf .venv
