/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CLOCKPROBE_VERSION_H
#define CLOCKPROBE_VERSION_H

#define CLOCKPROBE_VERSION "0.1.0"

/* Of the JSON. A key that is added does not raise it; one that changes or goes does. */
#define CLOCKPROBE_SCHEMA 1

#endif
