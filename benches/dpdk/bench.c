// SPDX-License-Identifier: MIT
// DPDK's pools and rings, for comparison. Each line of input, "CASE N", is a round: do the operation N times, and answer
// with the nanoseconds that took, as a line. With the argument COUNT it is counted by callgrind, as benches/instructions is.
//
// The loops are those of benches/paths, with the same barrier after each operation.

#include <inttypes.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_pause.h>
#include <rte_ring.h>

#define PIECES 1023
#define CACHE 256
#define BULK 64
#define CHANNEL 256

#define barrier() __asm__ volatile("" ::: "memory")

static struct rte_mempool *pool, *mbufs;
static struct rte_ring *ring;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "dpdk: %s: %s\n", what, rte_strerror(rte_errno));
	exit(2);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// One thread.

static void mempool_1(uint64_t n)
{
	void *object;

	for (uint64_t i = 0; i < n; i++) {
		if (rte_mempool_get(pool, &object))
			fail("the pool is empty");
		barrier();
		rte_mempool_put(pool, object);
		barrier();
	}
}

static void mempool_64(uint64_t n)
{
	void *objects[BULK];

	for (uint64_t i = 0; i < n / BULK; i++) {
		for (unsigned int j = 0; j < BULK; j++) {
			if (rte_mempool_get(pool, &objects[j]))
				fail("the pool is empty");
			barrier();
		}
		for (unsigned int j = BULK; j-- > 0;) {
			rte_mempool_put(pool, objects[j]);
			barrier();
		}
	}
}

static void mempool_bulk(uint64_t n)
{
	void *objects[BULK];

	for (uint64_t i = 0; i < n / BULK; i++) {
		if (rte_mempool_get_bulk(pool, objects, BULK))
			fail("the pool is empty");
		barrier();
		rte_mempool_put_bulk(pool, objects, BULK);
		barrier();
	}
}

static void mbuf_1(uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(mbufs);

		if (mbuf == NULL)
			fail("the pool is empty");
		barrier();
		rte_pktmbuf_free(mbuf);
		barrier();
	}
}

static void mbuf_64(uint64_t n)
{
	struct rte_mbuf *out[BULK];

	for (uint64_t i = 0; i < n / BULK; i++) {
		for (unsigned int j = 0; j < BULK; j++) {
			out[j] = rte_pktmbuf_alloc(mbufs);
			if (out[j] == NULL)
				fail("the pool is empty");
			barrier();
		}
		for (unsigned int j = BULK; j-- > 0;) {
			rte_pktmbuf_free(out[j]);
			barrier();
		}
	}
}

static void ring_bulk(uint64_t n)
{
	void *objects[BULK] = { 0 };

	for (uint64_t i = 0; i < n / BULK; i++) {
		if (rte_ring_mp_enqueue_burst(ring, objects, BULK, NULL) != BULK)
			fail("the ring is full");
		barrier();
		if (rte_ring_mc_dequeue_burst(ring, objects, BULK, NULL) != BULK)
			fail("the ring is empty");
		barrier();
	}
}

// Two threads: this one gets, the other puts. The channel between them is the one of benches/speed/channel.rs: it hands
// over 64 words at a time, so that what it costs does not hide what is measured.

static struct {
	_Alignas(64) _Atomic uint64_t tail;
	uint64_t head_seen; // by the sender
	_Alignas(64) _Atomic uint64_t head;
	uint64_t tail_seen; // by the receiver
	_Alignas(64) void *words[CHANNEL];
} channel;

static void wait_a_bit(unsigned int *spins)
{
	if (++*spins % 1024 == 0)
		sched_yield();
	rte_pause();
}

// Where the next 64 words go.
static void **to_send(uint64_t tail)
{
	for (unsigned int spins = 0; tail + BULK - channel.head_seen > CHANNEL; wait_a_bit(&spins))
		channel.head_seen = atomic_load_explicit(&channel.head, memory_order_acquire);
	return &channel.words[tail % CHANNEL];
}

static void sent(uint64_t tail)
{
	atomic_store_explicit(&channel.tail, tail + BULK, memory_order_release);
}

// Where the next 64 words are.
static void **to_receive(uint64_t head)
{
	for (unsigned int spins = 0; channel.tail_seen - head < BULK; wait_a_bit(&spins))
		channel.tail_seen = atomic_load_explicit(&channel.tail, memory_order_acquire);
	return &channel.words[head % CHANNEL];
}

