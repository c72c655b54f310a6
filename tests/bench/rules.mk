# SPDX-License-Identifier: GPL-2.0-or-later
#
# The benchmark on real Xen; included by the top Makefile.  README.md says what it measures.
#
#   make bench [W='WORD...']     all rows, or those that the words choose: W='64 oneway pv'
#   make bench COUNTS=           without hypercalls, events and system calls; COUNTS=y: with them
#   make bench PARALLEL=1        in real time on parallel processors: ratios only
#   make bench-check             the first, compared with the committed baseline
#   make profile-xen W='...'     whose the instructions of one work are
#   make bench-keep              the last results become that baseline, and the README's pictures

W ?=
# Looks of the broker before it sleeps, where processors run at once: a guest of this machine needs
# a millisecond to wake up and answer, in which the broker looks some thousand times.
BENCH_BUSY_POLL ?= 16384
# Times vary, and for as long as a run's processes do not move: each path has several runs.
BENCH_ROUNDS := $(if $(PARALLEL),5,1)
# Part of a whole run, and only if asked for of some rows.
COUNTS ?= $(if $(W)$(PARALLEL),,y)
BENCH_JSON := $(BUILD)/bench.json
BENCH_BASELINE := tests/bench/baseline.json
BENCH_RUN = $(or $(PYTHON),python3) tests/bench/bench.py

.PHONY: bench
bench: xen-module ## measure against libvchan, a relay and TCP on real Xen (W='64 pv': some of it)
	+@$(MAKE) --no-print-directory xen-payload bench-stage
	@rm -rf $(XEN_DIR)/out/bench+*
	@scenarios=$$($(BENCH_RUN) plan --payload $(XEN_PAYLOAD) $(if $(COUNTS),--counts) \
		--rounds $(BENCH_ROUNDS) $(W)) || \
		{ echo "$$scenarios"; exit 2; }; \
	$(XEN_RUN) check $(XEN_OPTIONS) --payload $(XEN_PAYLOAD) $$scenarios || failed=--failed; \
	$(BENCH_RUN) report $$failed --payload $(XEN_PAYLOAD) --out $(XEN_DIR)/out --json $(BENCH_JSON) \
		$(if $(PARALLEL),--parallel)

.PHONY: bench-check
bench-check: bench ## measure, and say what got more than 3 % worse than the committed baseline
	@$(BENCH_RUN) check --json $(BENCH_JSON) --baseline $(BENCH_BASELINE) $(W)

.PHONY: bench-keep
bench-keep: ## the last results of `make bench` become the baseline, to be committed
	@cp $(BENCH_JSON) $(BENCH_BASELINE)
	@cp $(BENCH_JSON:.json=-pv.svg) tests/bench/pv.svg
	@cp $(BENCH_JSON:.json=-pvh.svg) tests/bench/pvh.svg
	@echo 'bench-keep: $(BENCH_BASELINE), tests/bench/pv.svg and pvh.svg are those of $(BENCH_JSON)'

# The marks are of the last work that is measured, so W is to choose one.
PROFILE_PLUGIN := $(XEN_DIR)/tools/tcg-plugin.so
PROFILE_COUNTS := $(XEN_DIR)/profile/counts
$(PROFILE_PLUGIN): tests/profile/tcg-plugin.c
	@mkdir -p $(@D)
	@$(or $(CC),gcc) -std=gnu11 -O2 -Wall -Wextra -shared -fPIC -o $@ $<

.PHONY: profile-xen
profile-xen: $(PROFILE_PLUGIN) ## whose a bench work's instructions are, in the whole machine (W='one work' TOP=)
	@rm -rf $(dir $(PROFILE_COUNTS)) && mkdir -p $(dir $(PROFILE_COUNTS))
	+@XEN_PLUGIN=$(abspath $(PROFILE_PLUGIN)),out=$(abspath $(PROFILE_COUNTS)) \
		$(MAKE) --no-print-directory bench BENCH_SYMBOLS=y COUNTS=
	@$(PYTHON) tests/profile/machine.py --top $(TOP) --counts $(PROFILE_COUNTS).* \
		--results $(XEN_DIR)/out/bench+*/results --symbols $(XEN_DIR)/out/bench+*/kallsyms \
		$(BUILD)/release/payload/bench $(BUILD)/release/payload/relay $(BUILD)/release/bin/xenmsgd

# In the payload it is a scenario like others, named as the target.
.PHONY: bench-stage
bench-stage: xen-payload
	@$(XEN_STAGE_MODULES)
	@rm -rf $(XEN_PAYLOAD)/bench && mkdir -p $(XEN_PAYLOAD)/bench
	@cp -p tests/bench/*.conf $(filter-out %/scenario.sh,$(wildcard tests/bench/*.sh)) \
		$(XEN_PAYLOAD)/bench/
	@$(if $(BENCH_SYMBOLS),touch $(XEN_PAYLOAD)/bench/symbols)
	@$(if $(PARALLEL),sed -i '/^\[daemon\]/a busy-poll = $(BENCH_BUSY_POLL)' $(XEN_PAYLOAD)/bench/bench.conf)
	@$(if $(PARALLEL),echo 500 >$(XEN_PAYLOAD)/bench/repeat-ms)
	@cp -p tests/bench/scenario.sh $(XEN_PAYLOAD)/scenarios/bench.sh
