# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts and log of the guest's accesses and of the answers it got."""

from collections import Counter, deque
from typing import Any

from .registers import REGISTERS, SYNC_BITS, TSTAMP

LOG_KEPT = 4096


class Counters:
    """Counts of every access, with a log of the last ones.

    Valid timestamps of the fast path are counted in `quick` alone, and added to the other counts by
    `snapshot`.
    """

    def __init__(self) -> None:
        self.log: deque[tuple[int, str, str, int, int]] = deque(maxlen=LOG_KEPT)
        self.sequence = 0
        self.last_sync_seen = 0
        # Timestamps would push all other accesses out of the log.
        self.log_timestamps = False
        self.clear()

    def clear(self) -> None:
        """Reset the counts. The log, its sequence and the state of conditions stay."""
        self.quick = 0
        self.reads: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.read_widths: Counter[int] = Counter()
        self.write_widths: Counter[int] = Counter()
        self.timestamps: Counter[str] = Counter()
        self.interrupts: Counter[int] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.resets: Counter[str] = Counter()
        self.odd: Counter[str] = Counter()
        self.config: Counter[str] = Counter()
        self.session: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.fault_hits: Counter[str] = Counter()
        self.sync_set: Counter[str] = Counter()
        self.sync_cleared: Counter[str] = Counter()
        self.seen_set: Counter[str] = Counter()
        self.seen_cleared: Counter[str] = Counter()

    def access(self, kind: str, name: str, width: int, value: int) -> None:
        if kind == "r":
            self.reads[name] += 1
            self.read_widths[width] += 1
        else:
            self.writes[name] += 1
            self.write_widths[width] += 1
        if name == TSTAMP.name and not self.log_timestamps:
            return
        self.sequence += 1
        self.log.append((self.sequence, kind, name, width, value))

    def sync_changed(self, old: int, new: int) -> None:
        self._transitions(old, new, self.sync_set, self.sync_cleared)

    def sync_read(self, value: int) -> None:
        """Count the changes of conditions that a driver can observe between two of its reads."""
        self._transitions(self.last_sync_seen, value, self.seen_set, self.seen_cleared)
        self.last_sync_seen = value

    @staticmethod
    def _transitions(old: int, new: int, on: Counter[str], off: Counter[str]) -> None:
        for name, bit in SYNC_BITS.items():
            if new & bit and not old & bit:
                on[name] += 1
            elif old & bit and not new & bit:
                off[name] += 1

    def snapshot(self) -> dict[str, Any]:
        names = [register.name for register in REGISTERS]
        reads = {name: self.reads[name] for name in names}
        reads[TSTAMP.name] += self.quick
        widths = Counter(self.read_widths)
        widths[TSTAMP.width] += self.quick
        stamps = {
            kind: self.timestamps[kind]
            for kind in (
                "valid", "invalid", "slow", "lost", "error", "short", "all_ones", "delayed",
            )
        }  # fmt: skip
        stamps["valid"] += self.quick
        return {
            "reads": reads,
            "writes": {name: self.writes[name] for name in names},
            "by_width": {
                "reads": {str(width): widths[width] for width in (1, 2, 4, 8)},
                "writes": {str(width): self.write_widths[width] for width in (1, 2, 4, 8)},
            },
            "timestamps": stamps,
            "interrupts": {"0": self.interrupts[0], "1": self.interrupts[1]},
            "suppressed": dict(self.suppressed),
            "unaligned": self.odd["unaligned"],
            "wrong_width": self.odd["wrong_width"],
            "unknown": self.odd["unknown"],
            "read_only_writes": self.odd["read_only"],
            "refused_writes": dict(self.refused),
            "resets": dict(self.resets),
            "sync": {
                name: {
                    "set": self.sync_set[name],
                    "cleared": self.sync_cleared[name],
                    "seen_set": self.seen_set[name],
                    "seen_cleared": self.seen_cleared[name],
                }
                for name in SYNC_BITS
            },
            "config": {"reads": self.config["reads"], "writes": self.config["writes"]},
            "session": dict(self.session),
            "faults": {
                name: {"started": started, "hits": self.fault_hits[name]}
                for name, started in self.faults.items()
            },
        }
