// SPDX-License-Identifier: GPL-3.0-or-later
/*
 * Reads a PTP clock in every possible way and prints the results as JSON.
 * It works with any PTP clock and uses only what each program on a host may use.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/ptp_clock.h>
#include <linux/reboot.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define ERRNOS 256
#define VALUES_MAX 65536

enum method { EXTENDED, BASIC, GETTIME, METHODS };
static const char *const method_names[METHODS] = { "extended", "basic", "gettime" };

struct result {
	uint64_t ok, err[ERRNOS];
	int64_t phc_ns, offset_ns, bracket_ns;	/* of the last sample */
};

/* With the field clockid of Linux 6.12, which the headers of the build host may lack. */
struct extended {
	uint32_t n_samples;
	int32_t clockid;
	uint32_t rsv[2];
	struct ptp_clock_time ts[PTP_MAX_SAMPLES][3];
};

static int64_t ns(struct ptp_clock_time t)
{
	return t.sec * 1000000000LL + t.nsec;
}

static int64_t now(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sample(struct result *r, int64_t pre, int64_t phc, int64_t post)
{
	r->phc_ns = phc;
	r->offset_ns = phc - pre - (post - pre) / 2;
	r->bracket_ns = post - pre;
}

/* Returns 0 or an errno. */
static int read_once(int fd, enum method method, int clockid, int samples, struct result *r)
{
	struct ptp_sys_offset basic = { .n_samples = samples };
	struct extended ext = { .n_samples = samples, .clockid = clockid };
	struct timespec ts;
	int last = samples - 1;

	switch (method) {
	case EXTENDED:
		if (ioctl(fd, _IOWR('=', 9, struct extended), &ext))
			return errno;
		sample(r, ns(ext.ts[last][0]), ns(ext.ts[last][1]), ns(ext.ts[last][2]));
		return 0;
	case BASIC:
		if (ioctl(fd, PTP_SYS_OFFSET, &basic))
			return errno;
		sample(r, ns(basic.ts[2 * last]), ns(basic.ts[2 * last + 1]),
		       ns(basic.ts[2 * last + 2]));
		return 0;
	default:
		if (clock_gettime((clockid_t)(~(unsigned int)fd << 3 | 3), &ts))
			return errno;
		r->phc_ns = ts.tv_sec * 1000000000LL + ts.tv_nsec;
		return 0;
	}
}

static void count(struct result *r, int err)
{
	if (!err)
		r->ok++;
	else
		r->err[err < ERRNOS ? err : 0]++;
}

static void print(const struct result *r)
{
	const char *comma = "";

	printf("{\"ok\":%llu,\"errors\":{", (unsigned long long)r->ok);
	for (int i = 0; i < ERRNOS; i++) {
		if (!r->err[i])
			continue;
		printf("%s\"%s\":%llu", comma, strerrorname_np(i) ?: "?",
		       (unsigned long long)r->err[i]);
		comma = ",";
	}
	printf("},\"phc_ns\":%lld,\"offset_ns\":%lld,\"bracket_ns\":%lld}\n",
	       (long long)r->phc_ns, (long long)r->offset_ns, (long long)r->bracket_ns);
}

static enum method method_of(const char *name)
{
	for (int i = 0; i < METHODS; i++)
		if (!strcmp(name, method_names[i]))
			return i;
	exit(2);
}

static int open_clock(const char *path)
{
	int fd = open(path, O_RDWR);

	if (fd < 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

/* read DEV METHOD CLOCKID SAMPLES CALLS */
static int cmd_read(char **arg)
{
	struct result r = { 0 };
	int fd = open_clock(arg[0]);

	for (int i = 0; i < atoi(arg[4]); i++)
		count(&r, read_once(fd, method_of(arg[1]), atoi(arg[2]), atoi(arg[3]), &r));
	print(&r);
	return 0;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void print_sorted(const char *name, int64_t *values, int n)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	printf("{\"name\":\"%s\",\"n\":%d,\"min_ns\":%lld,\"median_ns\":%lld,\"max_ns\":%lld}\n",
	       name, n, (long long)values[0], (long long)values[n / 2],
	       (long long)values[n - 1]);
}

/* time DEV ERRNO CALLS: print the duration of calls that fail with this errno */
static int cmd_time(char **arg)
{
	static int64_t values[VALUES_MAX];
	int fd = open_clock(arg[0]), n = 0, tries = 100 * atoi(arg[2]);
	struct result r;

	while (n < atoi(arg[2]) && n < VALUES_MAX && tries--) {
		int64_t start = now(CLOCK_MONOTONIC_RAW);
		int err = read_once(fd, EXTENDED, CLOCK_REALTIME, 1, &r);
		int64_t end = now(CLOCK_MONOTONIC_RAW);

		if (err && !strcmp(strerrorname_np(err) ?: "?", arg[1]))
			values[n++] = end - start;
	}
	if (!n)
		return 1;
	print_sorted(arg[1], values, n);
	return 0;
}

struct load {
	const char *path;
	int64_t until;
	int clockids, reopen;
	unsigned int seed;
	struct result r;
};

/*
 * Opens a node, or the clock of a function of which PATH is the folder in
 * sysfs, once its driver has probed. A function gets another number when it
 * returns while its former clock is open. Its former number may be another
 * function's by then, which may be in the middle of its probe.
 */
static int open_load(const char *path)
{
	char name[PATH_MAX];
	struct dirent *entry;
	DIR *folder;
	int fd = -1;

	if (!strncmp(path, "/dev/", 5))
		return open(path, O_RDWR);
	snprintf(name, sizeof(name), "%s/cipu", path);
	if (access(name, F_OK))
		return -1;
	snprintf(name, sizeof(name), "%s/ptp", path);
	folder = opendir(name);
	if (!folder)
		return -1;
	errno = ENOENT;
	while (fd < 0 && (entry = readdir(folder))) {
		if (strncmp(entry->d_name, "ptp", 3))
			continue;
		snprintf(name, sizeof(name), "/dev/%s", entry->d_name);
		fd = open(name, O_RDWR);
	}
	closedir(folder);
	return fd;
}

/* Reads by every method, with random parameters and without pauses. */
static void *load_thread(void *data)
{
	static const int clockids[] = { CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW };
	struct load *l = data;
	int fd = open_load(l->path);

	while (now(CLOCK_MONOTONIC) < l->until && access("/tmp/stop", F_OK)) {
		int which = l->clockids ? clockids[rand_r(&l->seed) % 3] : CLOCK_REALTIME;
		int err;

		if (fd < 0 && l->reopen)
			fd = open_load(l->path);
		if (fd < 0) {
			count(&l->r, errno);
			usleep(1000);
			continue;
		}
		err = read_once(fd, rand_r(&l->seed) % METHODS, which,
				1 + (int)(rand_r(&l->seed) % 25), &l->r);
		count(&l->r, err);
		if (err == ENODEV && l->reopen) {
			close(fd);
			fd = -1;
		}
		/* The driver needs CPU time to recover. */
		if (err)
			usleep(1000);
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/*
 * load PATH SECONDS THREADS CLOCKIDS REOPEN: run until the time is up or
 * /tmp/stop exists. PATH is a node, or a function's folder in sysfs. REOPEN is
 * 1 to open a clock again that was removed.
 */
static int cmd_load(char **arg)
{
	int threads = atoi(arg[2]);
	struct load *loads = calloc((size_t)threads, sizeof(*loads));
	pthread_t *ids = calloc((size_t)threads, sizeof(*ids));
	struct result sum = { 0 };

	for (int i = 0; i < threads; i++) {
		loads[i].path = arg[0];
		loads[i].until = now(CLOCK_MONOTONIC) + atoi(arg[1]) * 1000000000LL;
		loads[i].clockids = atoi(arg[3]);
		loads[i].reopen = atoi(arg[4]);
		loads[i].seed = (unsigned int)i;
		if (pthread_create(&ids[i], NULL, load_thread, &loads[i]))
			return 1;
	}
	for (int i = 0; i < threads; i++) {
		pthread_join(ids[i], NULL);
		sum.ok += loads[i].r.ok;
		for (int e = 0; e < ERRNOS; e++)
			sum.err[e] += loads[i].r.err[e];
	}
	print(&sum);
	return 0;
}

static const char *errno_name(int failed)
{
	return failed ? strerrorname_np(errno) : "0";
}

/* control DEV: print the result of each call that would change the clock */
static int cmd_control(char **arg)
{
	int fd = open_clock(arg[0]);
	clockid_t id = (clockid_t)(~(unsigned int)fd << 3 | 3);
	struct timespec ts = { .tv_sec = 1 };
	struct timex offset = { .modes = ADJ_SETOFFSET, .time.tv_sec = 1 };
	struct timex frequency = { .modes = ADJ_FREQUENCY, .freq = 0 };
	struct ptp_extts_request extts = { .flags = PTP_ENABLE_FEATURE };
	struct ptp_sys_offset_precise precise = { 0 };

	printf("{\"settime\":\"%s\"", errno_name(clock_settime(id, &ts)));
	printf(",\"adjtime\":\"%s\"", errno_name(clock_adjtime(id, &offset) < 0));
	printf(",\"adjfine\":\"%s\"", errno_name(clock_adjtime(id, &frequency) < 0));
	printf(",\"extts\":\"%s\"", errno_name(ioctl(fd, PTP_EXTTS_REQUEST, &extts)));
	printf(",\"pps\":\"%s\"", errno_name(ioctl(fd, PTP_ENABLE_PPS, 1)));
	printf(",\"precise\":\"%s\"}\n",
	       errno_name(ioctl(fd, PTP_SYS_OFFSET_PRECISE, &precise)));
	return 0;
}

/* map FILE: print the result of mapping it */
static int cmd_map(char **arg)
{
	int fd = open(arg[0], O_RDONLY);

	if (fd < 0)
		return 1;
	printf("%s\n", errno_name(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED));
	return 0;
}

/* step NANOSECONDS: step the system clock */
static int cmd_step(char **arg)
{
	int64_t to = now(CLOCK_REALTIME) + atoll(arg[0]);
	struct timespec ts = { .tv_sec = to / 1000000000, .tv_nsec = to % 1000000000 };

	return clock_settime(CLOCK_REALTIME, &ts) != 0;
}

/* kexec KERNEL INITRD CMDLINE: boot another kernel */
static int cmd_kexec(char **arg)
{
	int kernel = open(arg[0], O_RDONLY), initrd = open(arg[1], O_RDONLY);

	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(arg[2]) + 1, arg[2], 0UL)) {
		perror("kexec_file_load");
		return 1;
	}
	syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
		LINUX_REBOOT_CMD_KEXEC, NULL);
	perror("reboot");
	return 1;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} commands[] = {
	{ "read", 5, cmd_read }, { "time", 3, cmd_time },
	{ "load", 5, cmd_load }, { "control", 1, cmd_control }, { "map", 1, cmd_map },
	{ "step", 1, cmd_step }, { "kexec", 3, cmd_kexec },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) &&
		    argc == commands[i].args + 2)
			return commands[i].run(argv + 2);
	fprintf(stderr, "phc: bad command\n");
	return 2;
}
