// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * In the guest: clients of the netdev, through the kernel's own sockets. Every byte is checked against the pattern, and memory is
 * overwritten before it is given back, so that no byte can be right by chance. Each command says one line of counts.
 *
 *   guest plain PORT BYTES        recv()
 *   guest up PORT BYTES           send()
 *   guest devmem PORT BYTES       a udmabuf bound to the queue, recvmsg(MSG_SOCK_DEVMEM)
 *   guest hold PORT BYTES         the same; tokens are kept until nothing comes any more
 *   guest zcrx PORT BYTES         memory of this process registered with io_uring
 *   guest rebind TIMES            a udmabuf bound and let go
 *   guest ring ENTRIES            ethtool -G
 *   guest pools                   what the kernel's page pools have in flight
 *   guest flush                   has every CPU receive something
 *   guest stats                   ethtool -S beside what the kernel says of its page pools by netlink
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/io_uring.h>
#include <linux/netdev.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "pattern.h"

#define INTERFACE	"nm0"
#define PAGE		4096
#define PAGES		1024
#define MEMORY		(PAGES * PAGE)
/* numbers of 7.3 that older C libraries lack */
#define DEVMEM		0x2000000	/* MSG_SOCK_DEVMEM */
#define LINEAR		78		/* SCM_DEVMEM_LINEAR */
#define DMABUF		79		/* SCM_DEVMEM_DMABUF */
#define DONTNEED	80		/* SO_DEVMEM_DONTNEED */
struct fragment { __u64 offset; __u32 size, token, id, flags; };
struct tokens { __u32 start, count; };

#define say(...) (printf("nic: " __VA_ARGS__), putchar('\n'), fflush(stdout))

static void must(int ok, const char *what)
{
	if (ok)
		return;
	say("failed: %s: %s", what, strerror(errno));
	exit(1);
}

/* ---- netlink ---- */

struct request { struct nlmsghdr head; struct genlmsghdr genl; char attributes[256]; };
static union { struct nlmsghdr head; char bytes[1 << 16]; } reply;
static int reply_len;

static struct nlattr *put(struct request *r, int type, const void *data, int len)
{
	struct nlattr *a = (void *)((char *)r + r->head.nlmsg_len);

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy(a + 1, data, len);
	r->head.nlmsg_len += NLA_ALIGN(a->nla_len);
	return a;
}

static int ask(int sock, struct request *r)
{
	must(send(sock, r, r->head.nlmsg_len, 0) > 0, "netlink send");
	reply_len = recv(sock, &reply, sizeof(reply), 0);
	must(reply_len > 0, "netlink recv");
	if (reply.head.nlmsg_type != NLMSG_ERROR)
		return 0;
	for (int at = NLMSG_HDRLEN + sizeof(struct nlmsgerr); at + NLA_HDRLEN < reply_len;) {
		struct nlattr *a = (void *)(reply.bytes + at);

		if (a->nla_type == NLMSGERR_ATTR_MSG)
			say("the kernel says: %s", (char *)(a + 1));
		at += a->nla_len < NLA_HDRLEN ? NLA_HDRLEN : NLA_ALIGN(a->nla_len);
	}
	return ((struct nlmsgerr *)NLMSG_DATA(&reply.head))->error;
}

