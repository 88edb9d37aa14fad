// SPDX-License-Identifier: GPL-3.0-or-later
/* A module whose only content is what modinfo reads. */
#define INFO(tag, value) \
	static const char tag[] __attribute__((section(".modinfo"), used)) = #tag "=" value
INFO(version, "1.0");
INFO(srcversion, "A");
INFO(license, "GPL");
int hello;
