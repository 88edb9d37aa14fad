/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Included first by the Makefile, so that this message precedes every other one. */
#if !defined(__LP64__)
#error "clockprobe needs a 64-bit compiler: its ioctl structures and times are 64 bits wide. Build with CC for a 64-bit target."
#endif
#if !defined(__linux__)
#error "clockprobe needs Linux: it reads /dev/ptpN and sysfs."
#endif
