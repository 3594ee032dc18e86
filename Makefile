# Everything a developer needs; `make help` lists it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Test processes wait much more than they compute: more of them than cores.
WORKERS ?= 4

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

.PHONY: setup
setup: $(VENV)/.installed ## Make the virtual environment with everything in it

.PHONY: controlplane
controlplane: setup ## Build the control plane that tests and demo run on (cached)
	@$(BIN)/python -m tests.cluster.build

.PHONY: demo
demo: setup ## Start a throwaway cluster, install Glasskube in it, purge it before your eyes
	@$(BIN)/python -m tests.cluster.demo

.PHONY: lint
lint: setup ## ruff, mypy --strict and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: test
test: lint controlplane ## Everything that has to pass
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: test-crash
test-crash: controlplane ## Every crash point, 20 seeds of faults, every release, 2,000 clusters, and other slow tests
	$(BIN)/python -m pytest -n $(WORKERS) -m crash
	$(BIN)/python -m pytest -n $(WORKERS) --hypothesis-profile thorough tests/purge/judge/test_promises.py

.PHONY: test-kubernetes
test-kubernetes: setup ## Run the core of the cluster's tests on Kubernetes VERSION=1.29, and note what passed
	@$(if $(VERSION),,$(error say which Kubernetes: make test-kubernetes VERSION=1.29))
	KUBERNETES_VERSION=$(VERSION) $(BIN)/python -m tests.cluster.build
	KUBERNETES_VERSION=$(VERSION) $(BIN)/python -m tests.cluster.kubernetes
	$(BIN)/python scripts/compatibility.py

.PHONY: snapshots
snapshots: setup ## Write the screens that tests compare with again; look at the difference
	UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests/report/test_screens.py tests/report/test_page.py

.PHONY: bench
bench: controlplane ## Measure against kubectl delete, and start-up
	@$(BIN)/python -m tests.cluster.bench

.PHONY: docs
docs: setup ## Write what in docs/ is made of code: the references, the man page, the comparison with kubectl
	$(BIN)/python scripts/reference.py
	$(BIN)/python scripts/compatibility.py

.PHONY: screenshots
screenshots: controlplane ## Draw the pictures in docs/ again, from a real purge
	$(BIN)/python -m tests.cluster.screenshots

# -- what is released; each of these is a step of the release workflow, too

.PHONY: archive
archive: ## Build the archive for this platform that needs no Python, in dist/
	$(PYTHON) -m krew.build

.PHONY: archive-twice
archive-twice: ## Build it twice, and compare
	$(PYTHON) -m krew.build --twice

# What builds and checks a release has nothing in it but what is locked by hash.
RELEASE := build/release

$(RELEASE)/.installed: krew/wheel-requirements.txt krew/release-requirements.txt
	$(PYTHON) -m venv --clear $(RELEASE)
	$(RELEASE)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
		$(foreach file,$^,--requirement $(file))
	@touch $@

.PHONY: dist
dist: $(RELEASE)/.installed ## Build wheel and sdist in dist/, with their bill of materials, and check them; HOMEPAGE=URL
	SOURCE_DATE_EPOCH=$${SOURCE_DATE_EPOCH:-$$(git log -1 --format=%ct)} HOMEPAGE=$(HOMEPAGE) \
		$(RELEASE)/bin/python -m build --no-isolation --outdir dist
	$(RELEASE)/bin/twine check --strict dist/*.whl dist/kubectl_glasskube_purge-*.tar.gz
	for wheel in dist/*.whl; do $(RELEASE)/bin/cyclonedx-py requirements krew/requirements.txt --output-reproducible \
		--pyproject pyproject.toml --output-file "$$wheel.cdx.json" || exit; done

.PHONY: krew-manifest
krew-manifest: $(RELEASE)/.installed ## Render krew's manifest for the archives in dist/; HOMEPAGE=URL of the repository
	$(RELEASE)/bin/python -m krew.render $(if $(HOMEPAGE),--homepage $(HOMEPAGE)) $(if $(COMPLETE),--complete)

.PHONY: checksums
checksums: ## Write dist/SHA256SUMS
	cd dist && rm -f SHA256SUMS && sha256sum -- * > ../SHA256SUMS.part && mv ../SHA256SUMS.part SHA256SUMS

.PHONY: lock
lock: ## Resolve again, with uv, what the archive is made of: wheels for every platform
	$(LOCK) pyproject.toml --constraint krew/constraints.txt --output-file krew/requirements.txt
	for name in build wheel release; do \
		$(LOCK) krew/$$name-requirements.in --constraint krew/requirements.txt \
			--output-file krew/$$name-requirements.txt || exit; done
	for platform in x86_64-manylinux_2_34 aarch64-manylinux_2_34 x86_64-apple-darwin aarch64-apple-darwin \
		x86_64-pc-windows-msvc aarch64-pc-windows-msvc; do \
		$(UV) pip install --quiet --dry-run --only-binary :all: --python-version 3.12 --python-platform $$platform \
			--target build/none -r krew/requirements.txt -r krew/build-requirements.txt || exit; done

UV ?= uv
LOCK = $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-find-links --no-emit-index-url

.PHONY: test-lowest
test-lowest: ## Run what needs no cluster with the oldest dependencies that pyproject.toml allows
	$(PYTHON) -m venv --clear build/lowest
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check packaging
	build/lowest/bin/python scripts/lowest.py > build/lowest/constraints.txt
	build/lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint build/lowest/constraints.txt --editable '.[test]'
	$(call not-cluster,build/lowest)

.PHONY: test-python
test-python: ## Run what needs no cluster, and one purge, on Python VERSION=3.10 with newest and oldest dependencies
	@$(if $(VERSION),,$(error say which Python: make test-python VERSION=3.10))
	python=$$(scripts/interpreter $(VERSION)) && \
	$(MAKE) setup controlplane VENV=build/python-$(VERSION) PYTHON="$$python" && \
	$(MAKE) test-lowest PYTHON="$$python"
	$(call not-cluster,build/python-$(VERSION))
	for folder in python-$(VERSION) lowest; do build/$$folder/bin/python -m pytest $(ONE_PURGE) || exit; done

ONE_PURGE = tests/cluster/test_purge.py::test_nothing_of_glasskube_is_left_and_nothing_else_is_touched
not-cluster = $(1)/bin/python -m pytest -n $(WORKERS) -m 'not cluster' --ignore tests/krew

.PHONY: workflows
workflows: ## Check the workflows with actionlint, where Go is installed
	GOBIN=$(abspath build/tools) go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	build/tools/actionlint

.PHONY: release-notes
release-notes: ## Print what the changelog says of TAG=v1.2.3, if that is this version
	@$(PYTHON) scripts/release_notes.py $(TAG)

.PHONY: clean
clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
