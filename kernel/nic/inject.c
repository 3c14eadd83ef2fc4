// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * On the host: puts frames on the guest's wire that a broken or hostile neighbour would send, 100 in a second, until it is killed: TCP
 * segments with a wrong checksum, UDP datagrams with a wrong one, a protocol that nobody sums, and runts. Says the two UDP ports of the
 * wire: its own, and the one that QEMU is to have.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int port(int s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	return bind(s, (void *)&at, len) || getsockname(s, (void *)&at, &len) ? -1 : ntohs(at.sin_port);
}

static uint16_t sum(const uint8_t *at, int len)
{
	uint32_t sum = 0;

	for (int i = 0; i < len; i += 2)
		sum += at[i] << 8 | at[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

int main(void)
{
	static const uint8_t ethernet[14] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 8, 0 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_DGRAM, 0), other = socket(AF_INET, SOCK_DGRAM, 0), own = port(s), theirs = port(other);
	struct timespec pause = { 0, 10000000 };

	if (own < 0 || theirs < 0)
		return 1;
	/* QEMU takes this port over as soon as it starts. */
	close(other);
	printf("%d %d\n", own, theirs);
	fflush(stdout);
	fclose(stdout);
	to.sin_port = htons(theirs);
	for (unsigned int n = 0;; n++) {
		static const uint8_t protocols[] = { 6, 17, 132, 6 };
		uint8_t frame[700] = { 0 }, *ip = frame + 14, *l4 = ip + 20;
		uint16_t check;
		int len = n % 4 == 3 ? 60 : (int)sizeof(frame);

		memcpy(frame, ethernet, sizeof(ethernet));
		memcpy(ip, (uint8_t[]){ 0x45, 0, (len - 14) >> 8, len - 14, 0, 1, 0, 0, 64, protocols[n % 4], 0, 0, 10, 0, 2, 2, 10, 0, 2, 15 }, 20);
		check = sum(ip, 20);
		ip[10] = check >> 8;
		ip[11] = check;
		memcpy(l4, (uint8_t[]){ 4, 210, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 3, 232, 0xde, 0xad, 0, 0 }, 20);
		if (protocols[n % 4] == 17)
			memcpy(l4 + 4, (uint8_t[]){ (len - 34) >> 8, len - 34, 0xbe, 0xef }, 4);
		sendto(s, frame, len, 0, (void *)&to, sizeof(to));
		nanosleep(&pause, NULL);
	}
}
