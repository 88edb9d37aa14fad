# SPDX-License-Identifier: GPL-3.0-or-later
"""History of audits in an SQLite file on the controller.

One audit is one transaction, so a controller that is killed leaves a whole audit or none. WAL and
a busy time-out let two audits write at once. A file that is corrupt, or that a newer collection
wrote, is reported and not changed.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from ansible_collections.cipu.clock.plugins.plugin_utils._report.load import SEVERITIES, ReportError

SCHEMA = 1
APPLICATION_ID = 0x43495055  # "CIPU": marks the file as a history
BUSY_TIMEOUT_S = 30.0
TABLES = """
CREATE TABLE audit (id INTEGER PRIMARY KEY, taken_at_s INTEGER NOT NULL);
CREATE INDEX audit_by_time ON audit (taken_at_s);
CREATE TABLE host (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE word (id INTEGER PRIMARY KEY, word TEXT NOT NULL UNIQUE);
CREATE TABLE sample (
  host_id INTEGER NOT NULL,
  audit_id INTEGER NOT NULL,
  severity INTEGER NOT NULL,
  state_id INTEGER NOT NULL,
  zone_id INTEGER,
  offset_ns INTEGER,
  uncertainty_ns INTEGER,
  error_bound_ns INTEGER,
  PRIMARY KEY (host_id, audit_id)
) WITHOUT ROWID;
CREATE INDEX sample_by_audit ON sample (audit_id);
"""


@contextmanager
def database(path: str) -> Iterator[sqlite3.Connection]:
    """A connection to the history, which is created on first use. ReportError for another file."""
    folder = Path(path).absolute().parent
    if not folder.is_dir():
        raise ReportError(
            f"cannot write the history {path}: there is no folder {folder}; create it"
        )
    if not Path(path).exists():
        create(path)
    elif not Path(path).is_file():
        raise ReportError(f"{path} is not a regular file; give the history another path")
    try:
        with closing(
            sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        ) as connection:
            prepare(connection, path)
            yield connection
    except sqlite3.Error as error:
        # Operational: not the file's content, but its lock, permissions or disk.
        advice = (
            "Check its permissions and the free space, and whether another program has locked it"
            if isinstance(error, sqlite3.OperationalError)
            else "Move it away to start a new one, or restore a backup"
        )
        raise ReportError(
            f"the history {path} cannot be used: {error}; it was not changed. {advice}"
        ) from error


def create(path: str) -> None:
    """Make an empty history. Two audits may do this at once, and neither sees half of a file.

    Where that fails, as without hard links, SQLite creates the file or reports the reason.
    """
    with suppress(OSError, sqlite3.Error):
        folder = Path(path).absolute().parent
        with tempfile.TemporaryDirectory(prefix=".history-", dir=folder) as trial:
            new = f"{trial}/history"
            with closing(sqlite3.connect(new, isolation_level=None)) as connection:
                prepare(connection, path)
            os.link(new, path)


def prepare(connection: sqlite3.Connection, path: str) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise ReportError(
            f"{path} is an SQLite file of another program; it was not changed."
            " Give the history another path"
        )
    if version > SCHEMA:
        raise ReportError(
            f"the history {path} has schema {version}, this collection supports {SCHEMA};"
            " it was not changed. Update the collection on this controller"
        )
    if tables:
        return
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another audit may have created the tables while this one waited for the lock.
        if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            for statement in TABLES.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def identities(
    connection: sqlite3.Connection, table: str, column: str, names: set[str]
) -> dict[str, int]:
    """The numbers of these names. New names are added."""
    connection.executemany(
        f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", [(name,) for name in sorted(names)]
    )
    found = connection.execute(f"SELECT {column}, id FROM {table}")
    return {name: number for name, number in found if name in names}


def whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def append(
    path: str, taken_at_s: int, rows: list[dict[str, Any]], keep_days: float | None = None
) -> int:
    """Add one audit, and remove audits older than keep_days; returns how many were removed."""
    with database(path) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            hosts = identities(connection, "host", "name", {row["host"] for row in rows})
            words = identities(
                connection,
                "word",
                "word",
                {row["state"] for row in rows} | {row["zone"] for row in rows if row["zone"]},
            )
            audit = connection.execute(
                "INSERT INTO audit (taken_at_s) VALUES (?)", (taken_at_s,)
            ).lastrowid
            connection.executemany(
                "INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        hosts[row["host"]],
                        audit,
                        SEVERITIES.index(row["severity"]),
                        words[row["state"]],
                        words[row["zone"]] if row["zone"] else None,
                        whole(row["offset_ns"]),
                        whole(row["uncertainty_ns"]),
                        whole(row["error_bound_ns"]),
                    )
                    for row in rows
                ],
            )
            removed = (
                0 if keep_days is None else prune(connection, taken_at_s - round(keep_days * 86400))
            )
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return removed


def prune(connection: sqlite3.Connection, before_s: int) -> int:
    old = "SELECT id FROM audit WHERE taken_at_s < ?"
    connection.execute(f"DELETE FROM sample WHERE audit_id IN ({old})", (before_s,))
    return connection.execute("DELETE FROM audit WHERE taken_at_s < ?", (before_s,)).rowcount


def over_time(path: str, since_s: int, points: int = 200) -> list[dict[str, Any]]:
    """By audit and zone: hosts, severities, mean |offset| and bound; at most `points` audits."""
    with database(path) as connection:
        audits = connection.execute(
            "SELECT id, taken_at_s FROM audit WHERE taken_at_s >= ? ORDER BY taken_at_s", (since_s,)
        ).fetchall()
        step = max(1, -(-len(audits) // points))
        chosen = dict(audits[::-1][::step][::-1])
        marks = ",".join("?" * len(chosen))
        found = connection.execute(
            "SELECT audit_id, coalesce(word, ''), count(*), sum(severity = 0), sum(severity = 1),"
            " sum(severity = 2), sum(severity = 3), sum(severity = 4),"
            " avg(abs(offset_ns)), avg(error_bound_ns),"
            " max(error_bound_ns)"
            f" FROM sample LEFT JOIN word ON word.id = zone_id WHERE audit_id IN ({marks})"
            " GROUP BY audit_id, zone_id ORDER BY audit_id",
            list(chosen),
        ).fetchall()
    return [
        {
            "taken_at_s": chosen[audit],
            "zone": zone or None,
            "hosts": hosts,
            "severities": dict(zip(SEVERITIES, counts)),
            "offset_mean_ns": offset_ns,
            "bound_mean_ns": mean_ns,
            "bound_max_ns": max_ns,
        }
        for audit, zone, hosts, *counts, offset_ns, mean_ns, max_ns in found
    ]


def of_host(path: str, name: str, since_s: int, points: int = 200) -> list[dict[str, Any]]:
    """The samples of one host by time: at most `points`, evenly spaced, the last one always."""
    with database(path) as connection:
        found = connection.execute(
            "SELECT taken_at_s, severity, word, offset_ns, uncertainty_ns, error_bound_ns"
            " FROM sample JOIN audit ON audit.id = audit_id JOIN host ON host.id = host_id"
            " LEFT JOIN word ON word.id = state_id"
            " WHERE host.name = ? AND taken_at_s >= ? ORDER BY taken_at_s",
            (name, since_s),
        ).fetchall()
    step = max(1, -(-len(found) // points))
    keys = ("taken_at_s", "severity", "state", "offset_ns", "uncertainty_ns", "error_bound_ns")
    rows = [dict(zip(keys, row)) for row in found[::-1][::step][::-1]]
    for row in rows:
        row["severity"] = SEVERITIES[row["severity"]]
    return rows
