# Every target sets up what it needs: .venv, with the locked packages and this package installed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# uv installs in a sixth of the time that pip takes.
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps
# `make` trains from scratch and JupyterLab resumes, so they keep separate checkpoints.
FRESH := build/checkpoints-of-make

# Notebooks run in notebooks/, so a relative data directory must become absolute first.
ifeq ($(strip $(VAE_TF1_DATA_DIR)),)
unexport VAE_TF1_DATA_DIR
else
override export VAE_TF1_DATA_DIR := $(if $(filter /%,$(VAE_TF1_DATA_DIR)),,$(CURDIR)/)$(VAE_TF1_DATA_DIR)
endif

.NOTPARALLEL:
.PHONY: notebook notebooks fresh cluster test soak bench matrix audit lint lab lock clean

notebook: fresh build/vae_mnist.html  ## Run the lesson from the top; writes build/vae_mnist.ipynb and .html

NOTEBOOKS := priors few_labels variations explore_latent_space your_own_images
notebooks: notebook $(NOTEBOOKS:%=build/%.html)  ## Run all notebooks

fresh:
	@rm -rf $(FRESH) build/*.html

build/%.html: notebooks/%.ipynb notebooks/page.html.j2 $(READY) build/mathjax/config/local/local.js
	VAE_TF1_CHECKPOINT_DIR=$(abspath $(FRESH)) TQDM_DISABLE=1 \
		$(BIN)/papermill --log-output --no-progress-bar --kernel python3 --cwd notebooks $< build/$*.ipynb
	@$(BIN)/jupyter nbconvert --log-level ERROR --to html build/$*.ipynb --template-file notebooks/page.html.j2 \
		--HTMLExporter.mathjax_url='mathjax/MathJax.js?config=TeX-AMS-MML_HTMLorMML-full,Safe,local/local'
	@echo "Done: build/$*.ipynb and build/$*.html"

# A local copy of MathJax lets the HTML render its formulas without a network.
build/mathjax/config/local/local.js: $(READY)
	@mkdir -p build/mathjax
	@cp -r "$$($(BIN)/python -c 'import jupyter_server_mathjax as m; print(m.__path__[0])')/static/." build/mathjax
	@mkdir -p $(@D)
	@echo 'MathJax.Hub.Config({"HTML-CSS": {availableFonts: [], webFont: "STIX-Web", imageFont: null}});' \
		'MathJax.Ajax.loadComplete("[MathJax]/config/local/local.js");' > $@

cluster: $(READY)  ## Train on a parameter server, a chief and a worker, all on this machine
	@rm -rf build/checkpoints-of-cluster
	@bash -c 'time $(BIN)/python -m vae_tf1.cluster --workers 2 --batch-size 50 --data-dir data \
		--checkpoint-dir build/checkpoints-of-cluster'

test: $(READY)  ## Run the tests
	$(BIN)/python -m pytest

soak: $(READY)  ## Run the tests that take minutes each; those that compare times run alone
	$(BIN)/python -m pytest -m slow -k "not long_run"
	$(BIN)/python -m pytest -m slow -k long_run -n 0 tests/training/test_soak.py

bench: $(READY)  ## Measure this project and its peers side by side, and write the tables in benchmarks/
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/variations.py
	$(BIN)/python benchmarks/likelihood.py
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/cluster.py

matrix: $(READY)  ## Run the tests that depend on libraries: every Python, the lowest versions, TensorFlow 2.18 to 2.21
	$(BIN)/python tests/matrix.py

audit: $(READY)  ## Look up the locked versions in a database of known vulnerabilities
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

clean:  ## Remove everything that the other targets created
	rm -rf $(VENV) build

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null || { \
		echo "This needs Python 3.10 to 3.13, but $(PYTHON) is $$($(PYTHON) --version 2>&1); name a supported one: make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	@echo "Setting up $(VENV) (once; this downloads the packages and takes 3 GB of disk)"
	@$(PYTHON) -m venv --clear $(VENV)
	@awk '/^[^ ]/ {own = /^uv==/} own' requirements.txt > $(VENV)/uv.txt
	@$(BIN)/pip install --disable-pip-version-check --quiet --no-deps --require-hashes -r $(VENV)/uv.txt
	@$(INSTALL) --compile-bytecode --require-hashes -r requirements.txt
	@$(INSTALL) --no-build-isolation -e .
	@touch $@
