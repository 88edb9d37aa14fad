// SPDX-License-Identifier: GPL-3.0-or-later
/* Clocks, functions and attributes of simulated hosts. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cipu.h"
#include "discover.h"
#include "tree.h"

#define CIPU_DIRECTORY "/sys/class/ptp/ptp0/device/cipu"

static const struct discovery *look(void **state)
{
	static struct discovery d;

	discover_free(&d);
	assert_int_equal(discover(((struct tree *)*state)->root, &d), 0);
	return &d;
}

static void add_function(const struct tree *tree, const char *address, const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/vendor", address);
	tree_file(tree, path, "0x1ded\n");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/device", address);
	tree_file(tree, path, "0x500c\n");
	if (!driver)
		return;
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	tree_link(tree, path, driver);
}

/* ptpN of a PCI device, as sysfs links it. */
static void add_clock(const struct tree *tree, unsigned index, const char *name,
		      const char *address)
{
	char path[128], target[128];

	snprintf(path, sizeof(path), "/sys/class/ptp/ptp%u/clock_name", index);
	tree_file(tree, path, name);
	snprintf(path, sizeof(path), "/dev/ptp%u", index);
	tree_file(tree, path, "");
	if (!address)
		return;
	snprintf(path, sizeof(path), "/sys/class/ptp/ptp%u/device", index);
	snprintf(target, sizeof(target), "../../../bus/pci/devices/%s", address);
	tree_link(tree, path, target);
}

static bool has_problem(const struct discovery *d, const char *text)
{
	for (unsigned i = 0; i < d->problems.n; i++) {
		if (strstr(d->problems.text[i], text))
			return true;
	}
	return false;
}

static void a_host_without_clocks_has_none(void **state)
{
	const struct discovery *d;

	tree_directory(*state, "/sys");
	tree_directory(*state, "/sys/class");
	d = look(state);
	assert_int_equal(d->n_clocks, 0);
	assert_int_equal(d->n_functions, 0);
	assert_int_equal(d->problems.n, 0);
}

static void a_missing_sysfs_is_a_problem(void **state)
{
	assert_true(has_problem(look(state), "is sysfs mounted?"));
}

/* Root may read everything, so what cannot be read here is not a directory. */
static void a_directory_that_cannot_be_read_is_a_problem(void **state)
{
	const struct discovery *d;

	tree_file(*state, "/sys/class/ptp", "");
	tree_file(*state, "/sys/bus/pci/devices", "");
	d = look(state);
	assert_true(has_problem(d, "cannot read /sys/class/ptp: Not a directory"));
	assert_true(has_problem(d, "cannot read /sys/bus/pci/devices: Not a directory"));
}

static void a_clock_has_many_names(void **state)
{
	const char *root = ((struct tree *)*state)->root;
	const struct clock_info *c;

	add_clock(*state, 0, "eth0\n", "0000:00:05.0");
	tree_directory(*state, "/sys/bus/pci/devices");
	tree_file(*state, "/sys/bus/pci/devices/0000:00:05.0/net/eth0/mtu", "1500\n");
	tree_file(*state, "/sys/bus/pci/devices/0000:00:05.0/net/enp0s5/mtu", "1500\n");
	tree_link(*state, "/dev/hyperv0", "ptp0");
	tree_link(*state, "/dev/clock/nic", "../ptp0");
	tree_link(*state, "/dev/elsewhere", "null");
	c = &look(state)->clocks[0];
	assert_int_equal(c->kind, CLOCK_NIC);
	assert_int_equal(c->n_links, 1);
	assert_string_equal(c->links[0], "/dev/hyperv0");
	for (const char *const *name =
		     (const char *const[]){ "ptp0", "/dev/ptp0", "eth0", "enp0s5", "0000:00:05.0",
					    "/dev/hyperv0", "/dev/clock/nic", NULL };
	     *name; name++)
		assert_true(clock_has_name(root, c, *name));
	for (const char *const *name = (const char *const[]){ "", "ptp1", "eth", "/dev/elsewhere",
							      "/dev", "0000:00:05.1", NULL };
	     *name; name++)
		assert_false(clock_has_name(root, c, *name));
}