static struct nlattr *find(struct nlmsghdr *message, int type)
{
	for (unsigned at = NLMSG_LENGTH(GENL_HDRLEN); at + NLA_HDRLEN <= message->nlmsg_len;) {
		struct nlattr *a = (void *)((char *)message + at);

		if (a->nla_type == type)
			return a;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

static __u64 number(struct nlmsghdr *message, int type)
{
	struct nlattr *a = find(message, type);
	__u64 value = 0;

	if (a)
		memcpy(&value, a + 1, a->nla_len - NLA_HDRLEN < 8 ? a->nla_len - NLA_HDRLEN : 8);
	return value;
}

static struct request begin(int family, int command, int flags)
{
	return (struct request){ .head = { NLMSG_LENGTH(GENL_HDRLEN), family, NLM_F_REQUEST | flags },
				 .genl = { .cmd = command, .version = 1 } };
}

static int netdev_family(int *sock)
{
	struct request r = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	int one = 1;

	*sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	must(*sock >= 0, "netlink");
	setsockopt(*sock, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
	put(&r, CTRL_ATTR_FAMILY_NAME, "netdev", 7);
	must(!ask(*sock, &r), "family netdev");
	return number(&reply.head, CTRL_ATTR_FAMILY_ID);
}

/* Binds to queue 0. The binding lives as long as the socket; -1 if it was refused. */
static int bind_dmabuf(int dmabuf, __u32 *id)
{
	__u32 ifindex = if_nametoindex(INTERFACE), queue = 0, type = NETDEV_QUEUE_TYPE_RX;
	int sock, family = netdev_family(&sock), err;
	struct request r = begin(family, NETDEV_CMD_BIND_RX, 0);
	struct nlattr *nest;

	put(&r, NETDEV_A_DMABUF_IFINDEX, &ifindex, 4);
	put(&r, NETDEV_A_DMABUF_FD, &dmabuf, 4);
	nest = put(&r, NETDEV_A_DMABUF_QUEUES | NLA_F_NESTED, NULL, 0);
	put(&r, NETDEV_A_QUEUE_ID, &queue, 4);
	put(&r, NETDEV_A_QUEUE_TYPE, &type, 4);
	nest->nla_len = (char *)&r + r.head.nlmsg_len - (char *)nest;
	err = ask(sock, &r);
	if (err) {
		say("bind refused: %d", err);
		close(sock);
		return -1;
	}
	*id = number(&reply.head, NETDEV_A_DMABUF_ID);
	return sock;
}

/* Asks for all of something, and hands each message to `each`. */
static void dump(int command, void (*each)(struct nlmsghdr *))
{
	int sock, family = netdev_family(&sock), over = 0;
	struct request r = begin(family, command, NLM_F_DUMP);

	must(send(sock, &r, r.head.nlmsg_len, 0) > 0, "netlink send");
	while (!over) {
		int len = recv(sock, &reply, sizeof(reply), 0);

		must(len > 0, "netlink recv");
		for (struct nlmsghdr *m = &reply.head; NLMSG_OK(m, (unsigned)len) && !over; m = NLMSG_NEXT(m, len)) {
			over = m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR;
			if (!over)
				each(m);
		}
	}
	close(sock);
}

static __u64 pool_count, inflight, inflight_bytes, detached;

static void pool(struct nlmsghdr *m)
{
	pool_count++;
	inflight += number(m, NETDEV_A_PAGE_POOL_INFLIGHT);
	inflight_bytes += number(m, NETDEV_A_PAGE_POOL_INFLIGHT_MEM);
	detached += !!find(m, NETDEV_A_PAGE_POOL_DETACH_TIME);
}

static void pools(void)
{
	dump(NETDEV_CMD_PAGE_POOL_GET, pool);
	say("pools count=%llu inflight=%llu bytes=%llu detached=%llu", pool_count, inflight, inflight_bytes, detached);
}

/*
 * The stack frees a packet on the CPU that allocated it, and puts it into a list of that CPU until it receives next. A CPU that never
 * receives again keeps up to 64 packets, and a pool that has ended lives with them.
 */
static void flush(void)
{
	struct sockaddr_in own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_DGRAM, 0), cpus = sysconf(_SC_NPROCESSORS_ONLN);
	socklen_t len = sizeof(own);
	char byte;

	must(!bind(s, (void *)&own, len) && !getsockname(s, (void *)&own, &len), "a socket on loopback");
	for (int cpu = 0; cpu < cpus; cpu++) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		must(!sched_setaffinity(0, sizeof(set), &set), "sched_setaffinity");
		must(sendto(s, "x", 1, 0, (void *)&own, len) == 1 && recv(s, &byte, 1, 0) == 1, "a datagram on loopback");
	}
	close(s);
}

enum { COUNTERS = 11 };
static __u64 counters[COUNTERS];

static void pool_stats(struct nlmsghdr *m)
{
	for (int i = 0; i < COUNTERS; i++)
		counters[i] += number(m, NETDEV_A_PAGE_POOL_STATS_ALLOC_FAST + i);
}

/* A neighbour sends all the time: what counts is a moment in which ethtool says the same before and after. */
static void stats(void)
{
	struct { struct ethtool_stats head; __u64 data[COUNTERS]; } own[2];
	struct ifreq request = { .ifr_name = INTERFACE };
	int s = socket(AF_INET, SOCK_DGRAM, 0), same = 0;
	__u64 sum = 0;

	/* Pools that have ended are counted by the kernel until their last memory is back, and not by the driver. */
	for (int tries = 0; tries < 100; tries++) {
		flush();
		detached = 0;
		dump(NETDEV_CMD_PAGE_POOL_GET, pool);
		if (!detached)
			break;
		usleep(100000);
	}
	for (int tries = 0; tries < 1000; tries++) {
		memset(counters, 0, sizeof(counters));
		for (int i = 0; i < 2; i++) {
			own[i].head = (struct ethtool_stats){ ETHTOOL_GSTATS, COUNTERS };
			request.ifr_data = (void *)&own[i];
			must(!ioctl(s, SIOCETHTOOL, &request), "ETHTOOL_GSTATS");
			if (!i)
				dump(NETDEV_CMD_PAGE_POOL_STATS_GET, pool_stats);
		}
		if (!memcmp(own[0].data, own[1].data, sizeof(own[0].data)))
			break;
	}
	for (int i = 0; i < COUNTERS; i++) {
		same += own[0].data[i] == counters[i];
		sum += counters[i];
		if (own[0].data[i] != counters[i])
			say("counter %d: ethtool %llu netlink %llu", i, own[0].data[i], counters[i]);
	}
	say("stats same=%d of %u nonzero=%d", same, own[0].head.n_stats, sum > 0);
}

/* ---- streams ---- */

static int dial(int port, __u64 bytes, int up)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = inet_addr("10.0.2.2") };
	struct order order = { bytes, up };
	struct linger none = { 1, 0 };
	int s = socket(AF_INET, SOCK_STREAM, 0);

	/* A socket that is closed is gone, with what it has out of order: also when the link is down. */
	setsockopt(s, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	must(!connect(s, (void *)&to, sizeof(to)), "connect");
	must(send(s, &order, sizeof(order), 0) == sizeof(order), "send");
	return s;
}

