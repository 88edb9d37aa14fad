# SPDX-License-Identifier: GPL-3.0-or-later
"""The emulated CIPU clock function.

One process plays one PCI function to one client (QEMU's vfio-user-pci) over a Unix socket:

    python3 -m emulator --socket S --control C [--name cipu0] [--set reg=value ...]
                        [--offset-ns N] [--drift-ppb N] [--noise-ns N] [--die-with-parent]
                        [--bar0-size N] [--bar0-kind memory32|memory64|io]
                        [--vectors N] [--msix-bar N] [--handshake-ms N]

It ends on SIGTERM or SIGINT and removes its sockets; a mistake in the arguments or a socket that
cannot be made is one sentence and exit status 2.

What is played, and from where
------------------------------
Registers, bring-up and vectors come from the written facts about the device (docs/device.md tells
the same from the driver's side); no code is shared with the driver or with clockprobe, so that a
mistake in one does not hide in the other. What the facts leave open is decided here, strictly
where that finds mistakes:

- A register answers only an access of exactly its offset and width. Anything else reads as all
  ones, writes nothing, and is counted (unaligned, wrong_width, unknown).
- gst_feat, drv_ver and env_ver can be written only while dev_stat is RESET, and gst_feat only with
  offered bits. FEATURE_OK is refused without drv_ver and env_ver, DRIVER_OK before FEATURE_OK.
  A refused write does not read back.
- Timestamps are invalid (bit 63) while dev_stat is RESET.
- With the epoch feature negotiated, zero is 1 January of epo_base_yr, else of 1970; with the TAI
  feature negotiated the time is UTC plus leap_sec.
- Every reset (dev_stat, the RESET command, FLR, D3hot to D0, a disconnect, power loss) forgets the
  negotiation; conditions, parameters and the clock go on. All but dev_stat and power loss also
  reset configuration space.
- Configuration space has 4096 bytes with power management (D3hot resets), MSI-X (table and PBA in
  BAR 2) and PCI Express with function level reset.
- Vector 1 is raised for a condition that appears if the feature "abnormal" was negotiated, and for
  one that goes if "recovery" was; vector 0 whenever thresh_us changes; both only at DRIVER_OK with
  bus mastering on.

Control socket
--------------
One JSON object a line, one reply a line: {"ok": true, ...} or {"ok": false, "error": "sentence"}.

    status     registers, conditions, faults, connection, vectors, clock
    counts     reset: every access and answer so far, see below
    log        limit, clear, timestamps: the last accesses as [number, "r" or "w", register,
               width, value]; timestamps are logged only after timestamps: true
    set        register, value: thresh_us raises vector 0, sync_stat vector 1; tstamp_ns freezes
               the timestamp at that raw value until it is set to null
    clock      offset_ns, drift_ppb, noise_ns, step_ns
    truth      at_ns (one, a list, none): the clock's error at times of the host's CLOCK_REALTIME,
               past ones too; two functions differ at t by the difference of their truths
    fault      name, on, parameters: see below
    interrupt  vector, count: raise a vector without a reason
    clear      ends all faults, and listens again after a vanish

Faults and their parameters (count: how many accesses are hit, then it ends; skip: how many are
spared first; register: whose reads, tstamp_ns by default, or "any"):

    maintenance, clock_abnormal, busy, device_error
                        the bits of sync_stat. silent: no interrupt. invalid: timestamps carry
                        bit 63 meanwhile. duration_us: ends by itself
    invalid_timestamps  count, skip
    reserved_bits       bit 62 of timestamps and all reserved bits of sync_stat and dev_feat are 1
    slow_reads          delay_us, count, skip, register, sample: whether the time is taken at the
                        "start" or the "end" of the delay
    lost_replies        count (1 by default), skip, register: no answer at all
    error_replies       count, skip, register
    short_replies       count, skip, register
    refuse_version      version (all by default)
    bad_readback        register, xor (1 by default), count
    slow_reset          settle_us: dev_stat reads its old value for so long after RESET is written
    all_ones            config (true by default: configuration space too); writes are lost
    vanish, return      close the vfio-user socket, listen again
    reset               power loss without a word. config: configuration space too

Counts
------
`timestamps` puts every read of tstamp_ns into one class: all_ones, lost, error, short, slow (its
delay is more than max_lat_ns), invalid (bit 63), valid; `delayed` counts slow_reads of any delay
besides. `sync` has for each condition how often it was set and cleared, and `seen_set` and
`seen_cleared`: the changes between consecutive reads of sync_stat, which is all that a driver can
know. `interrupts` counts vectors raised, `suppressed` those that were due and why they were not
raised; an eventfd adds up what QEMU has not read yet, so a guest may see fewer. `resets` are by
cause. `faults` has for each fault how often it was started and how many accesses it hit.

Seen in guests: QEMU splits an unaligned access of the guest into aligned ones, so a 32-bit read at
0x11 arrives as two of wrong width; a lost reply stops the virtual CPU for five seconds, after which
Linux may drop the TSC as clocksource; a function level reset and the power management one by
/sys/bus/pci/devices/.../reset arrive as `flr` and `d3`, and a reboot of the VM as `command`.
"""
