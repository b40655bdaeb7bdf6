# Every target sets up what it needs by itself (tools/setup: 0.1 s when nothing is missing).
SHELL := /bin/bash
VENV ?= .venv
export HOLDFAST_VENV := $(VENV)
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
# Ansible refuses a locale that is not there, and a fresh server often lacks the one that an SSH login brings along.
export LC_ALL := C.UTF-8
PY := $(VENV)/bin/python
INVENTORY ?=

.DEFAULT_GOAL := help
.PHONY: help setup setup-tools lint unit test test-vm test-full demo demo-down verify audit bench docs lockout-table pins format

help: ## Show what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: ## Set up Python, the pinned tools and a container engine
	@tools/setup

setup-tools: ## Set up Python and the pinned tools, without a container engine
	@tools/setup --no-engine

lint: setup-tools ## ruff, mypy, yamllint, ansible-lint
	@$(PY) -m lab check lint

format: setup-tools ## Format the Python code
	@ruff format . && ruff check --fix .

unit: setup-tools ## Unit and render tests (no host needed)
	@$(PY) -m lab check unit

test: setup ## All tests: lint, unit, render, molecule, real hosts
	@$(PY) -m lab check all

test-vm: setup ## Tests that need a kernel of their own: reboot, power loss, clock (root on x86-64, QEMU)
	@$(PY) -m lab check vm

test-full: setup ## All tests and the long forms of them
	@$(PY) -m lab check full; code=$$?; $(PY) -m tools.lockout_table; exit $$code

lockout-table: setup-tools ## Write docs/how-to/lockout.md's table from the attacks that were last run
	@$(PY) -m tools.lockout_table

demo: setup ## Watch a bare Debian 13 host become a hardened one
	@$(PY) -m lab demo

demo-down: setup-tools ## Remove all that the demo made
	@$(PY) -m lab demo-down

verify: setup-tools ## Verify hosts, read-only: make verify INVENTORY=inventories/mine
	@test -n "$(INVENTORY)" || { echo "say which inventory: make verify INVENTORY=inventories/mine"; exit 2; }
	@ansible-playbook -i $(INVENTORY) playbooks/verify.yml $(ARGS)

audit: setup-tools ## Which promises are kept, and what a run would change: make audit INVENTORY=inventories/mine
	@test -n "$(INVENTORY)" || { echo "say which inventory: make audit INVENTORY=inventories/mine"; exit 2; }
	@ansible-playbook --check -i $(INVENTORY) playbooks/audit.yml $(ARGS)

bench: setup ## Measure what a run costs; writes docs/bench.md
	@$(PY) -m lab bench

docs: setup-tools ## Generate the reference pages
	@$(PY) tools/generate_docs.py

pins: setup-tools ## Compile requirements/*.in to pins with hashes
	@uv=$$(ls -d $${HOLDFAST_CACHE:-$$HOME/.cache/holdfast}/uv-*/bin/uv | tail -n 1); \
	for name in run dev uv; do $$uv pip compile -q --upgrade --generate-hashes --universal --no-header \
	  --python-version 3.11 requirements/$$name.in -o requirements/$$name.txt || exit 1; done