static void ena_states_an_error_bound(void **state)
{
	static const struct {
		const char *text;
		bool known;
	} rows[] = { { "24000\n", true }, { "4294967295\n", false }, { "-1\n", false } };

	add_clock(*state, 0, "ena-ptp-0000:00:05.0\n", "0000:00:05.0");
	for (unsigned i = 0; i < N_OF(rows); i++) {
		const struct discovery *d;

		tree_file(*state, "/sys/bus/pci/devices/0000:00:05.0/phc_error_bound",
			  rows[i].text);
		d = look(state);
		assert_int_equal(d->clocks[0].has_error_bound, rows[i].known);
		assert_int_equal(d->clocks[0].error_bound_ns, rows[i].known ? 24000 : 0);
	}
}

static void a_cipu_clock_is_described(void **state)
{
	const struct clock_info *c;
	const struct discovery *d;

	add_function(*state, "0000:00:10.0", "../../../drivers/ptp_cipu");
	add_clock(*state, 0, "ptp_cipu\n", "0000:00:10.0");
	tree_file(*state, "/sys/class/ptp/ptp0/dev", "248:0\n");
	tree_link(*state, "/dev/ptp_cipu", "ptp0");
	tree_link(*state, "/dev/ptp_cipu-0000:00:10.0", "ptp0");
	tree_link(*state, "/dev/ptp_other", "ptp7");
	d = look(state);
	assert_int_equal(d->n_clocks, 1);
	c = &d->clocks[0];
	assert_int_equal(c->kind, CLOCK_CIPU);
	assert_string_equal(c->name, "ptp_cipu");
	assert_string_equal(c->node, "/dev/ptp0");
	assert_string_equal(c->pci_address, "0000:00:10.0");
	assert_string_equal(c->driver, "ptp_cipu");
	assert_int_equal(c->n_links, 2);
	assert_string_equal(c->links[0], "/dev/ptp_cipu");
	assert_string_equal(c->links[1], "/dev/ptp_cipu-0000:00:10.0");
	assert_true(c->rdev != 0);
	assert_true(c->has_node);
}

static void a_function_without_a_driver_is_reported(void **state)
{
	const struct discovery *d;

	add_function(*state, "0000:00:11.0", NULL);
	tree_file(*state, "/sys/bus/pci/devices/0000:00:01.0/vendor", "0x8086\n");
	tree_file(*state, "/sys/bus/pci/devices/not-an-address/vendor", "0x1ded\n");
	d = look(state);
	assert_int_equal(d->n_functions, 1);
	assert_string_equal(d->functions[0].pci_address, "0000:00:11.0");
	assert_string_equal(d->functions[0].driver, "");
}

static void clocks_are_sorted_and_bad_names_reported(void **state)
{
	const struct discovery *d;

	add_clock(*state, 10, "eth0\n", NULL);
	add_clock(*state, 2, "KVM virtual PTP\n", NULL);
	tree_directory(*state, "/sys/class/ptp/ptp02");
	tree_directory(*state, "/sys/class/ptp/ptp0x3");
	tree_directory(*state, "/sys/class/ptp/ptpx");
	tree_directory(*state, "/sys/class/ptp/ptp99999999999");
	d = look(state);
	assert_int_equal(d->n_clocks, 2);
	assert_int_equal(d->clocks[0].index, 2);
	assert_int_equal(d->clocks[0].kind, CLOCK_KVM);
	assert_int_equal(d->clocks[1].index, 10);
	assert_int_equal(d->problems.n, 4);
	assert_true(has_problem(d, "/sys/class/ptp/ptp0x3 is not named ptpN"));
}

