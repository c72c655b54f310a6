# SPDX-License-Identifier: GPL-2.0-or-later
#
# The benchmark on real Xen; included by the top Makefile.  README.md says what it measures.
#
#   make bench [W='WORD...']     all rows, or those that the words choose: W='64 oneway pv'

W ?=
BENCH_RUN = $(or $(PYTHON),python3) tests/bench/bench.py
# The machines to load, by the kind of guests: those that the words name, or all.
BENCH_GUESTS = $(or $(filter pv pvh,$(W)),pv pvh)

.PHONY: bench
bench: xen-module ## measure against libvchan, a relay and TCP on real Xen (W='64 pv': some of it)
	+@$(MAKE) --no-print-directory xen-payload bench-stage
	@$(BENCH_RUN) plan --payload $(XEN_PAYLOAD) $(W)
	@$(foreach guest,$(BENCH_GUESTS),rm -rf $(XEN_DIR)/out/bench+$(guest);)
	@$(XEN_RUN) check $(XEN_OPTIONS) --payload $(XEN_PAYLOAD) $(BENCH_GUESTS:%=bench+%) || true
	@$(BENCH_RUN) report --out $(XEN_DIR)/out --json $(BUILD)/bench.json $(W)

# In the payload it is a scenario like others, named as the target.
.PHONY: bench-stage
bench-stage: xen-payload
	@$(XEN_STAGE_MODULES)
	@rm -rf $(XEN_PAYLOAD)/bench && mkdir -p $(XEN_PAYLOAD)/bench
	@cp -p tests/bench/*.conf $(XEN_PAYLOAD)/bench/
	@cp -p tests/bench/scenario.sh $(XEN_PAYLOAD)/scenarios/bench.sh
