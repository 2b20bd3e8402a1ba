# make run    environment if needed, then the app on http://localhost:8501
# make test   lint, types, contracts, documentation, tests (RAVDESS_ROOT adds those on the real corpus)
# make docs   the documentation, into site/
# make test-quick  the tests that need no browser, corpus, training or server: under a minute
# make mutants  changes to splits, metrics and sign-in that no quick test notices; for an hour, needs a network
# make dist   source distribution and wheel, into dist/
# make sbom   what an installation is made of, into sbom.json
# make audit  known vulnerabilities of what is locked; needs a network
# make test-long   kills, full disks, promotions under load, live streams, files that are almost sounds, for minutes
# make bench  speed and memory beside the reference pipeline, for minutes; wants a quiet machine

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-quick test-long bench check docs results train screenshots lock dist mutants sbom audit clean

run: .venv/ready
	$(BIN)/streamlit run soundwebapp.py

# Browsers hear and speak in real time: they have the machine to themselves.
test: check docs
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not browser"
	$(BIN)/python -m pytest -m "browser and not slow"

test-quick: .venv/ready-dev
	$(BIN)/python -m pytest -q -m quick -n auto --dist loadfile

test-long: .venv/ready-dev
	$(BIN)/python -m pytest -m slow

bench: .venv/ready-dev
	$(BIN)/python -m benchmarks.table

check: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/numpydoc lint $(shell git ls-files 'core/*.py')
	$(BIN)/hadolint deploy/Dockerfile

# The notebook's kernel starts in docs/ and draws no progress bars; the theme's banner is about another MkDocs. Not
# quiet: what is not logged is no warning, and broken links would pass.
docs: export PYTHONPATH = $(CURDIR)
docs: export PYTHONWARNINGS = ignore:IProgress not found
docs: export NO_MKDOCS_2_WARNING = 1
docs: .venv/ready-dev
	$(BIN)/mkdocs build --strict

# The tables of README and documentation, from the stored models.
results: .venv/ready
	$(BIN)/python -m docs.results

# The shipped models and their reports, the one in use last; hours on two cores, goes on where it was stopped. The last one
# also reads EMOVO, the Korean EmotionTTS and TurEV-DB (EMOVO_ROOT, EMOTIONTTS_ROOT, TUREV_ROOT).
train: .venv/ready
	$(BIN)/python -m core train --recipe reference
	$(BIN)/python -m core train --recipe voice --seed 0 --seed 1 --seed 2 --studies
	$(BIN)/python -m core train --recipe encoded --seed 0 --seed 1 --seed 2 --corpus ravdess --corpus emovo \
		--corpus emotiontts --try turev --studies --promote

# The pictures of README and documentation, in Chromium; with RAVDESS_ROOT set or the corpus downloaded.
PICTURES_HASH = $$($(BIN)/python -c 'from core.operations.access.passwords import hash_password; \
	from docs.screenshots import PASSWORD; print(hash_password(PASSWORD))')
screenshots: .venv/ready-dev
	export SOUNDWEB_ADMIN_HASH="$(PICTURES_HASH)"; \
	$(BIN)/streamlit run soundwebapp.py --server.port 8599 --server.headless true & \
		app=$$!; sleep 8; $(BIN)/python -m docs.screenshots http://localhost:8599; kill $$app

# Every package by version and by the hashes of its files: pip takes no other ones.
LOCK = $(BIN)/uv pip compile -q --universal --generate-hashes --no-strip-extras --no-emit-index-url --no-annotate \
	--custom-compile-command "make lock"
UPGRADE ?= --upgrade
lock: .venv/ready-dev
	$(LOCK) $(UPGRADE) pyproject.toml -o requirements.txt
	$(LOCK) $(UPGRADE) pyproject.toml --extra postgres --excludes deploy/training-only.txt -c requirements.txt \
		-o requirements-serve.txt
	$(LOCK) $(UPGRADE) --group dev -c requirements.txt -o requirements-dev.txt

# What changes and which tests must notice stand in pyproject.toml; goes on where it was stopped. Beside the environment,
# not in it: what the tool needs is of no use elsewhere.
mutants: export VIRTUAL_ENV = $(CURDIR)/.venv
mutants: .venv/ready-dev
	$(BIN)/uv run --quiet --no-project --with mutmut==3.8.1 mutmut run
	$(BIN)/uv run --quiet --no-project --with mutmut==3.8.1 mutmut results

# The wheel is made from the source distribution, so both are whole; nothing is fetched.
dist: .venv/ready-dev
	$(BIN)/uv build --quiet --offline --no-build-isolation --python $(BIN)/python --out-dir dist

# What an installation is made of, in CycloneDX, into sbom.json; its version is the one that pyproject.toml leaves to core.
sbom: .venv/ready-dev
	sed "s/^dynamic = .*/version = \"$$($(BIN)/hatchling version)\"/" pyproject.toml | $(BIN)/cyclonedx-py \
		requirements requirements.txt --pyproject /dev/stdin --output-reproducible \
		--of JSON -o sbom.json
	@echo "sbom.json lists what requirements.txt installs."

# Known vulnerabilities of what is locked; asks the advisory database of the Python Package Index, so it needs a network,
# and fails where it learns nothing of a package.
audit: .venv/ready-dev
	$(BIN)/pip-audit --strict --require-hashes --disable-pip --progress-spinner off -r requirements.txt

clean:
	rm -rf .venv

# Compiled kernels of an older numba crash with a newer one: they go whenever the requirements change.
.venv/ready: requirements.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	find .venv -name '*.nb[ic]' -delete
	$(BIN)/python -m core warm-up
	touch $@

.venv/ready-dev: .venv/ready requirements-dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@
