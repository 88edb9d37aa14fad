/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Ends the program when a file system hangs. Clocks have deadlines of their own. */
#ifndef CLOCKPROBE_WATCHDOG_H
#define CLOCKPROBE_WATCHDOG_H

void watchdog_start(void);
void watchdog_stop(void);

/* Restarts the countdown. */
void watchdog_progress(void);

#endif
