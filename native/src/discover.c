// SPDX-License-Identifier: GPL-3.0-or-later
#include "discover.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "text.h"

#define CIPU_VENDOR 0x1ded
#define CIPU_DEVICE 0x500c

#define CLASS_DIRECTORY "/sys/class/ptp"
#define PCI_DIRECTORY "/sys/bus/pci/devices"

/* Longer directories are no real host's. */
#define MAX_ENTRIES 16384

const char *clock_kind_name(enum clock_kind kind)
{
	static const char *const names[] = {
		[CLOCK_UNKNOWN] = "unknown", [CLOCK_CIPU] = "cipu", [CLOCK_VMCLOCK] = "vmclock",
		[CLOCK_KVM] = "kvm",	     [CLOCK_HYPERV] = "hyperv", [CLOCK_ENA] = "ena",
		[CLOCK_VMWARE] = "vmware",   [CLOCK_GVE] = "gve",	[CLOCK_NIC] = "nic",
	};

	return names[kind];
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Names as their drivers register them. */
enum clock_kind clock_kind_of(const char *name, const char *driver, bool has_net)
{
	static const struct {
		const char *name_prefix;
		enum clock_kind kind;
	} names[] = {
		{ "ptp_cipu", CLOCK_CIPU },    { "vmclock", CLOCK_VMCLOCK },
		{ "KVM virtual PTP", CLOCK_KVM }, { "hyperv", CLOCK_HYPERV },
		{ "ena-ptp-", CLOCK_ENA },     { "ptp_vmw", CLOCK_VMWARE },
		{ "gve", CLOCK_GVE },
	};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (starts_with(name, names[i].name_prefix))
			return names[i].kind;
	}
	if (!strcmp(driver, "gve") || !strcmp(driver, "gvnic"))
		return CLOCK_GVE;
	if (!strcmp(driver, "ena"))
		return CLOCK_ENA;
	return has_net ? CLOCK_NIC : CLOCK_UNKNOWN;
}

/* 0000:00:10.0 */
bool is_pci_address(const char *text)
{
	static const char form[] = "xxxx:xx:xx.x";
	size_t domain = strspn(text, "0123456789abcdefABCDEF");

	/* domains of Hyper-V and VMD have more than four digits */
	if (domain < 4 || domain > 8)
		return false;
	text += domain - 4;
	for (size_t i = 0; i < sizeof(form); i++) {
		if (form[i] == 'x' ? !strchr("0123456789abcdefABCDEF", text[i]) || !text[i] :
				     form[i] != text[i])
			return false;
	}
	return true;
}

/* Calls visit for each name until it says stop. False when the directory was cut short. */
static bool each_entry(const char *root, const char *path,
		       bool (*visit)(const char *root, const char *name, struct discovery *d),
		       struct discovery *d)
{
	char full[TEXT_PATH_SIZE];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	if (text_path(full, sizeof(full), root, path))
		return true;
	dir = opendir(full);
	if (!dir)
		return true;
	while (count++ < MAX_ENTRIES && (entry = readdir(dir))) {
		if (entry->d_name[0] != '.' && !visit(root, entry->d_name, d))
			break;
	}
	closedir(dir);
	return count <= MAX_ENTRIES;
}

static bool index_of(const char *name, unsigned *index)
{
	char canonical[16];
	uint64_t value;

	if (!starts_with(name, "ptp") || strlen(name) > 8 || !text_parse_u64(name + 3, &value))
		return false;
	/* ptp00 and ptp0x1 are no clocks */
	snprintf(canonical, sizeof(canonical), "ptp%u", (unsigned)value);
	if (strcmp(canonical, name))
		return false;
	*index = (unsigned)value;
	return true;
}

static void read_device_number(const char *root, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE], line[32];
	unsigned major_number, minor_number;
	char rest;

	snprintf(path, sizeof(path), CLASS_DIRECTORY "/ptp%u/dev", c->index);
	if (text_read_line(root, path, line, sizeof(line)) > 0 &&
	    sscanf(line, "%6u:%8u%c", &major_number, &minor_number, &rest) == 2)
		c->rdev = makedev(major_number, minor_number);
}

static void read_registration(const char *root, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE], full[TEXT_PATH_SIZE];
	struct stat st;

	/* sysfs gives every directory it makes a new inode number */
	snprintf(path, sizeof(path), CLASS_DIRECTORY "/ptp%u", c->index);
	if (!text_path(full, sizeof(full), root, path) && !stat(full, &st))
		c->registration = (uint64_t)st.st_ino;
}

static void read_device(const char *root, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE], full[TEXT_PATH_SIZE], base[DISCOVER_NAME_SIZE];
	bool has_net;

	snprintf(c->device_directory, sizeof(c->device_directory),
		 CLASS_DIRECTORY "/ptp%u/device", c->index);
	if (text_link_base(root, c->device_directory, base, sizeof(base)) && is_pci_address(base))
		text_copy(c->pci_address, sizeof(c->pci_address), base);
	snprintf(path, sizeof(path), "%s/driver", c->device_directory);
	if (!text_link_base(root, path, c->driver, sizeof(c->driver)))
		c->driver[0] = '\0';
	snprintf(path, sizeof(path), "%s/net", c->device_directory);
	has_net = !text_path(full, sizeof(full), root, path) && !access(full, F_OK);
	c->kind = clock_kind_of(c->name, c->driver, has_net);
}

