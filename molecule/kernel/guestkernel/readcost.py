# SPDX-License-Identifier: GPL-3.0-or-later
"""What a read of the clock through the driver costs, compared with a bare read of the register.

The guest's module measures blocks of reads, all kinds in turns, and answers with medians. The
ratio of a block is therefore one of reads that happened at the same time, and the median over the
blocks drops those in which the host did something else.
"""

from dataclasses import dataclass
from statistics import median, quantiles

from . import boxes
from .box import Box

_POKE = "/sys/module/cipu_poke/parameters"
_BLOCKS = 20
# Of the driver's read: on amd64 to a bare read, on arm64 to one with the same system times. An
# emulated arm64 reads its counter by a call, so five system times alone cost 5 % of a bare read.
LIMIT = 1.05


@dataclass(frozen=True)
class Block:
    """Medians of one block, in nanoseconds."""

    bare: int
    again: int
    timed: int
    driver: int

    @property
    def baseline(self) -> float:
        return (self.bare + self.again) / 2


@dataclass(frozen=True)
class ReadCost:
    """Ratios to a bare read, over all blocks."""

    blocks: tuple[Block, ...]

    def _ratios(self, kind: str) -> list[float]:
        return [getattr(block, kind) / block.baseline for block in self.blocks]

    @property
    def driver(self) -> float:
        return median(self._ratios("driver"))

    @property
    def own(self) -> float:
        """Of the driver's read, to a bare read that takes the same system times."""
        return median(block.driver / block.timed for block in self.blocks)

    @property
    def timed(self) -> float:
        """Of a bare read that takes the same system times as the driver's."""
        return median(self._ratios("timed"))

    @property
    def noise(self) -> float:
        """How far two measurements of the same thing differ."""
        return median(abs(block.again / block.bare - 1) for block in self.blocks)

    def __str__(self) -> str:
        low, _, high = quantiles(self._ratios("driver"))
        bare = median(block.baseline for block in self.blocks)
        return (
            f"bare read {bare:.0f} ns; the driver's {self.driver:.3f} of it "
            f"(quartiles {low:.3f} to {high:.3f} of {len(self.blocks)} blocks), "
            f"{self.timed:.3f} for a bare read with the driver's system times, "
            f"of which the driver's is {self.own:.3f}; "
            f"noise {self.noise:.3f}"
        )


def measure(box: Box, name: str = boxes.PRIMARY, blocks: int = _BLOCKS) -> ReadCost:
    """Measure on a healthy function with a bound driver."""
    assert box.read(name)["ok"] == 1
    return ReadCost(tuple(_block(box, name) for _ in range(blocks)))


def _block(box: Box, name: str) -> Block:
    box.sh(f"echo bench {box.address(name)} > {_POKE}/poke")
    return Block(*(int(word) for word in box.sh(f"cat {_POKE}/answer").split()))