static uint8_t buffer[1 << 16];

static void plain(int port, __u64 want)
{
	int s = dial(port, want, 0);
	__u64 got = 0, wrong = 0;
	ssize_t n;

	while ((n = recv(s, buffer, sizeof(buffer), 0)) > 0)
		for (ssize_t i = 0; i < n; i++)
			wrong += buffer[i] != pattern(got++);
	must(n == 0, "recv");
	say("plain bytes=%llu of %llu wrong=%llu", got, want, wrong);
	close(s);
}

static void up(int port, __u64 want)
{
	int s = dial(port, want, 1);
	__u64 sent = 0, wrong = ~0ull;

	while (sent < want) {
		size_t n = want - sent < sizeof(buffer) ? want - sent : sizeof(buffer), done = 0;

		for (size_t i = 0; i < n; i++)
			buffer[i] = pattern(sent + i);
		while (done < n) {
			ssize_t r = send(s, buffer + done, n - done, 0);

			must(r > 0, "send");
			done += r;
		}
		sent += n;
	}
	must(recv(s, &wrong, sizeof(wrong), MSG_WAITALL) == sizeof(wrong), "the server's answer");
	say("up bytes=%llu of %llu wrong=%llu", sent, want, wrong);
	close(s);
}

static uint8_t *udmabuf(int *dmabuf)
{
	int memfd = memfd_create("lent", MFD_ALLOW_SEALING), device = open("/dev/udmabuf", O_RDWR);
	struct udmabuf_create create = { .memfd = memfd, .size = MEMORY };
	uint8_t *memory;

	must(memfd >= 0 && !ftruncate(memfd, MEMORY) && !fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "memfd");
	must(device >= 0, "/dev/udmabuf");
	*dmabuf = ioctl(device, UDMABUF_CREATE, &create);
	must(*dmabuf >= 0, "UDMABUF_CREATE");
	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	must(memory != MAP_FAILED, "mmap");
	memset(memory, 0xee, MEMORY);
	close(memfd);
	close(device);
	return memory;
}

