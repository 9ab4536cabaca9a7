# `make repro` and `make test` set up .venv themselves and start nothing that is up to date.
# Tools are named by their path: make 3.81, which macOS has, ignores a PATH that is set here.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# pip would compile 16,000 files, for half of its time. Python compiles what it imports, once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: repro test lint preset report app bench test-xla test-export test-scale test-trackers test-app clean-venv

repro: .venv/runtime
	@$(BIN)/python -m tools.repro

# Two at a time, for most tests wait for a stage, which starts on one core.
test: .venv/dev lint
	$(BIN)/python -m pytest -n 2 --dist worksteal

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

preset: .venv/runtime ## NAME=…: a file of presets/ written over params.yaml
	$(BIN)/python -m tools.preset $(NAME)

report: .venv/dev ## pictures of the metrics, for README and pull requests; a page to open
	$(BIN)/python -m tools.report

app: .venv/runtime ## a page and an HTTP API for summaries: docs/app.md
	$(PIP) install -r requirements-app.txt
	$(BIN)/python -m tools.app

bench: .venv/dev ## after `make repro`; benchmarks/README.md says what each measures
	$(PIP) install -c constraints.txt -r benchmarks/requirements.txt
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.generation
	$(BIN)/python -m benchmarks.data_scale
	$(BIN)/python -m benchmarks.tokenization
	$(BIN)/python -m benchmarks.gpu_qlora --tiny

# In an environment of its own: torch_xla needs an older torch, and gigabytes with it.
test-xla: .venv-xla/installed
	PJRT_DEVICE=CPU .venv-xla/bin/python -m pytest tests/xla

.venv-xla/installed: tests/xla/requirements.txt constraints.txt
	test -x .venv-xla/bin/python || $(PYTHON) -m venv .venv-xla
	.venv-xla/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

# What reads an exported model elsewhere, each beside .venv's own torch. After `make repro`.
test-export: .venv/dev .venv-export/installed
	$(PIP) install -c constraints.txt -r tests/export/requirements.txt
	$(BIN)/python -m pytest tests/export

# The archive that llama.cpp is compiled from also holds its converter.
.venv-export/installed: .venv/dev tests/export/transformers-4.txt tests/export/llama-cpp.txt
	$(PIP) install --upgrade --no-deps --target .venv-export/transformers-4 -r tests/export/transformers-4.txt
	$(PIP) install --upgrade --no-deps --target .venv-export/llama-cpp -r tests/export/llama-cpp.txt
	$(PIP) download --no-deps --no-binary :all: --dest .venv-export -r tests/export/llama-cpp.txt
	mkdir -p .venv-export/llama.cpp
	tar -xzf .venv-export/llama_cpp_python-*.tar.gz -C .venv-export/llama.cpp --strip-components=3 --wildcards '*/vendor/llama.cpp'
	@touch $@

# A cluster of Ray and a server, each as it is elsewhere.
test-scale: .venv/dev
	$(PIP) install -c constraints.txt -r tests/scale/requirements.txt
	$(BIN)/python -m pytest tests/scale

# The trackers of run.report_to, each offline, beside .venv: theirs are 200 MB.
test-trackers: .venv/dev .venv-trackers/installed
	$(BIN)/python -m pytest tests/trackers

.venv-trackers/installed: .venv/dev tests/trackers/requirements.txt
	$(PIP) install --upgrade --no-deps --target .venv-trackers -r tests/trackers/requirements.txt
	@touch $@

# The app in a real browser.
test-app: .venv/dev
	@command -v chromium || command -v chromium-browser || { echo "error: no Chromium: apt-get install chromium" >&2; exit 1; }
	$(PIP) install -c constraints.txt -r tests/app/requirements.txt
	$(BIN)/python -m pytest tests/app

# A .venv whose set-up was interrupted, or whose Python is gone, has no pip that runs: begin again.
.venv/runtime: requirements.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("error: Python 3.11 or newer is needed, see PYTHON=" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -c 'import ensurepip, venv' 2>&- || { echo "error: $(PYTHON) has no venv: install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) install --upgrade pip  # the one that comes with Python 3.11 takes 13 seconds more
	$(PIP) install --no-compile -r requirements.txt
	@touch $@

.venv/dev: .venv/runtime requirements-dev.txt
	$(PIP) install --no-compile -r requirements-dev.txt
	@touch $@

clean-venv:
	rm -rf .venv
