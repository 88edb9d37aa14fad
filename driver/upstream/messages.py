# SPDX-License-Identifier: GPL-2.0-or-later
"""Texts of the patch series: subject, blank line, body."""

COVER = """\
ptp: Add a driver for the Alibaba Cloud CIPU clock

Instances of Alibaba Cloud can have a PCI function that provides the time of
an atomic clock. This series adds a PTP clock driver for it, and describes the
attributes in sysfs.

The driver is built around one function that returns device time with a system
bracket; every PTP callback wraps it. The clock is read only, has no hardware
cross timestamps, and keeps its index through sleep, function reset, PCI error
recovery and loss of power of the function.

Module name, clock name and attributes are the same as in the earlier series
"ptp: add Alibaba CIPU PTP clock driver", so that existing tools work with
both. The code is independent of it.
"""

ABI = """\
Documentation: ABI: Describe the attributes of ptp_cipu

The driver for the Alibaba Cloud CIPU clock shows the registers of the
device and its own counters in a group of the PCI device. Describe them
ahead of the driver.

Monitoring needs the counters to distinguish a failing device from a
failing reader: every gettime call is counted once, in ptp_gettm, and
again in one of the error counters unless it succeeds.
"""

DRIVER = """\
ptp: Add a driver for the Alibaba Cloud CIPU clock

The CIPU clock is a PCI function with one 64-bit timestamp register and
two MSI-X vectors. Add a read-only PTP clock for it.

A timestamp is trusted only if the device marks it valid and the read did
not take longer than the device allows. A bad read is retried up to two
times, since the PTP core fails a whole ioctl at the first error. After
repeated failures reads fail without a bus access for 100 ms.

The device forgets the negotiated epoch when it loses power, and its
timestamps are then decades off but look valid. So the driver checks the
device's state at the first read after each negotiation and at every jump
relative to raw system time, and negotiates again when it was lost. The
PTP clock stays registered in the meantime, so that its index and open
files survive.
"""
