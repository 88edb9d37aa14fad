// SPDX-License-Identifier: GPL-3.0-or-later
#include "vmclock.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "text.h"

#define VMCLOCK_MAGIC 0x4b4c4356u /* "VCLK" */
#define VMCLOCK_VERSION 1

/* Reads of a page that is being written, and the pause between them. */
#define READ_TRIES 5
#define READ_PAUSE_NS 2000000

/* Offsets of the fields, little endian: include/uapi/linux/vmclock-abi.h. */
enum offset {
	AT_MAGIC = 0,
	AT_SIZE = 4,
	AT_VERSION = 8,
	AT_COUNTER_ID = 10,
	AT_TIME_TYPE = 11,
	AT_SEQ_COUNT = 12,
	AT_DISRUPTION_MARKER = 16,
	AT_FLAGS = 24,
	AT_CLOCK_STATUS = 34,
	AT_SMEARING_HINT = 35,
	AT_TAI_OFFSET = 36,
	AT_LEAP_INDICATOR = 38,
	AT_PERIOD_SHIFT = 39,
	AT_COUNTER_VALUE = 40,
	AT_PERIOD = 48,
	AT_PERIOD_ESTERROR = 56,
	AT_PERIOD_MAXERROR = 64,
	AT_TIME_SEC = 72,
	AT_TIME_FRAC = 80,
	AT_TIME_ESTERROR = 88,
	AT_TIME_MAXERROR = 96,
	AT_VM_GENERATION = 104,
};

/* The fields up to the flags are mandatory. */
#define LEAST_SIZE (AT_FLAGS + 8)

struct page {
	const uint8_t *bytes;
	size_t size; /* bytes that the page claims and that could be read */
};

static uint64_t little_endian(const uint8_t *bytes, unsigned width)
{
	uint64_t value = 0;

	while (width--)
		value = value << 8 | bytes[width];
	return value;
}

static struct vmclock_u64 field(const struct page *page, enum offset at, unsigned width,
				bool is_valid)
{
	struct vmclock_u64 f = { is_valid && (size_t)at + width <= page->size, 0 };

	if (f.known)
		f.value = little_endian(page->bytes + at, width);
	return f;
}

static const char *name_of(const char *const *names, size_t count, uint64_t value)
{
	return value < count ? names[value] : NULL;
}

#define NAME_OF(names, value) name_of(names, sizeof(names) / sizeof((names)[0]), value)

const char *vmclock_counter_name(uint8_t counter_id)
{
	static const char *const names[] = { "arm_vcnt", "x86_tsc" };

	return counter_id == VMCLOCK_COUNTER_INVALID ? "invalid" : NAME_OF(names, counter_id);
}

const char *vmclock_time_type_name(uint64_t time_type)
{
	static const char *const names[] = { "utc", "tai", "monotonic", "smeared",
					     "maybe_smeared" };

	return NAME_OF(names, time_type);
}

const char *vmclock_status_name(uint64_t status)
{
	static const char *const names[] = { "unknown", "initializing", "synchronized",
					     "freerunning", "unreliable" };

	return NAME_OF(names, status);
}

const char *vmclock_smearing_name(uint64_t hint)
{
	static const char *const names[] = { "strict", "noon_linear", "utc_sls" };

	return NAME_OF(names, hint);
}

const char *vmclock_leap_name(uint64_t indicator)
{
	static const char *const names[] = { "none",	 "pre_positive",  "pre_negative",
					     "positive", "post_positive", "post_negative" };

	return NAME_OF(names, indicator);
}

/* Counter and time are valid only with a counter, and while the host states that they are. */
static bool has_time(const struct vmclock *v)
{
	return (v->counter_id == VMCLOCK_COUNTER_ARM_VCNT ||
		v->counter_id == VMCLOCK_COUNTER_X86_TSC) &&
	       v->time_type.value <= 2 && v->status.known &&
	       (v->status.value == VMCLOCK_SYNCHRONIZED || v->status.value == VMCLOCK_FREERUNNING);
}

/* The period is in units of 1/2^(64 + shift) of a second. */
static void parse_period(const struct page *page, struct vmclock *v)
{
	struct vmclock_u64 shift = field(page, AT_PERIOD_SHIFT, 1, true);
	struct vmclock_u64 period = field(page, AT_PERIOD, 8, shift.known);
	struct vmclock_u64 est = field(page, AT_PERIOD_ESTERROR, 8,
				       v->flags & VMCLOCK_FLAG_PERIOD_ESTERROR);
	struct vmclock_u64 max = field(page, AT_PERIOD_MAXERROR, 8,
				       v->flags & VMCLOCK_FLAG_PERIOD_MAXERROR);

	if (!period.known || !period.value)
		return;
	v->counter_hz.known = true;
	v->counter_hz.value = ldexp(1.0, 64 + (int)shift.value) / (double)period.value;
	v->period_est_error_ppb.known = est.known;
	v->period_est_error_ppb.value = 1e9 * (double)est.value / (double)period.value;
	v->period_max_error_ppb.known = max.known;
	v->period_max_error_ppb.value = 1e9 * (double)max.value / (double)period.value;
}