static void read_node(const char *root, struct clock_info *c)
{
	char full[TEXT_PATH_SIZE];
	struct stat st;

	snprintf(c->node, sizeof(c->node), "/dev/ptp%u", c->index);
	if (text_path(full, sizeof(full), root, c->node) || stat(full, &st))
		return;
	c->has_node = true;
	c->mode = st.st_mode & 07777;
	accounts_name(root, "/etc/passwd", st.st_uid, c->owner, sizeof(c->owner));
	accounts_name(root, "/etc/group", st.st_gid, c->group, sizeof(c->group));
}

static bool visit_clock(const char *root, const char *name, struct discovery *d)
{
	char path[TEXT_PATH_SIZE];
	struct clock_info *c;
	unsigned index;

	if (!index_of(name, &index))
		return true;
	if (d->n_clocks == DISCOVER_MAX_CLOCKS) {
		d->more = true;
		return false;
	}
	c = &d->clocks[d->n_clocks++];
	memset(c, 0, sizeof(*c));
	c->index = index;
	snprintf(path, sizeof(path), CLASS_DIRECTORY "/ptp%u/clock_name", index);
	if (text_read_line(root, path, c->name, sizeof(c->name)) < 0)
		c->name[0] = '\0';
	read_device_number(root, c);
	read_registration(root, c);
	read_device(root, c);
	read_node(root, c);
	return true;
}

static bool visit_pci(const char *root, const char *name, struct discovery *d)
{
	char path[TEXT_PATH_SIZE];
	struct pci_function *f;
	uint64_t id;

	if (!is_pci_address(name) || strlen(name) >= PCI_ADDRESS_SIZE)
		return true;
	snprintf(path, sizeof(path), PCI_DIRECTORY "/%s/vendor", name);
	if (text_read_u64(root, path, &id) || id != CIPU_VENDOR)
		return true;
	snprintf(path, sizeof(path), PCI_DIRECTORY "/%s/device", name);
	if (text_read_u64(root, path, &id) || id != CIPU_DEVICE)
		return true;
	if (d->n_functions == DISCOVER_MAX_FUNCTIONS) {
		d->more = true;
		return false;
	}
	f = &d->functions[d->n_functions++];
	memset(f, 0, sizeof(*f));
	text_copy(f->pci_address, sizeof(f->pci_address), name);
	snprintf(path, sizeof(path), PCI_DIRECTORY "/%s/driver", name);
	if (!text_link_base(root, path, f->driver, sizeof(f->driver)))
		f->driver[0] = '\0';
	return true;
}

/* udev makes its links in /dev itself: a link beside the node, whatever it is called. */
static bool visit_dev(const char *root, const char *name, struct discovery *d)
{
	char path[DISCOVER_NAME_SIZE], base[DISCOVER_NAME_SIZE];
	unsigned index;

	if (!starts_with(name, "ptp") || index_of(name, &index))
		return true;
	if ((size_t)snprintf(path, sizeof(path), "/dev/%.*s", (int)sizeof(path), name) >=
		    sizeof(path) ||
	    !text_link_base(root, path, base, sizeof(base)) || !index_of(base, &index))
		return true;
	for (unsigned i = 0; i < d->n_clocks; i++) {
		struct clock_info *c = &d->clocks[i];

		if (c->index == index && c->n_links < DISCOVER_MAX_LINKS)
			text_copy(c->links[c->n_links++], DISCOVER_NAME_SIZE, path);
	}
	return true;
}

static int compare_clocks(const void *a, const void *b)
{
	const struct clock_info *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static int compare_functions(const void *a, const void *b)
{
	return strcmp(((const struct pci_function *)a)->pci_address,
		      ((const struct pci_function *)b)->pci_address);
}

static int compare_links(const void *a, const void *b)
{
	return strcmp(a, b);
}

void discover(const char *root, struct discovery *d)
{
	d->n_clocks = 0;
	d->n_functions = 0;
	d->more = false;
	if (!each_entry(root, CLASS_DIRECTORY, visit_clock, d))
		d->more = true;
	if (!each_entry(root, PCI_DIRECTORY, visit_pci, d))
		d->more = true;
	if (d->n_clocks)
		each_entry(root, "/dev", visit_dev, d);
	qsort(d->clocks, d->n_clocks, sizeof(d->clocks[0]), compare_clocks);
	qsort(d->functions, d->n_functions, sizeof(d->functions[0]), compare_functions);
	for (unsigned i = 0; i < d->n_clocks; i++)
		qsort(d->clocks[i].links, d->clocks[i].n_links, DISCOVER_NAME_SIZE, compare_links);
}
