/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Byte `at` of a stream. Each byte depends on its place, and no period is short: a byte that comes twice or not at all is noticed. */
#ifndef NETMEM_PATTERN_H
#define NETMEM_PATTERN_H
#include <stdint.h>

static inline uint8_t pattern(uint64_t at)
{
	uint64_t word = (at / 8 + 1) * 0x9e3779b97f4a7c15u;

	word ^= word >> 32;
	word *= 0xd6e8feb86659fd93u;
	word ^= word >> 32;
	return word >> at % 8 * 8;
}

/* What a client asks of the server: so many bytes of the pattern, from it (0) or to it (1). A server that receives answers with how
 * many were wrong. */
struct order { uint64_t bytes, up; };

#endif
