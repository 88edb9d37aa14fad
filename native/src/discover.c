// SPDX-License-Identifier: GPL-3.0-or-later
#include "discover.h"

#include <dirent.h>
#include <errno.h>
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

/* Entries read from one directory. */
#define MAX_ENTRIES 16384

const char *clock_kind_name(enum clock_kind kind)
{
	static const char *const names[] = {
		[CLOCK_UNKNOWN] = "unknown", [CLOCK_CIPU] = "cipu",	[CLOCK_VMCLOCK] = "vmclock",
		[CLOCK_KVM] = "kvm",	     [CLOCK_HYPERV] = "hyperv", [CLOCK_ENA] = "ena",
		[CLOCK_VMWARE] = "vmware",   [CLOCK_GVE] = "gve",	[CLOCK_NIC] = "nic",
	};

	return names[kind];
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* Names that the drivers of Linux register. */
enum clock_kind clock_kind_of(const char *name, const char *driver, bool has_net)
{
	static const struct {
		const char *name_prefix;
		enum clock_kind kind;
	} names[] = {
		{ "ptp_cipu", CLOCK_CIPU },
		{ "vmclock", CLOCK_VMCLOCK },
		{ "KVM virtual PTP", CLOCK_KVM },
		{ "hyperv", CLOCK_HYPERV },
		{ "ena-ptp-", CLOCK_ENA },
		{ "ptp_vmw", CLOCK_VMWARE },
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

/*
 * Calls visit for each name until it returns false. Returns 0 or -errno; -EFBIG when the directory
 * has more entries than are read.
 */
static int each_entry(const char *root, const char *path,
		      bool (*visit)(const char *root, const char *name, void *context),
		      void *context)
{
	char full[TEXT_PATH_SIZE];
	struct dirent *entry;
	unsigned count = 0;
	int err;
	DIR *dir;

	err = text_path(full, sizeof(full), root, path);
	if (err)
		return err;
	dir = opendir(full);
	if (!dir)
		return -errno;
	while ((errno = 0, entry = readdir(dir)) != NULL) {
		if (count++ == MAX_ENTRIES) {
			errno = EFBIG;
			break;
		}
		if (entry->d_name[0] != '.' && !visit(root, entry->d_name, context)) {
			errno = 0;
			break;
		}
	}
	err = -errno;
	closedir(dir);
	return err;
}

static void cannot_read(struct discovery *d, const char *path, int err)
{
	problems_add(&d->problems, "cannot read %s: %s", path, strerror(-err));
}

static bool index_of(const char *name, unsigned *index)
{
	char canonical[16];
	uint64_t value;

	if (!starts_with(name, "ptp") || strlen(name) > 8 || !text_parse_u64(name + 3, &value))
		return false;
	/* the kernel creates no ptp00 and no ptp0x1 */
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
	    /* The widths keep the numbers in range. NOLINTNEXTLINE(cert-err34-c) */
	    sscanf(line, "%6u:%8u%c", &major_number, &minor_number, &rest) == 2)
		c->rdev = makedev(major_number, minor_number);
}

static void read_registration(const char *root, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE], full[TEXT_PATH_SIZE];
	struct stat st;

	/* sysfs gives each new directory a new inode number */
	snprintf(path, sizeof(path), CLASS_DIRECTORY "/ptp%u", c->index);
	if (!text_path(full, sizeof(full), root, path) && !stat(full, &st))
		c->registration = (uint64_t)st.st_ino;
}

static bool visit_interface(const char *root, const char *name, void *context)
{
	struct clock_info *c = context;

	(void)root;
	if (c->n_interfaces < DISCOVER_MAX_INTERFACES && strlen(name) < INTERFACE_NAME_SIZE)
		text_copy(c->interfaces[c->n_interfaces++], INTERFACE_NAME_SIZE, name);
	return true;
}

/* The ENA driver keeps the bound beside the device's other attributes. */
static void read_error_bound(const char *root, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE];
	uint64_t value;

	if (c->kind != CLOCK_ENA)
		return;
	snprintf(path, sizeof(path), "%s/phc_error_bound", c->device_directory);
	/* all ones stand for a bound that the device does not state */
	c->has_error_bound = !text_read_u64(root, path, &value) && value < UINT32_MAX;
	c->error_bound_ns = c->has_error_bound ? (uint32_t)value : 0;
}

static void read_device(const char *root, struct discovery *d, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE], base[DISCOVER_NAME_SIZE];
	int err;

	snprintf(c->device_directory, sizeof(c->device_directory), CLASS_DIRECTORY "/ptp%u/device",
		 c->index);
	if (text_link_base(root, c->device_directory, base, sizeof(base)) && is_pci_address(base))
		text_copy(c->pci_address, sizeof(c->pci_address), base);
	snprintf(path, sizeof(path), "%s/driver", c->device_directory);
	if (!text_link_base(root, path, c->driver, sizeof(c->driver)))
		c->driver[0] = '\0';
	snprintf(path, sizeof(path), "%s/net", c->device_directory);
	err = each_entry(root, path, visit_interface, c);
	if (err && err != -ENOENT)
		cannot_read(d, path, err);
	c->kind = clock_kind_of(c->name, c->driver, !err);
	read_error_bound(root, c);
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
	c->uid = st.st_uid;
	c->gid = st.st_gid;
}

