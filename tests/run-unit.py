#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Run unit test programs, a few at a time, and add up what Check reports.

Usage: run-unit.py [--jobs N] [--timeout SECONDS] [--filter TEXT] VARIANT=PROGRAM...

Each program prints one line when it ends, and those lines of its output that
begin with `figure: `; all of it is shown if it failed, and is kept beside the
program as PROGRAM.log.  A program that ends without Check's summary, or not in
time, counts as one failed test.  The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

SUMMARY = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
FIGURE = re.compile(r"^figure: (.*)$", re.M)  # what a program measured, shown in any case
HEARTBEAT = 10  # seconds without a line before the running programs are named

ENVIRONMENT = {
    "CK_VERBOSITY": "normal",
    "CK_DEFAULT_TIMEOUT": "60",
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class Result:
    def __init__(self, passed, failed, why, seconds, output):
        self.passed, self.failed, self.why = passed, failed, why
        self.seconds, self.output = seconds, output


def run(program, timeout):
    start = time.monotonic()
    # A session of its own: Check forks, and nothing may outlive the program, files included.
    with (tempfile.TemporaryDirectory(prefix="xenmsg-check-") as scratch,
          open(program + ".log", "wb+") as log):
        env = {**ENVIRONMENT, **os.environ, "TMPDIR": scratch}
        try:
            child = subprocess.Popen([program], stdin=subprocess.DEVNULL, stdout=log,
                                     stderr=subprocess.STDOUT, env=env,
                                     start_new_session=True)
        except OSError as error:
            return Result(0, 1, f"does not start: {error}", 0, "")
        try:
            status, late = child.wait(timeout), False
        except subprocess.TimeoutExpired:
            late = True
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if late:
            status = child.wait()
        log.seek(0)
        output = log.read().decode(errors="replace")
    seconds = time.monotonic() - start

    passed = failed = 0
    summaries = SUMMARY.findall(output)
    for checks, failures, errors in summaries:
        bad = int(failures) + int(errors)
        passed += int(checks) - bad
        failed += bad
    why = None
    if late:
        why = f"not finished after {timeout} s"
    elif status < 0:
        why = f"killed by {signal.Signals(-status).name}"
    elif not summaries:
        why = f"no summary, exit status {status}"
    elif status != 0 and failed == 0:
        why = f"exit status {status}"
    elif passed + failed == 0:
        why = "no tests in it"
    if why:
        failed += 1
    return Result(passed, failed, why, seconds, output)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--timeout", type=int, default=300)
    parser.add_argument("--filter", default="")
    parser.add_argument("programs", nargs="*", metavar="VARIANT=PROGRAM")
    args = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)

    programs = [p.split("=", 1) for p in args.programs
                if args.filter in os.path.basename(p)]
    totals = {}
    running = {}
    lock = threading.Lock()
    spoke = time.monotonic()

    def job(variant, program):
        with lock:
            running[(variant, program)] = time.monotonic()
        try:
            return variant, program, run(program, args.timeout)
        finally:
            with lock:
                del running[(variant, program)]

    print(f"check: running {len(programs)} test programs")
    with concurrent.futures.ThreadPoolExecutor(max(1, args.jobs)) as pool:
        waiting = {pool.submit(job, v, p) for v, p in programs}
        while waiting:
            done, waiting = concurrent.futures.wait(
                waiting, timeout=1, return_when=concurrent.futures.FIRST_COMPLETED)
            now = time.monotonic()
            if not done and now - spoke >= HEARTBEAT:
                with lock:
                    names = ", ".join(f"{v} {os.path.basename(p)} ({now - t:.0f} s)"
                                      for (v, p), t in running.items())
                print(f"check: still running: {names}")
                spoke = now
            for future in done:
                variant, program, result = future.result()
                spoke = now
                total = totals.setdefault(variant, [0, 0])
                total[0] += result.passed
                total[1] += result.failed
                verdict = "FAIL" if result.failed else "ok"
                count = f"{result.passed} passed" + (
                    f", {result.failed} failed" if result.failed else "")
                print(f"{verdict:4} {variant:8} {os.path.basename(program):32} "
                      f"{count} ({result.seconds:.1f} s)"
                      + (f": {result.why}" if result.why else ""))
                for figure in FIGURE.findall(result.output):
                    print(f"     | {figure}")
                if result.failed:
                    print("".join(f"     | {line}\n"
                                  for line in result.output.splitlines()[-100:]), end="")

    for variant, (passed, failed) in sorted(totals.items()):
        print(f"check: {variant}: {passed} passed, {failed} failed")
    passed = sum(t[0] for t in totals.values())
    failed = sum(t[1] for t in totals.values())
    if not programs:
        print(f"check: no test program's name contains '{args.filter}'"
              if args.filter else "check: there are no unit tests")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
