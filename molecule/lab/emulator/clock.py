# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock behind the timestamp register: host time plus a scripted error.

The error is a pure function of the host's CLOCK_REALTIME, so that the difference of two functions
can be calculated for every instant:

    error(t) = offset + drift * (t - anchor)        plus noise, uniform in [-noise, +noise]

Every change starts a new segment. Old ones are kept, so that a test can get the error at a past
time.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

SEGMENTS_KEPT = 4096
NS_PER_SECOND = 1_000_000_000
PPT_PER_PPB = 1000
PPT = 1_000_000_000_000


def days_before_year(year: int) -> int:
    """Days from 1970-01-01 to 1 January of any Gregorian year, however far away."""
    y = year - 1
    return 365 * y + y // 4 - y // 100 + y // 400 - 719162


def epoch_base_ns(year: int) -> int:
    return days_before_year(year) * 86400 * NS_PER_SECOND


@dataclass(frozen=True)
class Segment:
    """The clock's error from `anchor_ns` on (host CLOCK_REALTIME)."""

    anchor_ns: int
    offset_ns: int = 0
    drift_ppt: int = 0
    noise_ns: int = 0

    def error_at(self, host_ns: int) -> int:
        return self.offset_ns + self.drift_ppt * (host_ns - self.anchor_ns) // PPT


class ClockModel:
    """Host time plus offset, drift and noise, each settable at run time."""

    def __init__(self, offset_ns: int = 0, drift_ppb: float = 0, noise_ns: int = 0) -> None:
        first = Segment(time.time_ns(), offset_ns, round(drift_ppb * PPT_PER_PPB), noise_ns)
        self._segments: deque[Segment] = deque([first], maxlen=SEGMENTS_KEPT)

    @property
    def now(self) -> Segment:
        return self._segments[-1]

    def change(
        self,
        offset_ns: int | None = None,
        drift_ppb: float | None = None,
        noise_ns: int | None = None,
        step_ns: int = 0,
    ) -> Segment:
        """Start a new segment. Parameters that are not given continue without a jump."""
        old = self.now
        at = max(time.time_ns(), old.anchor_ns)
        segment = Segment(
            anchor_ns=at,
            offset_ns=(old.error_at(at) if offset_ns is None else offset_ns) + step_ns,
            drift_ppt=old.drift_ppt if drift_ppb is None else round(drift_ppb * PPT_PER_PPB),
            noise_ns=old.noise_ns if noise_ns is None else noise_ns,
        )
        self._segments.append(segment)
        return segment

    def segment_at(self, host_ns: int) -> Segment:
        """The segment that applies at a time; the oldest one for earlier times."""
        for segment in reversed(self._segments):
            if segment.anchor_ns <= host_ns:
                return segment
        return self._segments[0]

    def reader(self, extra_ns: int) -> Callable[[], int]:
        """A function that reads host time + error + extra_ns; rebuilt after every change.

        A closure over the current segment saves an attribute lookup on each read.
        """
        segment = self.now
        time_ns = time.time_ns
        if segment.drift_ppt == 0 and segment.noise_ns == 0:
            constant = segment.offset_ns + extra_ns
            return lambda: time_ns() + constant
        uniform = random.random
        width = 2 * segment.noise_ns + 1

        def read() -> int:
            host = time_ns()
            noise = int(uniform() * width) - segment.noise_ns
            return host + segment.error_at(host) + noise + extra_ns

        return read