static void hostile_sysfs_is_survived(void **state)
{
	const struct discovery *d;
	char *huge = calloc(1, 1 << 20);

	memset(huge, 'A', 1 << 20);
	tree_bytes(*state, "/sys/class/ptp/ptp0/clock_name", huge, 1 << 20);
	free(huge);
	tree_bytes(*state, "/sys/class/ptp/ptp1/clock_name", "\xff\x00\x1b[2J", 6);
	tree_link(*state, "/sys/class/ptp/ptp2", "ptp2");
	tree_fifo(*state, "/sys/class/ptp/ptp3/clock_name");
	tree_link(*state, "/sys/class/ptp/ptp1/device", "device");
	tree_file(*state, "/sys/class/ptp/ptp1/dev", "999999999999:-1\n");
	tree_link(*state, "/dev/ptp_loop", "ptp_loop");
	d = look(state);
	assert_int_equal(d->n_clocks, 4);
	assert_true(has_problem(d, "cannot read /sys/class/ptp/ptp0/clock_name"));
	for (unsigned i = 0; i < d->n_clocks; i++) {
		assert_string_equal(d->clocks[i].name, "");
		assert_int_equal(d->clocks[i].kind, CLOCK_UNKNOWN);
		assert_string_equal(d->clocks[i].pci_address, "");
		assert_false(d->clocks[i].has_node);
	}
}

static void many_clocks_are_all_found(void **state)
{
	const struct discovery *d;
	char path[64];

	for (unsigned i = 0; i <= DISCOVER_MAX_CLOCKS; i++) {
		snprintf(path, sizeof(path), "/sys/class/ptp/ptp%u/clock_name", i);
		tree_file(*state, path, "nic\n");
		if (i != 200)
			continue;
		d = look(state);
		assert_int_equal(d->n_clocks, 201);
		assert_int_equal(d->problems.n, 0);
		assert_int_equal(d->clocks[200].index, 200);
	}
	d = look(state);
	assert_int_equal(d->n_clocks, DISCOVER_MAX_CLOCKS);
	assert_true(has_problem(d, "more than 1024 PTP clocks"));
}

static void kinds_follow_name_driver_and_network(void **state)
{
	static const struct {
		const char *name, *driver;
		bool has_net;
		enum clock_kind kind;
	} rows[] = {
		{ "ptp_cipu", "ptp_cipu", false, CLOCK_CIPU },
		{ "vmclock0", "vmclock", false, CLOCK_VMCLOCK },
		{ "KVM virtual PTP", "", false, CLOCK_KVM },
		{ "hyperv", "hv_utils", false, CLOCK_HYPERV },
		{ "ena-ptp-0000:00:05.0", "ena", true, CLOCK_ENA },
		{ "ptp_vmw", "ptp_vmw", false, CLOCK_VMWARE },
		{ "gve clock", "gve", true, CLOCK_GVE },
		{ "something", "gvnic", true, CLOCK_GVE },
		{ "mlx5_ptp", "mlx5_core", true, CLOCK_NIC },
		{ "", "", false, CLOCK_UNKNOWN },
	};

	(void)state;
	for (unsigned i = 0; i < N_OF(rows); i++)
		assert_int_equal(clock_kind_of(rows[i].name, rows[i].driver, rows[i].has_net),
				 rows[i].kind);
}

static void pci_addresses_have_their_form(void **state)
{
	static const char *const bad[] = { "",
					   "0000:00:10",
					   "0000:00:10.",
					   "0000:00:10.00",
					   "000:00:10.0",
					   "0000-00:10.0",
					   "000000000:00:10.0",
					   "virtio0",
					   "0000:0g:10.0" };

	(void)state;
	assert_true(is_pci_address("0000:00:10.0"));
	assert_true(is_pci_address("10000:e1:00.0"));
	for (unsigned i = 0; i < N_OF(bad); i++)
		assert_false(is_pci_address(bad[i]));
}

