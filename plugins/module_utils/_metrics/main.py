# SPDX-License-Identifier: GPL-3.0-or-later
"""The collector that the role monitor runs on a host, once per minute, without privileges.

`probe` converts what `clockprobe --openmetrics` prints; `health` reads the facts that clock_facts
reads and judges them as clock_health does, by the same code. Each writes one file for the textfile
collector of node_exporter, in one step, so that a scrape never sees half of it.
With --report, `probe` also writes what `clockprobe --json` prints, and `health` reads that instead
of the clocks, so that the service that uses the network needs no access to them.
Exit status: 0, or 1 with a sentence on standard error; the former file is kept then, and its
timestamp shows its age.
"""

import argparse
import json
import os
import sys
import time

from ansible_collections.cipu.clock.plugins.module_utils._health.checks import CHECKS
from ansible_collections.cipu.clock.plugins.module_utils._health.thresholds import complete
from ansible_collections.cipu.clock.plugins.module_utils._health.verdict import judge
from ansible_collections.cipu.clock.plugins.module_utils._host import clockprobe, commands
from ansible_collections.cipu.clock.plugins.module_utils._host.facts import Collector
from ansible_collections.cipu.clock.plugins.module_utils._host.files import Unwritable, replace
from ansible_collections.cipu.clock.plugins.module_utils._host.tree import Tree
from ansible_collections.cipu.clock.plugins.module_utils._metrics import exposition

# Facts of earlier runs, about 4 KB each.
KEPT_LIMIT = 100
# The probe ends just before health begins. Older facts would be taken for current ones.
REPORT_AGE_LIMIT_S = 120


class Unusable(Exception):
    """There are no metrics to write; the text says why and what to do."""


class ReportedCollector(Collector):
    """Takes the measurement from the report of another service, if there is one."""

    def __init__(self, report_path, *arguments):
        super().__init__(*arguments)
        self.report_path = report_path

    def measure(self, path):
        if self.report_path:
            return reported(self.report_path, time.time())
        return super().measure(path)


def reported(path, now_s):
    """The outcome of clockprobe that a report contains, or one whose problem says why not."""
    report = read_json(path, dict)
    advice = "systemctl status cipu-clock-probe shows why"
    made_s, problem = report.get("taken_at_s"), report.get("problem")
    if not exposition.number(made_s):
        problem = "{0} is missing or malformed: {1}".format(path, advice)
    elif abs(now_s - made_s) > REPORT_AGE_LIMIT_S:
        problem = "{0} is {1:.0f} s old: {2}".format(path, now_s - made_s, advice)
    out, err = (str(report.get(key) or "") for key in ("out", "err"))
    return commands.Outcome(report.get("rc"), out, err, problem)


def read_json(path, kind):
    """A value of this type from a JSON file, or an empty one if it cannot be read."""
    try:
        with open(path) as stream:
            content = json.load(stream)
    except (OSError, ValueError):
        return kind()
    return content if isinstance(content, kind) else kind()


def taken_at_s(facts):
    return exposition.number(facts.get("taken_at_s")) and facts["taken_at_s"]


def comparable(kept, facts, standing_s):
    """The kept facts from the one to compare with on: the newest that is older than standing_s.

    A condition counts as standing if the previous facts have it too and are older than that limit,
    so those of the last run would not do: they are one interval old. Until there are older ones,
    the oldest are used.
    """
    now_s = taken_at_s(facts)
    earlier = [one for one in kept if isinstance(one, dict) and taken_at_s(one)]
    earlier = [one for one in earlier if taken_at_s(one) < now_s][-KEPT_LIMIT:]
    old = [place for place, one in enumerate(earlier) if now_s - taken_at_s(one) > standing_s]
    return earlier[old[-1] if old else 0 :]


def probe(options):
    path = clockprobe.located(Tree(), options.probe_path)
    if not os.access(path, os.X_OK):
        raise Unusable("{0} is missing: run the role probe".format(path))
    # Two measurements in the time of one.
    timeout_s = options.timeout_s / 2.0
    if options.report:
        outcome = commands.run([path, "--json"], timeout_s)
        replace(options.report, json.dumps(dict(vars(outcome), taken_at_s=time.time())))
    outcome = commands.run([path, "--openmetrics"], timeout_s)
    if not outcome.out.strip():
        raise Unusable("{0} printed nothing: {1}".format(path, outcome.error_line()))
    return exposition.textfile(outcome.out)


def health(options):
    now_s = time.time()
    collector = ReportedCollector(options.report, options.probe_path, "ptp_cipu", options.timeout_s)
    facts = collector.facts()
    thresholds = read_json(options.thresholds, dict) if options.thresholds else {}
    kept = read_json(options.state, list) if options.state else []
    kept = comparable(kept, facts, complete(thresholds)["sync_standing_s"])
    verdict = judge(facts, kept[0] if kept else None, thresholds, now_s)
    if options.state:
        replace(options.state, json.dumps(kept + [facts]))
    return exposition.exposition(facts, verdict, [check.name for check in CHECKS], now_s)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="cipu-clock-metrics", description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=["probe", "health"])
    parser.add_argument("--output", required=True, metavar="PATH", help="file to write")
    parser.add_argument("--probe-path", default=clockprobe.DEFAULT_PATH, metavar="PATH")
    parser.add_argument("--report", metavar="PATH", help="file with clockprobe's JSON, see above")
    parser.add_argument("--state", metavar="PATH", help="file that keeps the facts of earlier runs")
    parser.add_argument("--thresholds", metavar="PATH", help="JSON file with thresholds")
    parser.add_argument("--timeout-s", type=int, default=20, metavar="SECONDS")
    return parser.parse_args(arguments)


def main(arguments=None):
    options = parse(arguments)
    try:
        replace(options.output, {"probe": probe, "health": health}[options.kind](options))
    except (Unusable, Unwritable) as error:
        sys.stderr.write("cipu-clock-metrics: {0}\n".format(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