static void devmem(int port, __u64 want, int hold)
{
	__u64 got = 0, wrong = 0, linear = 0, frags = 0, returned = 0, pages = 0, dry = 0;
	static char seen[PAGES], control[1 << 14];
	static __u32 held[1 << 14];
	unsigned int n_held = 0;
	int dmabuf, s, bound;
	uint8_t *memory = udmabuf(&dmabuf);
	__u32 id;

	bound = bind_dmabuf(dmabuf, &id);
	if (bound < 0)
		exit(1);
	s = dial(port, want, 0);
	if (hold) {
		struct timeval second = { .tv_sec = 1 };

		setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second));
		must(recv(s, buffer, sizeof(buffer), 0) < 0, "recv without MSG_SOCK_DEVMEM must fail");
	}
	for (;;) {
		struct iovec io = { buffer, sizeof(buffer) };
		struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(s, &m, DEVMEM);
		__u64 told = 0;

		if (n < 0 && errno == EAGAIN && n_held) {
			/* the pool has nothing left; from here on it must come back */
			for (dry++; n_held;) {
				struct tokens back = { held[--n_held], 1 };

				returned += setsockopt(s, SOL_SOCKET, DONTNEED, &back, sizeof(back)) == 1;
			}
			continue;
		}
		must(n >= 0, "recvmsg");
		if (!n)
			break;
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			struct fragment *f = (void *)CMSG_DATA(c);
			struct tokens back;

			if (c->cmsg_level != SOL_SOCKET || (c->cmsg_type != DMABUF && c->cmsg_type != LINEAR)) {
				say("failed: control message %d/%d", c->cmsg_level, c->cmsg_type);
				exit(1);
			}
			told += f->size;
			if (c->cmsg_type == LINEAR) {
				linear += f->size;
				for (__u32 i = 0; i < f->size; i++)
					wrong += buffer[i] != pattern(got++);
				continue;
			}
			if (f->offset + f->size > MEMORY || f->id != id) {
				say("failed: offset %llu size %u id %u", f->offset, f->size, f->id);
				exit(1);
			}
			frags++;
			pages += !seen[f->offset / PAGE];
			seen[f->offset / PAGE] = 1;
			for (__u32 i = 0; i < f->size; i++)
				wrong += memory[f->offset + i] != pattern(got++);
			memset(memory + f->offset, 0xee, f->size);
			if (hold && n_held < sizeof(held) / sizeof(held[0])) {
				held[n_held++] = f->token;
				continue;
			}
			back = (struct tokens){ f->token, 1 };
			returned += setsockopt(s, SOL_SOCKET, DONTNEED, &back, sizeof(back)) == 1;
		}
		must(told == (__u64)n, "as many bytes as recvmsg says are in its messages");
	}
	while (n_held) {
		struct tokens back = { held[--n_held], 1 };

		returned += setsockopt(s, SOL_SOCKET, DONTNEED, &back, sizeof(back)) == 1;
	}
	say("%s bytes=%llu of %llu wrong=%llu linear=%llu lost=%llu pages=%llu dry=%llu", hold ? "hold" : "devmem", got, want, wrong,
	    linear, frags - returned, pages, dry);
	close(s);
	close(bound);
}

static void rebind(int times)
{
	int dmabuf, done = 0, bound;
	__u32 id;

	udmabuf(&dmabuf);
	for (int i = 0; i < times; i++) {
		bound = bind_dmabuf(dmabuf, &id);
		done += bound >= 0;
		if (bound >= 0)
			close(bound);
	}
	say("rebind done=%d of %d", done, times);
}

/* ---- io_uring ---- */

struct uring {
	int fd;
	struct io_uring_params params;
	uint8_t *rings;
	struct io_uring_sqe *sqes;
	unsigned int *sq_tail, *sq_array, *cq_head, *cq_tail;
};

static void uring_open(struct uring *u)
{
	size_t len;

	u->params = (struct io_uring_params){
		.flags = IORING_SETUP_CQE32 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
		.cq_entries = 1024,
	};
	u->fd = syscall(__NR_io_uring_setup, 8, &u->params);
	must(u->fd >= 0, "io_uring_setup");
	len = u->params.cq_off.cqes + u->params.cq_entries * 2 * sizeof(struct io_uring_cqe);
	u->rings = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
	len = u->params.sq_entries * sizeof(*u->sqes);
	u->sqes = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQES);
	must(u->rings != MAP_FAILED && u->sqes != MAP_FAILED, "mmap of the rings");
	u->sq_tail = (void *)(u->rings + u->params.sq_off.tail);
	u->sq_array = (void *)(u->rings + u->params.sq_off.array);
	u->cq_head = (void *)(u->rings + u->params.cq_off.head);
	u->cq_tail = (void *)(u->rings + u->params.cq_off.tail);
}

