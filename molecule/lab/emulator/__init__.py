# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated CIPU clock function.

One process plays one PCI function to one client (QEMU's vfio-user-pci) over a Unix socket:

    python3 -m emulator --socket S --control C [--name cipu0] [--set reg=value ...]
                        [--offset-ns N] [--drift-ppb N] [--noise-ns N] [--die-with-parent]
                        [--bar0-size N] [--bar0-kind memory32|memory64|io]
                        [--vectors N] [--msix-bar N] [--handshake-ms N]

It ends on SIGTERM or SIGINT and removes its sockets. A wrong argument, or a socket that it cannot
create, is reported in one sentence with exit status 2.

Emulated behaviour
------------------
Registers, bring-up and vectors follow the description of the device (docs/device.md has the same
from the driver's side). No code is shared with the driver or with clockprobe, so that an error in
one does not hide an error in the other. Where the description is silent, the emulator is strict if
that finds errors:

- A register answers only an access of exactly its offset and width. Anything else reads as all
  ones, writes nothing, and is counted (unaligned, wrong_width, unknown).
- gst_feat, drv_ver and env_ver can be written only while dev_stat is RESET, and gst_feat only with
  offered bits. FEATURE_OK is refused without drv_ver and env_ver, DRIVER_OK before FEATURE_OK.
  A refused write does not read back.
- Timestamps are invalid (bit 63) while dev_stat is RESET.
- With the epoch feature negotiated, zero is 1 January of epo_base_yr, else of 1970; with the TAI
  feature negotiated the time is UTC plus leap_sec.
- Every reset (dev_stat, the RESET command, FLR, D3hot to D0, a disconnect, power loss) clears the
  negotiation. Conditions, parameters and the clock continue. All but dev_stat and power loss also
  reset configuration space.
- Configuration space has 4096 bytes with power management (D3hot resets), MSI-X (table and PBA in
  BAR 2) and PCI Express with function level reset.
- Vector 1 is raised when a condition appears, if the feature "abnormal" was negotiated, and when
  one clears, if "recovery" was. Vector 0 is raised when thresh_us changes. Both are raised only at
  DRIVER_OK with bus mastering on.

Control socket
--------------
One JSON object a line, one reply a line: {"ok": true, ...} or {"ok": false, "error": "sentence"}.

    status     registers, conditions, faults, connection, vectors, clock
    counts     reset: every access and answer so far, see below
    log        limit, clear, timestamps: the last accesses as [number, "r" or "w", register,
               width, value]. Timestamps are logged only after timestamps: true
    set        register, value: thresh_us raises vector 0, sync_stat vector 1; tstamp_ns freezes
               the timestamp at that raw value until it is set to null
    clock      offset_ns, drift_ppb, noise_ns, step_ns
    truth      at_ns (one, a list, none): the clock's error at times of the host's CLOCK_REALTIME,
               past ones too; two functions differ at t by the difference of their truths
    fault      name, on, parameters: see below
    interrupt  vector, count: raise a vector without a reason
    clear      end all faults, and listen again after a vanish

Faults and their parameters (count: number of accesses that are hit before the fault ends; skip:
number of accesses before the first hit; register: reads of which register are hit, tstamp_ns by
default, or "any"):

    maintenance, clock_abnormal, busy, device_error
                        the bits of sync_stat. silent: no interrupt. invalid: timestamps carry
                        bit 63 as long. duration_us: the fault ends after this time
    invalid_timestamps  count, skip
    reserved_bits       bit 62 of timestamps and all reserved bits of sync_stat and dev_feat are 1
    slow_reads          delay_us, count, skip, register, sample: whether the time is taken at the
                        "start" or the "end" of the delay
    lost_replies        count (1 by default), skip, register: no answer
    error_replies       count, skip, register
    short_replies       count, skip, register
    refuse_version      version (all by default)
    bad_readback        register, xor (1 by default), count
    slow_reset          settle_us: dev_stat reads its old value for this time after RESET is written
    all_ones            config (true by default: configuration space too); writes are lost
    vanish, return      close the vfio-user socket, listen again
    reset               power loss without an interrupt. config: configuration space too

Counts
------
`timestamps` has one class for each read of tstamp_ns: all_ones, lost, error, short, slow (the delay
exceeds max_lat_ns), invalid (bit 63), valid. `delayed` counts slow_reads of any delay separately.
`sync` has, for each condition, how often it was set and cleared; `seen_set` and `seen_cleared` are
the changes between consecutive reads of sync_stat, which is all that a driver can observe.
`interrupts` counts raised vectors, `suppressed` the ones that were not raised, by reason. An
eventfd adds up what QEMU has not read yet, so a guest may see fewer. `resets` are by cause.
`faults` has, for each fault, the number of starts and of accesses that were hit.

Observed in guests: QEMU splits an unaligned access of the guest into aligned ones, so a 32-bit read
at 0x11 arrives as two of wrong width. A lost reply stops the virtual CPU for five seconds, after
which Linux may drop the TSC as clocksource. A function level reset and a power management reset by
/sys/bus/pci/devices/.../reset arrive as `flr` and `d3`, a reboot of the VM as `command`.
"""
