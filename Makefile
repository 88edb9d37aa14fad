# SPDX-License-Identifier: GPL-3.0-or-later
# The one front door. `make` alone says what there is.

CACHE := $(or $(CIPU_CACHE),$(CURDIR)/.cache)
VENV  := $(CACHE)/venv
BIN   := $(VENV)/bin
LAB   := $(CURDIR)/molecule/lab/lab

# molecule asks ansible-config, so the venv's programs must be on PATH.
export PATH := $(BIN):$(PATH)
export CIPU_CACHE := $(CACHE)
export ANSIBLE_COLLECTIONS_PATH := $(CACHE)/collections
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CACHE)/ansible
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help

.PHONY: help setup debian-packages packages test demo clean images kernel soak short-soak lint cores artifact eda unit native driver vm

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: debian-packages $(VENV)/.ready $(CACHE)/collections/.ready ## install what the rest needs (Debian packages as root, Python tools in the cache)

debian-packages:
	@tests/packages

$(VENV)/.ready: requirements/dev.txt
	@echo "setup: Python tools into $(VENV)"
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "setup: python3 is older than 3.11; put a newer one first on PATH" >&2; exit 1; }
	@python3 -m venv $(VENV)
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --requirement $<
	@touch $@

# Ansible finds this checkout as the installed collection.
$(CACHE)/collections/.ready:
	@mkdir -p $(@D)/ansible_collections/cipu
	@ln -sfn $(CURDIR) $(@D)/ansible_collections/cipu/clock
	@touch $@

lint: setup ## every static check: style, types, words, licences, ansible-lint, sanity, galaxy-importer (nox --list names them)
	@$(BIN)/nox

cores: setup ## sanity and unit tests of the plugins on each ansible-core from 2.16 to the newest
	@$(BIN)/nox -s cores

unit: setup ## plugins, playbooks, emulator, lab, alert rules and the report in a browser, without a VM
	@$(BIN)/pytest --quiet --numprocesses 2 molecule/lab/tests tests/unit tests/prometheus tests/browser
	@$(BIN)/python tests/unit/targets
	@$(BIN)/pytest --quiet --numprocesses 2 tests/docs

native: setup ## clockprobe: build, sanitizers, properties
	@$(MAKE) -C native check

driver: setup ## the kernel module: every kernel by every check
	@$(MAKE) -C driver matrix

artifact: setup ## the collection's archive, as a user installs it (CIPU_REPOSITORY=the publisher's address)
	@tests/artifact

eda: setup $(CACHE)/venv-eda/.ready ## an alert makes ansible-rulebook audit its host (needs a Java runtime)
	@PATH=$(CACHE)/venv-eda/bin:$(PATH) pytest --quiet -p no:cacheprovider tests/eda

$(CACHE)/venv-eda/.ready: requirements/eda.txt
	@python3 -m venv $(@D)
	@$(@D)/bin/pip install --quiet --quiet --disable-pip-version-check --requirement $<
	@touch $@

packages: setup ## build and check clockprobe and the driver as .deb and .rpm packages
	@$(MAKE) -C packaging test packages

images: setup ## QEMU and the guests of the lab, cached
	@$(LAB) images

vm: setup images ## molecule in real VMs; SCENARIOS="dkms" names others than default and refusals
	@tests/vm $(SCENARIOS)

kernel: setup ## the driver under every fault, on a debug kernel that is built once (7 min)
	@$(MAKE) -C molecule/kernel test newest

soak: setup ## MINUTES=n and ROUNDS=n at least of readers, faults, resets and unplugging at once, on the debug kernel
	@$(MAKE) -C molecule/kernel soak

short-soak: setup ## one round of it
	@$(MAKE) -C molecule/kernel soak MINUTES=0 ROUNDS=1

test: ## lint, unit, native, driver, vm and, where the debug kernel is built, short-soak
	@tests/run

demo: setup images ## a fleet of three VMs, rolled out, audited, one made ill (KEEP=1 leaves it up)
	@$(BIN)/python molecule/lab/demo $(if $(KEEP),--keep)

clean: ## remove the cache and all that was built
	@if [ -x $(BIN)/python ]; then $(LAB) down --all; fi
	@$(MAKE) -C native clean
	@rm -rf $(CACHE) tests/output