static void read_name(const char *root, struct discovery *d, struct clock_info *c)
{
	char path[TEXT_PATH_SIZE];
	ssize_t n;

	snprintf(path, sizeof(path), CLASS_DIRECTORY "/ptp%u/clock_name", c->index);
	n = text_read_line(root, path, c->name, sizeof(c->name));
	if (n >= 0)
		return;
	c->name[0] = '\0';
	cannot_read(d, path, (int)n);
}

/* Makes room for one more clock. The array doubles each time it is full. */
static bool grow(struct discovery *d)
{
	unsigned n = d->n_clocks;
	struct clock_info *clocks;

	if (n & (n - 1))
		return true;
	clocks = realloc(d->clocks, (n ? 2 * n : 1) * sizeof(*clocks));
	if (clocks)
		d->clocks = clocks;
	return clocks != NULL;
}

static bool visit_clock(const char *root, const char *name, void *context)
{
	struct discovery *d = context;
	struct clock_info *c;
	unsigned index;

	if (!index_of(name, &index)) {
		problems_add(&d->problems, CLASS_DIRECTORY "/%.64s is not named ptpN: ignored",
			     name);
		return true;
	}
	if (d->n_clocks == DISCOVER_MAX_CLOCKS) {
		problems_add(&d->problems, "there are more than %u PTP clocks: the rest is ignored",
			     DISCOVER_MAX_CLOCKS);
		return false;
	}
	if (!grow(d)) {
		problems_add(&d->problems, "out of memory after %u PTP clocks", d->n_clocks);
		return false;
	}
	c = &d->clocks[d->n_clocks++];
	memset(c, 0, sizeof(*c));
	c->index = index;
	read_name(root, d, c);
	read_device_number(root, c);
	read_registration(root, c);
	read_device(root, d, c);
	read_node(root, c);
	return true;
}

static bool visit_pci(const char *root, const char *name, void *context)
{
	struct discovery *d = context;
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
		problems_add(&d->problems,
			     "there are more than %u CIPU clock functions: the rest is ignored",
			     DISCOVER_MAX_FUNCTIONS);
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

/* udev creates its links in /dev: any link there that leads to a node beside it. */
static bool visit_dev(const char *root, const char *name, void *context)
{
	char path[DISCOVER_NAME_SIZE], base[DISCOVER_NAME_SIZE];
	struct discovery *d = context;
	unsigned index;

	if ((size_t)snprintf(path, sizeof(path), "/dev/%.*s", (int)sizeof(path), name) >=
		    sizeof(path) ||
	    index_of(name, &index) || !text_link_base(root, path, base, sizeof(base)) ||
	    !index_of(base, &index))
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

/* A kernel without PTP has no class directory; without /sys/class nothing can be said. */
static void read_class(const char *root, struct discovery *d)
{
	char full[TEXT_PATH_SIZE];
	int err = each_entry(root, CLASS_DIRECTORY, visit_clock, d);

	if (err == -ENOENT && !text_path(full, sizeof(full), root, "/sys/class") &&
	    access(full, F_OK))
		problems_add(&d->problems, "cannot read %.128s/sys/class: %s; is sysfs mounted?",
			     root, strerror(errno));
	else if (err && err != -ENOENT)
		cannot_read(d, CLASS_DIRECTORY, err);
}

int discover(const char *root, struct discovery *d)
{
	int err;

	memset(d, 0, sizeof(*d));
	d->clocks = calloc(1, sizeof(*d->clocks));
	if (!d->clocks)
		return -ENOMEM;
	read_class(root, d);
	err = each_entry(root, PCI_DIRECTORY, visit_pci, d);
	if (err && err != -ENOENT)
		cannot_read(d, PCI_DIRECTORY, err);
	err = d->n_clocks ? each_entry(root, "/dev", visit_dev, d) : 0;
	if (err && err != -ENOENT)
		cannot_read(d, "/dev", err);
	qsort(d->clocks, d->n_clocks, sizeof(d->clocks[0]), compare_clocks);
	qsort(d->functions, d->n_functions, sizeof(d->functions[0]), compare_functions);
	for (unsigned i = 0; i < d->n_clocks; i++)
		qsort(d->clocks[i].links, d->clocks[i].n_links, DISCOVER_NAME_SIZE, compare_links);
	return 0;
}

void discover_free(struct discovery *d)
{
	free(d->clocks);
	d->clocks = NULL;
}

/* Whether a path, also a link in another directory, leads to the node of the clock. */
static bool is_same_node(const char *root, const struct clock_info *c, const char *path)
{
	char full[TEXT_PATH_SIZE];
	struct stat a, b;

	if (*path != '/' || !c->has_node || text_path(full, sizeof(full), root, path) ||
	    stat(full, &a) || text_path(full, sizeof(full), root, c->node) || stat(full, &b))
		return false;
	return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool clock_has_name(const char *root, const struct clock_info *c, const char *name)
{
	if (!strcmp(name, c->node) || !strcmp(name, c->node + strlen("/dev/")) ||
	    (*c->pci_address && !strcmp(name, c->pci_address)))
		return true;
	for (unsigned i = 0; i < c->n_links; i++) {
		if (!strcmp(name, c->links[i]))
			return true;
	}
	for (unsigned i = 0; i < c->n_interfaces; i++) {
		if (!strcmp(name, c->interfaces[i]))
			return true;
	}
	return is_same_node(root, c, name);
}
