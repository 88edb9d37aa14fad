// SPDX-License-Identifier: GPL-3.0-or-later
/* A driver for fuzz targets where there is no libFuzzer: every seed, and mutations of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define MUTATIONS 3000
#define MAX_SIZE 8192

static uint64_t random_word(void)
{
	static uint64_t x = 88172645463325252u;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

/* In a buffer of just its size, so that the sanitizer sees a byte too far. */
static void try_input(const uint8_t *data, size_t size)
{
	uint8_t *exact = malloc(size ? size : 1);

	if (size)
		memcpy(exact, data, size);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

static void mutate(const uint8_t *seed, size_t size)
{
	static uint8_t copy[MAX_SIZE];
	unsigned changes = 1 + random_word() % 4;
	size_t length = size;

	memcpy(copy, seed, size);
	while (changes--) {
		size_t at = length ? random_word() % length : 0;

		switch (random_word() % 4) {
		case 0:
			length = at;
			break;
		case 1:
			copy[at] = (uint8_t)random_word();
			break;
		case 2:
			copy[at] ^= (uint8_t)(1u << random_word() % 8);
			break;
		default:
			if (length < MAX_SIZE)
				copy[length++] = copy[at];
		}
	}
	try_input(copy, length);
}

static int replay(const char *path)
{
	static uint8_t seed[MAX_SIZE];
	FILE *file = fopen(path, "r");
	size_t size;

	if (!file) {
		perror(path);
		return 1;
	}
	size = fread(seed, 1, sizeof(seed), file);
	(void)fclose(file);
	try_input(seed, size);
	for (unsigned i = 0; i < MUTATIONS; i++)
		mutate(seed, size);
	return 0;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]))
			return 1;
	}
	printf("%s: %d seeds, %d mutations each: %d passed, 0 failed\n", argv[0], argc - 1,
	       MUTATIONS, argc - 1);
	return argc < 2;
}
