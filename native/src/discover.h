/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which clocks and CIPU functions a host has, from sysfs and /dev. Opens no clock. */
#ifndef CLOCKPROBE_DISCOVER_H
#define CLOCKPROBE_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "accounts.h"

#define DISCOVER_MAX_CLOCKS 64
#define DISCOVER_MAX_FUNCTIONS 64
#define DISCOVER_MAX_LINKS 8
#define DISCOVER_NAME_SIZE 64
#define PCI_ADDRESS_SIZE 16

enum clock_kind {
	CLOCK_UNKNOWN,
	CLOCK_CIPU,
	CLOCK_VMCLOCK,
	CLOCK_KVM,
	CLOCK_HYPERV,
	CLOCK_ENA,
	CLOCK_VMWARE,
	CLOCK_GVE,
	CLOCK_NIC,
};

struct clock_info {
	unsigned index;
	char name[DISCOVER_NAME_SIZE];
	enum clock_kind kind;
	char node[32];			     /* "/dev/ptp0", without the root */
	char device_directory[64];	     /* in sysfs, without the root */
	char pci_address[PCI_ADDRESS_SIZE];  /* empty where the device is no PCI function */
	char driver[DISCOVER_NAME_SIZE];     /* empty where there is none */
	char links[DISCOVER_MAX_LINKS][DISCOVER_NAME_SIZE];
	unsigned n_links;
	dev_t rdev;	       /* 0 when not known */
	uint64_t registration; /* changes when the clock is registered anew */
	bool has_node;
	mode_t mode;
	char owner[ACCOUNT_NAME_SIZE];
	char group[ACCOUNT_NAME_SIZE];
};

struct pci_function {
	char pci_address[PCI_ADDRESS_SIZE];
	char driver[DISCOVER_NAME_SIZE]; /* empty: no driver bound */
};

struct discovery {
	unsigned n_clocks;
	struct clock_info clocks[DISCOVER_MAX_CLOCKS];
	unsigned n_functions;
	struct pci_function functions[DISCOVER_MAX_FUNCTIONS];
	bool more; /* there was more than the limits above allow */
};

const char *clock_kind_name(enum clock_kind kind);

/* From the clock's name, its device's driver, and whether that device has a network interface. */
enum clock_kind clock_kind_of(const char *name, const char *driver, bool has_net);

bool is_pci_address(const char *text);

void discover(const char *root, struct discovery *d);

#endif