static void attributes_that_exist_are_read(void **state)
{
	int64_t precision_ns;
	struct cipu cipu;

	tree_file(*state, CIPU_DIRECTORY "/reg_sync_stat", "0x82\n");
	tree_file(*state, CIPU_DIRECTORY "/reg_tm_prec_ns", "0x64\n");
	tree_file(*state, CIPU_DIRECTORY "/reg_thresh_us", "rubbish\n");
	tree_file(*state, CIPU_DIRECTORY "/drv_cap", "0xe\n");
	tree_file(*state, CIPU_DIRECTORY "/ptp_gettm", "0xffffffffffffffff\n");
	tree_file(*state, CIPU_DIRECTORY "/dev_clk_abn_rec", "0x3\n");
	assert_true(cipu_read(((struct tree *)*state)->root, CIPU_DIRECTORY, &cipu));
	assert_int_equal(cipu.registers[CIPU_SYNC_STAT].value,
			 cipu_conditions[1].bit | cipu_conditions[3].bit);
	assert_true(cipu_claimed_precision_ns(&cipu, &precision_ns));
	assert_int_equal(precision_ns, 100);
	assert_false(cipu.is_gone);
	assert_false(cipu.registers[CIPU_THRESH_US].known);
	assert_false(cipu.registers[CIPU_DEV_STAT].known);
	assert_int_equal(cipu.drv_cap.value, 14);
	assert_true(cipu.counters[CIPU_GETTM].value == UINT64_MAX);
	assert_int_equal(cipu.counters[CIPU_CLK_ABN_REC].value, 3);
}

/* A PCI read of a device that is gone returns all ones. */
static void all_ones_are_never_data(void **state)
{
	const char *root = ((struct tree *)*state)->root;
	int64_t precision_ns = 7;
	struct cipu cipu;

	tree_file(*state, CIPU_DIRECTORY "/reg_tm_prec_ns", "0xffffffffffffffff\n");
	assert_true(cipu_read(root, CIPU_DIRECTORY, &cipu));
	assert_false(cipu_claimed_precision_ns(&cipu, &precision_ns));
	assert_int_equal(precision_ns, 0);
	tree_file(*state, CIPU_DIRECTORY "/reg_tm_prec_ns", "0xffffffff\n");
	tree_file(*state, CIPU_DIRECTORY "/reg_dev_stat", "0x2\n");
	cipu_read(root, CIPU_DIRECTORY, &cipu);
	assert_false(cipu.registers[CIPU_TM_PREC_NS].known);
	assert_true(cipu.registers[CIPU_DEV_STAT].known);
	assert_false(cipu.is_gone);
	tree_file(*state, CIPU_DIRECTORY "/reg_dev_stat", "0xffffffff\n");
	tree_file(*state, CIPU_DIRECTORY "/reg_gst_feat", "0xe\n");
	cipu_read(root, CIPU_DIRECTORY, &cipu);
	assert_true(cipu.is_gone);
}

static void a_device_whose_registers_are_all_ones_is_gone(void **state)
{
	struct cipu cipu;

	tree_file(*state, CIPU_DIRECTORY "/reg_sync_stat", "0xffffffff\n");
	cipu_read(((struct tree *)*state)->root, CIPU_DIRECTORY, &cipu);
	assert_true(cipu.is_gone);
	assert_false(cipu.registers[CIPU_SYNC_STAT].known);
}

static void no_attribute_is_no_cipu(void **state)
{
	struct cipu cipu;

	assert_false(cipu_read(((struct tree *)*state)->root, CIPU_DIRECTORY, &cipu));
	assert_null(cipu_feature_name(4));
	assert_string_equal(cipu_feature_name(1), "epoch");
}

#define in_a_tree(test) cmocka_unit_test_setup_teardown(test, tree_set_up, tree_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_a_tree(a_host_without_clocks_has_none),
		in_a_tree(a_missing_sysfs_is_a_problem),
		in_a_tree(a_directory_that_cannot_be_read_is_a_problem),
		in_a_tree(a_clock_has_many_names),
		in_a_tree(ena_states_an_error_bound),
		in_a_tree(a_cipu_clock_is_described),
		in_a_tree(a_function_without_a_driver_is_reported),
		in_a_tree(clocks_are_sorted_and_bad_names_reported),
		in_a_tree(hostile_sysfs_is_survived),
		in_a_tree(many_clocks_are_all_found),
		cmocka_unit_test(kinds_follow_name_driver_and_network),
		cmocka_unit_test(pci_addresses_have_their_form),
		in_a_tree(attributes_that_exist_are_read),
		in_a_tree(all_ones_are_never_data),
		in_a_tree(a_device_whose_registers_are_all_ones_is_gone),
		in_a_tree(no_attribute_is_no_cipu),
	};

	return cmocka_run_group_tests_name("discover", tests, NULL, NULL);
}
