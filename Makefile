# Every target does its own set-up: a virtual environment in .venv with the locked packages, and this package in it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv, because pip takes six times as long.
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps
# A run by make starts anew, one in JupyterLab resumes: each has checkpoints of its own.
FRESH := build/checkpoints-of-make

# Notebooks run in notebooks/, so a relative data directory is made absolute first.
ifeq ($(strip $(VAE_TF1_DATA_DIR)),)
unexport VAE_TF1_DATA_DIR
else
override export VAE_TF1_DATA_DIR := $(if $(filter /%,$(VAE_TF1_DATA_DIR)),,$(CURDIR)/)$(VAE_TF1_DATA_DIR)
endif

.NOTPARALLEL:
.PHONY: notebook notebooks fresh cluster test soak bench matrix audit lint lab lock clean

notebook: fresh build/vae_mnist.html  ## Run the main notebook from the top; leaves build/vae_mnist.ipynb and .html

notebooks: notebook build/variations.html build/explore_latent_space.html build/your_own_images.html  ## Run all notebooks

fresh:
	@rm -rf $(FRESH) build/*.html

build/%.html: notebooks/%.ipynb $(READY) build/mathjax/config/local/local.js
	VAE_TF1_CHECKPOINT_DIR=$(abspath $(FRESH)) TQDM_DISABLE=1 \
		$(BIN)/papermill --log-output --no-progress-bar --kernel python3 --cwd notebooks $< build/$*.ipynb
	@$(BIN)/jupyter nbconvert --log-level ERROR --to html build/$*.ipynb \
		--HTMLExporter.mathjax_url='mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full,Safe,local/local'
	@echo "Done: build/$*.ipynb and build/$*.html"

# With MathJax beside it, the HTML shows its formulas without a network.
build/mathjax/config/local/local.js: $(READY)
	@mkdir -p build/mathjax
	@cp -r "$$($(BIN)/python -c 'import jupyter_server_mathjax as m; print(m.__path__[0])')/static/." build/mathjax
	@mkdir -p $(@D)
	@echo 'MathJax.Hub.Config({"HTML-CSS": {availableFonts: [], webFont: "STIX-Web", imageFont: null}});' \
		'MathJax.Ajax.loadComplete("[MathJax]/config/local/local.js");' > $@

cluster: $(READY)  ## Train on a parameter server, a chief and a worker, all on this machine; four minutes
	@rm -rf build/checkpoints-of-cluster
	@bash -c 'time $(BIN)/python -m vae_tf1.cluster --workers 2 --batch-size 50 --data-dir data \
		--checkpoint-dir build/checkpoints-of-cluster'

test: $(READY)  ## Run the tests
	$(BIN)/python -m pytest

soak: $(READY)  ## Run the tests that take minutes each; those that compare times have the machine to themselves
	$(BIN)/python -m pytest -m slow -k "not long_run"
	$(BIN)/python -m pytest -m slow -k long_run -n 0 tests/training/test_soak.py

bench: $(READY)  ## Measure this project and its peers side by side; about forty minutes
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/variations.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/cluster.py

matrix: $(READY)  ## Run the tests that depend on the libraries with each Python, and with TensorFlow 2.18 to 2.21
	$(BIN)/python tests/matrix.py

audit: $(READY)  ## Look the locked versions up in a database of known vulnerabilities
	$(BIN)/uv tool run pip-audit@2.10.1 --disable-pip --require-hashes -r requirements.txt

lint: $(READY)  ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lab: $(READY)  ## Open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

lock: $(READY)  ## Lock the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --all-extras --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" -o requirements.txt

clean:  ## Remove what the other targets made
	rm -rf $(VENV) build

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "This needs Python 3.10 to 3.13, but $(PYTHON) is $$($(PYTHON) --version 2>&1); name another: make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	@echo "Setting up $(VENV) (the first time only; most of it is the download, and it takes 3 GB)"
	@$(PYTHON) -m venv --clear $(VENV)
	@awk '/^[^ ]/ {own = /^uv==/} own' requirements.txt > $(VENV)/uv.txt
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --require-hashes -r $(VENV)/uv.txt
	@$(INSTALL) --compile-bytecode --require-hashes -r requirements.txt
	@$(INSTALL) --no-build-isolation -e .
	@touch $@
