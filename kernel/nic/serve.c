// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* On the host: sends the pattern to a client that asks for it, and checks what another one sends. One at a time per process. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include "pattern.h"

static uint8_t buffer[1 << 16];

static void down(int c, uint64_t bytes)
{
	for (uint64_t sent = 0; sent < bytes;) {
		size_t n = bytes - sent < sizeof(buffer) ? bytes - sent : sizeof(buffer);

		for (size_t i = 0; i < n; i++)
			buffer[i] = pattern(sent + i);
		for (size_t done = 0; done < n;) {
			ssize_t r = send(c, buffer + done, n - done, MSG_NOSIGNAL);

			if (r <= 0)
				return;
			done += r;
		}
		sent += n;
	}
	shutdown(c, SHUT_WR);
	/* until the client closes: what it did not take is reset otherwise */
	while (recv(c, buffer, sizeof(buffer), 0) > 0)
		;
}

static void up(int c, uint64_t bytes)
{
	uint64_t got = 0, wrong = 0;
	ssize_t n = 1;

	while (got < bytes && (n = recv(c, buffer, sizeof(buffer), 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			wrong += buffer[i] != pattern(got++);
	wrong += bytes - got;
	send(c, &wrong, sizeof(wrong), MSG_NOSIGNAL);
}

int main(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int s = socket(AF_INET, SOCK_STREAM, 0), c;
	struct order order;

	if (bind(s, (void *)&at, len) || listen(s, 16) || getsockname(s, (void *)&at, &len))
		return 1;
	printf("%d\n", ntohs(at.sin_port));
	fflush(stdout);
	signal(SIGCHLD, SIG_IGN);
	while ((c = accept(s, NULL, NULL)) >= 0) {
		if (!fork()) {
			if (recv(c, &order, sizeof(order), MSG_WAITALL) == sizeof(order))
				(order.up ? up : down)(c, order.bytes);
			return 0;
		}
		close(c);
	}
	return 0;
}
