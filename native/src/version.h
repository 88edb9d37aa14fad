/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef CLOCKPROBE_VERSION_H
#define CLOCKPROBE_VERSION_H

#define CLOCKPROBE_VERSION "0.2.0"

/* Schema of the JSON. Raise it when a key changes or is removed, not when one is added. */
#define CLOCKPROBE_SCHEMA 1

#endif