static void parse_time(const struct page *page, struct vmclock *v)
{
	struct vmclock_u64 fraction = field(page, AT_TIME_FRAC, 8, true);

	v->counter_value = field(page, AT_COUNTER_VALUE, 8, true);
	v->time_s = field(page, AT_TIME_SEC, 8, fraction.known);
	v->time_fraction_ns = fraction;
	/* 2^-64 s to ns without 128 bits: the top 32 bits resolve 0.23 ns */
	v->time_fraction_ns.value = ((fraction.value >> 32) * 1000000000) >> 32;
	v->time_est_error_ns = field(page, AT_TIME_ESTERROR, 8,
				     v->flags & VMCLOCK_FLAG_TIME_ESTERROR);
	v->time_max_error_ns = field(page, AT_TIME_MAXERROR, 8,
				     v->flags & VMCLOCK_FLAG_TIME_MAXERROR);
	parse_period(page, v);
}

static const char *check_header(const struct page *page, struct vmclock *v)
{
	if (page->size < LEAST_SIZE)
		return "the page is too short";
	if (little_endian(page->bytes + AT_MAGIC, 4) != VMCLOCK_MAGIC)
		return "the page has no VMClock magic";
	v->size = (uint32_t)little_endian(page->bytes + AT_SIZE, 4);
	v->version = (uint16_t)little_endian(page->bytes + AT_VERSION, 2);
	if (v->version != VMCLOCK_VERSION)
		return "the page has an unknown version";
	if (v->size < LEAST_SIZE)
		return "the page states a size that is too small";
	if (little_endian(page->bytes + AT_SEQ_COUNT, 4) & 1)
		return "the page is being written";
	return NULL;
}

void vmclock_parse(const uint8_t *bytes, size_t length, struct vmclock *v)
{
	struct page page = { bytes, length };
	struct vmclock_u64 tai_offset;
	bool has_counter;

	memset(v, 0, sizeof(*v));
	v->present = true;
	v->problem = check_header(&page, v);
	if (v->problem)
		return;
	if (page.size > v->size)
		page.size = v->size;
	v->counter_id = bytes[AT_COUNTER_ID];
	has_counter = v->counter_id != VMCLOCK_COUNTER_INVALID;
	v->time_type = field(&page, AT_TIME_TYPE, 1, has_counter);
	v->disruption_marker = little_endian(bytes + AT_DISRUPTION_MARKER, 8);
	v->flags = little_endian(bytes + AT_FLAGS, 8);
	v->status = field(&page, AT_CLOCK_STATUS, 1, true);
	v->smearing_hint = field(&page, AT_SMEARING_HINT, 1, has_counter);
	v->leap_indicator = field(&page, AT_LEAP_INDICATOR, 1, has_counter);
	tai_offset = field(&page, AT_TAI_OFFSET, 2,
			   has_counter && v->flags & VMCLOCK_FLAG_TAI_OFFSET);
	v->has_tai_offset = tai_offset.known;
	v->tai_offset_s = (int16_t)(uint16_t)tai_offset.value;
	v->vm_generation = field(&page, AT_VM_GENERATION, 8, v->flags & VMCLOCK_FLAG_VM_GENERATION);
	if (has_time(v))
		parse_time(&page, v);
}

/* Returns the length or -errno. Tests have a regular file in place of the device. */
static ssize_t read_page(const char *root, uint8_t *page)
{
	char full[TEXT_PATH_SIZE];
	struct stat st;
	ssize_t n = -EINVAL;
	int fd;

	if (text_path(full, sizeof(full), root, VMCLOCK_NODE))
		return -ENAMETOOLONG;
	fd = open(full, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode))) {
		n = read(fd, page, VMCLOCK_PAGE_SIZE);
		if (n < 0)
			n = -errno;
	}
	close(fd);
	return n;
}

void vmclock_read(const char *root, struct vmclock *v)
{
	const struct timespec pause = { 0, READ_PAUSE_NS };
	uint8_t page[VMCLOCK_PAGE_SIZE] = { 0 };
	ssize_t n = 0;

	memset(v, 0, sizeof(*v));
	for (unsigned i = 0; i < READ_TRIES; i++) {
		if (i)
			nanosleep(&pause, NULL);
		n = read_page(root, page);
		if (n < 0)
			break;
		vmclock_parse(page, (size_t)n, v);
		if (!v->size || !(little_endian(page + AT_SEQ_COUNT, 4) & 1))
			return;
	}
	if (n == -ENOENT)
		return;
	v->present = true;
	if (n < 0)
		v->problem = n == -EACCES ? "permission denied" : "cannot be read";
}
