// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Gives queue 1 of the device other memory, twice: a udmabuf, bound by netlink, and an area of this process,
 * registered with io_uring. Each is 64 pages. The module looks at it while the queue restarts.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/io_uring.h>
#include <linux/netdev.h>
#include <linux/netlink.h>
#include <linux/udmabuf.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 64
#define QUEUE 1

static void must(int ok, const char *what)
{
	if (ok)
		return;
	printf("netmem-guest: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* The two halves of a memfd, second half first: pages that are not neighbours, so that there is more than one area. */
static int make_dmabuf(void)
{
	struct udmabuf_create_list *list = calloc(1, sizeof(*list) + 2 * sizeof(list->list[0]));
	int memfd = memfd_create("lent", MFD_ALLOW_SEALING), udmabuf = open("/dev/udmabuf", O_RDWR), dmabuf;

	must(memfd >= 0 && !ftruncate(memfd, PAGES * PAGE) && !fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK), "memfd");
	must(udmabuf >= 0, "/dev/udmabuf");
	must(list != NULL, "memory");
	list->count = 2;
	for (int i = 0; i < 2; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = memfd, .offset = !i * (PAGES / 2) * PAGE, .size = PAGES / 2 * PAGE,
		};
	dmabuf = ioctl(udmabuf, UDMABUF_CREATE_LIST, list);
	must(dmabuf >= 0, "UDMABUF_CREATE_LIST");
	close(udmabuf);
	close(memfd);
	return dmabuf;
}

/* ---- generic netlink, as much as two requests need ---- */

struct request {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attrs[256];
};
static union { struct nlmsghdr head; char bytes[8192]; } reply;

static struct request begin(int family, int command)
{
	return (struct request){
		.head = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = family, .nlmsg_flags = NLM_F_REQUEST },
		.genl = { .cmd = command, .version = 1 },
	};
}

static struct nlattr *put(struct request *r, int type, const void *data, int len)
{
	struct nlattr *attr = (void *)((char *)r + r->head.nlmsg_len);

	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)attr + NLA_HDRLEN, data, len);
	r->head.nlmsg_len += NLA_ALIGN(attr->nla_len);
	return attr;
}

static void put_u32(struct request *r, int type, __u32 value)
{
	put(r, type, &value, sizeof(value));
}

/* 0 with an answer in `reply`, or an error number below 0. */
static int ask(int sock, struct request *r)
{
	if (send(sock, r, r->head.nlmsg_len, 0) < 0 || recv(sock, &reply, sizeof(reply), 0) < 0)
		return -errno;
	if (reply.head.nlmsg_type == NLMSG_ERROR)
		return ((struct nlmsgerr *)NLMSG_DATA(&reply.head))->error;
	return 0;
}

static int find_family(int sock, const char *name)
{
	struct request r = begin(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);

	put(&r, CTRL_ATTR_FAMILY_NAME, name, strlen(name) + 1);
	if (ask(sock, &r))
		return -1;
	for (unsigned at = NLMSG_LENGTH(GENL_HDRLEN); at + NLA_HDRLEN <= reply.head.nlmsg_len;) {
		struct nlattr *attr = (void *)(reply.bytes + at);

		if (attr->nla_type == CTRL_ATTR_FAMILY_ID)
			return *(__u16 *)((char *)attr + NLA_HDRLEN);
		at += NLA_ALIGN(attr->nla_len);
	}
	return -1;
}

/* The binding lives as long as the socket. */
static int bind_dmabuf(int dmabuf, int ifindex)
{
	int sock = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC), err;
	struct request r = begin(find_family(sock, "netdev"), NETDEV_CMD_BIND_RX);
	struct nlattr *queue;

	put_u32(&r, NETDEV_A_DMABUF_IFINDEX, ifindex);
	put_u32(&r, NETDEV_A_DMABUF_FD, dmabuf);
	queue = put(&r, NETDEV_A_DMABUF_QUEUES | NLA_F_NESTED, NULL, 0);
	put_u32(&r, NETDEV_A_QUEUE_ID, QUEUE);
	put_u32(&r, NETDEV_A_QUEUE_TYPE, NETDEV_QUEUE_TYPE_RX);
	queue->nla_len = (char *)&r + r.head.nlmsg_len - (char *)queue;
	err = ask(sock, &r);
	printf("netmem-guest: devmem bound=%d\n", err);
	return sock;
}

/* ---- io_uring; the ring that registered an area keeps it ---- */

static void *lend(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED, "mmap");
	return at;
}

static int register_zcrx(int ifindex)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_CQE32 | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
	};
	int ring = syscall(__NR_io_uring_setup, 8, &params), err;
	struct io_uring_zcrx_area_reg area = { .addr = (__u64)lend(PAGES * PAGE), .len = PAGES * PAGE };
	struct io_uring_region_desc refill = {
		.user_addr = (__u64)lend(2 * PAGE), .size = 2 * PAGE, .flags = IORING_MEM_REGION_TYPE_USER,
	};
	struct io_uring_zcrx_ifq_reg queue = {
		.if_idx = ifindex, .if_rxq = QUEUE, .rq_entries = 64, .area_ptr = (__u64)&area, .region_ptr = (__u64)&refill,
	};

	must(ring >= 0, "io_uring_setup");
	err = syscall(__NR_io_uring_register, ring, IORING_REGISTER_ZCRX_IFQ, &queue, 1);
	printf("netmem-guest: zcrx registered=%d\n", err ? -errno : 0);
	return ring;
}

int main(void)
{
	int ifindex = if_nametoindex("netmem0");

	setvbuf(stdout, NULL, _IOLBF, 0);
	must(ifindex, "netmem0");
	close(bind_dmabuf(make_dmabuf(), ifindex));
	usleep(200000);		/* unbinding is the kernel's work, not close's */
	close(register_zcrx(ifindex));
	usleep(300000);
	return 0;
}
