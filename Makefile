# SPDX-License-Identifier: GPL-3.0-or-later
# Run `make` alone for the list of targets.

CACHE := $(or $(CIPU_CACHE),$(CURDIR)/.cache)
VENV  := $(CACHE)/venv
BIN   := $(VENV)/bin
LAB   := $(CURDIR)/molecule/lab/lab

# molecule runs ansible-config, so the programs of the venv must be on PATH.
export PATH := $(BIN):$(PATH)
export CIPU_CACHE := $(CACHE)
export ANSIBLE_COLLECTIONS_PATH := $(CACHE)/collections
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CACHE)/ansible
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help

.PHONY: help setup debian-packages packages test demo clean images kernel soak short-soak lint cores artifact awx bench eda unit native driver vm

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: debian-packages $(VENV)/.ready $(CACHE)/collections/.ready ## install the requirements of all targets (Debian packages as root, Python tools in the cache)

debian-packages:
	@tests/packages

$(VENV)/.ready: requirements/dev.txt
	@echo "setup: Python tools into $(VENV)"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: python3 is older than 3.11. Put a newer one first on PATH." >&2; exit 1; }
	@python3 -m venv $(VENV)
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Ansible finds this checkout as the installed collection.
$(CACHE)/collections/.ready:
	@mkdir -p $(@D)/ansible_collections/cipu
	@ln -sfn $(CURDIR) $(@D)/ansible_collections/cipu/clock
	@touch $@

lint: setup ## run every static check: style, types, words, licences, ansible-lint, sanity, galaxy-importer (nox --list names them)
	@$(BIN)/nox

cores: setup ## run sanity and unit tests of the plugins on each ansible-core from 2.16 to the newest
	@$(BIN)/nox -s cores

unit: setup ## test plugins, playbooks, emulator, lab, alert rules and the report in a browser, without a VM
	@$(BIN)/pytest --quiet --numprocesses 2 --dist worksteal molecule/lab/tests tests/unit tests/prometheus tests/browser
	@$(BIN)/python tests/unit/targets
	@$(BIN)/pytest --quiet --numprocesses 2 tests/docs

native: setup ## build clockprobe and test it, with sanitizers and property tests
	@$(MAKE) -C native check

driver: setup ## build and check the kernel module against every kernel
	@$(MAKE) -C driver matrix

artifact: $(VENV)/.ready ## build the archive of the collection that users install (CIPU_REPOSITORY=address of the repository)
	@tests/artifact

eda: setup $(CACHE)/venv-eda/.ready ## test that ansible-rulebook audits the host of an alert (needs a Java runtime)
	@PATH=$(CACHE)/venv-eda/bin:$(PATH) $(BIN)/pytest --quiet -p no:cacheprovider tests/eda

$(CACHE)/venv-eda/.ready: requirements/eda.txt
	@python3 -m venv $(@D)
	@$(@D)/bin/pip install --quiet --quiet --disable-pip-version-check --requirement $<
	@touch $@

awx: setup $(CACHE)/awx/.ready ## test the examples for AWX with the modules of awx.awx (downloads the package ansible, 54 MB)
	@$(BIN)/pytest --quiet -p no:cacheprovider tests/unit/test_awx.py

$(CACHE)/awx/.ready: requirements/awx.txt
	@mkdir -p $(@D)
	@$(BIN)/pip download --quiet --quiet --disable-pip-version-check --no-deps --dest $(@D) --requirement $<
	@cd $(@D) && $(BIN)/python -m zipfile --extract ansible-*.whl unpacked && rm ansible-*.whl
	@mkdir -p $(@D)/ansible_collections && rm -rf $(@D)/ansible_collections/awx && mv $(@D)/unpacked/ansible_collections/awx $(@D)/ansible_collections/
	@rm -rf $(@D)/unpacked
	@touch $@

bench: setup $(CACHE)/bench/.ready ## measure what audits and rollouts cost the controller (HOSTS="10 100" PARTS="sizes forks mitogen" RUNS="ping audit" COMPARE=version KEEP=1|add)
	@$(BIN)/python bench/scale $(if $(HOSTS),--hosts $(HOSTS)) $(if $(PARTS),--parts $(PARTS)) $(if $(RUNS),--runs $(RUNS)) \
	  $(if $(COMPARE),--compare $(COMPARE)) $(if $(KEEP),$(if $(filter add,$(KEEP)),--add,--keep))

$(CACHE)/bench/.ready: requirements/bench.txt
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --no-deps --upgrade --target $(@D) --requirement $<
	@touch $@

packages: setup ## build and check clockprobe and the driver as .deb and .rpm packages
	@$(MAKE) -C packaging test packages

images: setup ## build QEMU and the guest images of the lab in the cache
	@$(LAB) images

vm: setup images ## run molecule scenarios in VMs: default and refusals, or those of SCENARIOS="dkms once" (KEEP=1 keeps the VMs, STEPS="upgrade removal" runs a part)
	@tests/vm $(SCENARIOS)

kernel: setup ## test the driver under every fault, on a debug kernel that is built once (7 min)
	@$(MAKE) -C molecule/kernel test newest

soak: setup ## run readers, faults, resets and unplugging at once on the debug kernel, for at least MINUTES=n and ROUNDS=n
	@$(MAKE) -C molecule/kernel soak

short-soak: setup ## run one round of soak
	@$(MAKE) -C molecule/kernel soak MINUTES=0 ROUNDS=1

test: ## run lint, unit, native, driver, vm and, if the debug kernel is built, short-soak
	@tests/run

demo: setup images ## roll out to three VMs, audit them, and show a fault in one of them (KEEP=1 keeps the VMs running)
	@PYTHONPATH=$(CACHE)/collections $(BIN)/python molecule/lab/demo $(if $(KEEP),--keep)

clean: ## remove the cache and all build results
	@if [ -x $(BIN)/python ]; then $(LAB) down --all; fi
	@$(MAKE) -C native clean
	@rm -rf $(CACHE) tests/output
