/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds the PTP clocks and CIPU functions of a host in sysfs and /dev. Opens no clock. */
#ifndef CLOCKPROBE_DISCOVER_H
#define CLOCKPROBE_DISCOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "problems.h"

#define DISCOVER_MAX_CLOCKS 1024
#define DISCOVER_MAX_FUNCTIONS 64
#define DISCOVER_MAX_LINKS 8
#define DISCOVER_MAX_INTERFACES 8
#define DISCOVER_NAME_SIZE 64
#define INTERFACE_NAME_SIZE 16
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
	char name[DISCOVER_NAME_SIZE]; /* empty where it cannot be read */
	enum clock_kind kind;
	char node[32];			    /* "/dev/ptp0", without the root */
	char device_directory[64];	    /* in sysfs, without the root */
	char pci_address[PCI_ADDRESS_SIZE]; /* empty where the device is no PCI function */
	char driver[DISCOVER_NAME_SIZE];    /* empty where there is none */
	char links[DISCOVER_MAX_LINKS][DISCOVER_NAME_SIZE];
	unsigned n_links;
	char interfaces[DISCOVER_MAX_INTERFACES][INTERFACE_NAME_SIZE];
	unsigned n_interfaces;
	bool has_error_bound;
	uint32_t error_bound_ns; /* that the ENA device states */
	dev_t rdev;		 /* 0 where it is not known */
	uint64_t registration;	 /* changes when the clock is registered again */
	bool has_node;
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct pci_function {
	char pci_address[PCI_ADDRESS_SIZE];
	char driver[DISCOVER_NAME_SIZE]; /* empty: no driver bound */
};

struct discovery {
	unsigned n_clocks;
	struct clock_info *clocks;
	unsigned n_functions;
	struct pci_function functions[DISCOVER_MAX_FUNCTIONS];
	struct problems problems;
};

const char *clock_kind_name(enum clock_kind kind);

/* From the clock's name, its device's driver, and whether that device has a network interface. */
enum clock_kind clock_kind_of(const char *name, const char *driver, bool has_net);

bool is_pci_address(const char *text);

/* Whether the operator's name means this clock: node, link, PCI address or network interface. */
bool clock_has_name(const char *root, const struct clock_info *c, const char *name);

/* Returns 0 or -ENOMEM. What cannot be read is a problem, not an error. */
int discover(const char *root, struct discovery *d);
void discover_free(struct discovery *d);

#endif