static void received(uint64_t head)
{
	atomic_store_explicit(&channel.head, head + BULK, memory_order_release);
}

struct returns {
	uint64_t n;
	bool bulk;
	atomic_bool ready;
};

static int put_side(void *argument)
{
	struct returns *returns = argument;
	uint64_t head = atomic_load(&channel.head), end = head + returns->n;

	atomic_store(&returns->ready, true);
	for (; head != end; head += BULK) {
		void **words = to_receive(head);

		if (returns->bulk) {
			rte_mempool_put_bulk(pool, words, BULK);
		} else {
			for (unsigned int i = 0; i < BULK; i++)
				rte_mempool_put(pool, words[i]);
		}
		received(head);
	}
	return 0;
}

static uint64_t two_threads(uint64_t n, bool bulk)
{
	struct returns returns = { .n = n, .bulk = bulk };
	unsigned int spins = 0, lcore = rte_get_next_lcore(-1, 1, 0);
	uint64_t tail = atomic_load(&channel.tail), end = tail + n, start;

	if (rte_eal_remote_launch(put_side, &returns, lcore))
		fail("no second thread");
	while (!atomic_load(&returns.ready))
		wait_a_bit(&spins);
	start = now();
	for (; tail != end; tail += BULK) {
		void **words = to_send(tail);

		if (bulk) {
			while (rte_mempool_get_bulk(pool, words, BULK))
				wait_a_bit(&spins);
		} else {
			for (unsigned int i = 0; i < BULK; i++) {
				while (rte_mempool_get(pool, &words[i]))
					wait_a_bit(&spins);
			}
		}
		sent(tail);
	}
	while (atomic_load_explicit(&channel.head, memory_order_acquire) != end)
		wait_a_bit(&spins);
	start = now() - start;
	rte_eal_wait_lcore(lcore);
	return start;
}

static uint64_t timed(void (*path)(uint64_t), uint64_t n)
{
	uint64_t start = now();

	path(n);
	return now() - start;
}

static const struct {
	const char *name;
	void (*path)(uint64_t n);
} paths[] = {
	{ "mempool-1", mempool_1 }, { "mempool-64", mempool_64 }, { "mempool-bulk", mempool_bulk },
	{ "mbuf-1", mbuf_1 },       { "mbuf-64", mbuf_64 },       { "ring-bulk", ring_bulk },
};
#define PATHS (sizeof(paths) / sizeof(*paths))

static uint64_t do_round(const char *name, uint64_t n)
{
	for (unsigned int i = 0; i < PATHS; i++) {
		if (!strcmp(name, paths[i].name))
			return timed(paths[i].path, n);
	}
	if (!strcmp(name, "threads-1"))
		return two_threads(n, false);
	if (!strcmp(name, "threads-bulk"))
		return two_threads(n, true);
	fprintf(stderr, "dpdk: there is no case %s\n", name);
	exit(2);
}

// Where callgrind writes down its counts.
static __attribute__((noinline)) void netmem_mark(void)
{
	barrier();
}

static void count(uint64_t n)
{
	for (unsigned int i = 0; i < PATHS; i++) {
		printf("%s\t\n", paths[i].name);
		paths[i].path(n);
		netmem_mark();
		paths[i].path(n);
		netmem_mark();
		paths[i].path(2 * n);
		netmem_mark();
	}
	printf("%" PRIu64 "\n", n);
}

int main(int argc, char **argv)
{
	bool two = argc < 2;
	char *eal[] = { argv[0], "--no-huge", "--no-pci", "--no-shconf", "--no-telemetry", "--log-level=error",
			"-m", "64", "-l", two ? "0,1" : "0", NULL };
	char name[32];
	uint64_t n;

	if (rte_eal_init(sizeof(eal) / sizeof(*eal) - 1, eal) < 0)
		fail("the EAL does not start");
	pool = rte_mempool_create("pool", PIECES, 2048, CACHE, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	mbufs = rte_pktmbuf_pool_create("mbufs", PIECES, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	ring = rte_ring_create("ring", 1024, SOCKET_ID_ANY, 0);
	if (pool == NULL || mbufs == NULL || ring == NULL)
		fail("no pool or ring");
	if (argc > 1) {
		count(250 * BULK);
		return 0;
	}
	while (scanf("%31s %" SCNu64, name, &n) == 2) {
		printf("%" PRIu64 "\n", do_round(name, n));
		fflush(stdout);
	}
	rte_eal_cleanup();
	return 0;
}