static void zcrx(int port, __u64 want)
{
	/*
	 * More entries than there can be fragments of 2048 bytes: one that is written over before the kernel has read it would have
	 * the kernel read the new one twice, and so give back a fragment that is still in use.
	 */
	enum { refills = 4096, region_len = 32 * PAGE };
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *region = mmap(NULL, region_len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct io_uring_zcrx_area_reg area = { .addr = (__u64)memory, .len = MEMORY };
	struct io_uring_region_desc place = { .user_addr = (__u64)region, .size = region_len, .flags = IORING_MEM_REGION_TYPE_USER };
	struct io_uring_zcrx_ifq_reg queue = {
		.if_idx = if_nametoindex(INTERFACE), .if_rxq = 0, .rq_entries = refills, .area_ptr = (__u64)&area,
		.region_ptr = (__u64)&place,
	};
	__u64 got = 0, wrong = 0, pages = 0;
	unsigned int tail = 0, head;
	static char seen[PAGES];
	struct uring u;
	int over = 0, s;

	uring_open(&u);
	memset(memory, 0xee, MEMORY);
	must(!syscall(__NR_io_uring_register, u.fd, IORING_REGISTER_ZCRX_IFQ, &queue, 1), "IORING_REGISTER_ZCRX_IFQ");
	s = dial(port, want, 0);
	u.sqes[0] = (struct io_uring_sqe){ .opcode = IORING_OP_RECV_ZC, .fd = s, .ioprio = IORING_RECV_MULTISHOT,
					   .zcrx_ifq_idx = queue.zcrx_id };
	for (unsigned int i = 0; i < u.params.sq_entries; i++)
		u.sq_array[i] = 0;
	head = *u.cq_head;
	for (int arm = 1; !over;) {
		if (arm)
			__atomic_store_n(u.sq_tail, *u.sq_tail + 1, __ATOMIC_RELEASE);
		must(syscall(__NR_io_uring_enter, u.fd, arm, 1, IORING_ENTER_GETEVENTS, NULL, 0) >= 0, "io_uring_enter");
		for (arm = 0; head != __atomic_load_n(u.cq_tail, __ATOMIC_ACQUIRE) && !over; head++) {
			uint8_t *entry = u.rings + u.params.cq_off.cqes;
			struct io_uring_cqe *c = (void *)(entry + (head & (u.params.cq_entries - 1)) * 2 * sizeof(*c));
			struct io_uring_zcrx_cqe *z = (void *)(c + 1);
			struct io_uring_zcrx_rqe *r = (void *)(region + queue.offsets.rqes);
			__u64 at = z->off & ~IORING_ZCRX_AREA_MASK;

			/* completions that overflow end a multishot */
			arm |= !(c->flags & IORING_CQE_F_MORE);
			if (c->res == -ENOSPC)
				continue;
			if (c->res <= 0) {
				if (c->res)
					say("failed: result %d", c->res);
				over = 1;
				continue;
			}
			if (at + c->res > MEMORY) {
				say("failed: offset %llu size %d", at, c->res);
				exit(1);
			}
			pages += !seen[at / PAGE];
			seen[at / PAGE] = 1;
			for (int i = 0; i < c->res; i++)
				wrong += memory[at + i] != pattern(got++);
			memset(memory + at, 0xee, c->res);
			r[tail++ & (refills - 1)] = (struct io_uring_zcrx_rqe){ .off = at | area.rq_area_token, .len = c->res };
			__atomic_store_n((unsigned int *)(region + queue.offsets.tail), tail, __ATOMIC_RELEASE);
		}
		__atomic_store_n(u.cq_head, head, __ATOMIC_RELEASE);
	}
	say("zcrx bytes=%llu of %llu wrong=%llu pages=%llu", got, want, wrong, pages);
	close(s);
	close(u.fd);
}

/* ---- ethtool ---- */

static void ring(__u32 entries)
{
	struct ethtool_ringparam r = { .cmd = ETHTOOL_SRINGPARAM, .rx_pending = entries, .tx_pending = entries };
	struct ifreq request = { .ifr_name = INTERFACE, .ifr_data = (void *)&r };
	int s = socket(AF_INET, SOCK_DGRAM, 0), err = ioctl(s, SIOCETHTOOL, &request) ? errno : 0;

	r.cmd = ETHTOOL_GRINGPARAM;
	must(!ioctl(s, SIOCETHTOOL, &request), "ETHTOOL_GRINGPARAM");
	say("ring asked=%u error=%d has=%u", entries, err, r.rx_pending);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int port = argc > 2 ? atoi(argv[2]) : 0;
	__u64 bytes = argc > 3 ? atoll(argv[3]) : 0;

	if (!strcmp(what, "pools"))
		pools();
	else if (!strcmp(what, "stats"))
		stats();
	else if (!strcmp(what, "flush"))
		flush();
	else if (!strcmp(what, "rebind") && argc == 3)
		rebind(port);
	else if (!strcmp(what, "ring") && argc == 3)
		ring(port);
	else if (argc != 4)
		return 2;
	else if (!strcmp(what, "plain"))
		plain(port, bytes);
	else if (!strcmp(what, "up"))
		up(port, bytes);
	else if (!strcmp(what, "devmem"))
		devmem(port, bytes, 0);
	else if (!strcmp(what, "hold"))
		devmem(port, bytes, 1);
	else if (!strcmp(what, "zcrx"))
		zcrx(port, bytes);
	else
		return 2;
	return 0;
}
