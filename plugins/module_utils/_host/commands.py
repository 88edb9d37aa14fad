# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs programs of the host, bounded in time and in output."""

import os
import selectors
import signal
import subprocess
import time

OUTPUT_LIMIT = 256 * 1024
SEARCH_PATH = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


class Outcome:
    """The outcome of one command. `problem` is None, "missing", "timeout" or "too long"."""

    def __init__(self, rc=None, out="", err="", problem=None):
        self.rc = rc
        self.out = out
        self.err = err
        self.problem = problem

    @property
    def ok(self):
        return self.problem is None and self.rc == 0

    def error_line(self, limit=200):
        """One line that describes what went wrong."""
        if self.problem is not None:
            return "{0} ({1})".format(self.problem, self.err[:limit]) if self.err else self.problem
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        return (lines[-1] if lines else "exit status {0}".format(self.rc))[:limit]


class _Running:
    def __init__(self, argv, env):
        # A session of its own, so that children of the program end with it. run_command of a module
        # cannot run programs at the same time, and the collector of metrics is no module.
        # pylint: disable-next=unknown-option-value,ansible-bad-function
        self.process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        self.chunks = {"out": [], "err": []}
        self.bytes = 0
        self.open_streams = 2
        self.problem = None

    def end(self, problem):
        self.problem = self.problem or problem
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass

    def outcome(self):
        text = {
            name: b"".join(chunks).decode("utf-8", "replace")
            for name, chunks in self.chunks.items()
        }
        return Outcome(self.process.wait(), text["out"], text["err"], self.problem)


def environment():
    env = {key: value for key, value in os.environ.items() if not key.startswith("LC_")}
    env.update({"LC_ALL": "C", "LANG": "C", "LANGUAGE": "C", "PATH": ":".join(SEARCH_PATH)})
    return env


def run_all(commands, timeout_s, limit=OUTPUT_LIMIT):
    """Run the commands (name -> argv) in parallel; returns name -> Outcome within the timeout."""
    deadline = time.monotonic() + timeout_s
    outcomes = {}
    running = {}
    selector = selectors.DefaultSelector()
    try:
        for name, argv in commands.items():
            try:
                job = running[name] = _Running(argv, environment())
            except OSError as error:
                outcomes[name] = Outcome(err=str(error), problem="missing")
                continue
            for stream, pipe in (("out", job.process.stdout), ("err", job.process.stderr)):
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, (job, stream))
        _drain(selector, running, deadline, limit)
        for name, job in running.items():
            _wait(job, deadline)
            outcomes[name] = job.outcome()
    finally:
        selector.close()
        for job in running.values():
            if job.process.returncode is None:
                job.end("timeout")
                job.process.wait()
            job.process.stdout.close()
            job.process.stderr.close()
    return outcomes


def _drain(selector, running, deadline, limit):
    while selector.get_map():
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            for job in running.values():
                if job.open_streams:
                    job.end("timeout")
            return
        for key, _events in selector.select(left_s):
            job, stream = key.data
            chunk = os.read(key.fd, 65536)
            job.bytes += len(chunk)
            if chunk and job.bytes <= limit:
                job.chunks[stream].append(chunk)
                continue
            if chunk:
                job.end("too long")
            selector.unregister(key.fileobj)
            job.open_streams -= 1


def _wait(job, deadline):
    try:
        job.process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        job.end("timeout")


def run(argv, timeout_s, limit=OUTPUT_LIMIT):
    return run_all({"it": argv}, timeout_s, limit)["it"]


def which(name, directories=SEARCH_PATH):
    """The program's path, or None. sbin is searched too: unprivileged users lack it in PATH."""
    for directory in directories:
        path = os.path.join(directory, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
