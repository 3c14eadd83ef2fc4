// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The receive side in C, behind the doors that Rust has otherwise (nic.h): what a driver of the tree does for a packet, with the
 * kernel's helpers. It exists to be measured against, and to show that nic.c is right when Rust is not there.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <net/page_pool/helpers.h>
#include "nic.h"

enum {
	STATUS = 0x0008, RCTL = 0x0100, PSRCTL = 0x2170, RDBAL = 0x2800, RDBAH = 0x2804, RDLEN = 0x2808, RDH = 0x2810,
	RDT = 0x2818, RXCSUM = 0x5000, RFCTL = 0x5008,
};
#define DONE		BIT(0)
#define END		BIT(1)
#define SUMMED		(BIT(4) | BIT(5))
#define FAILED		0x97000000u
#define SUM_WRONG	0x60000000u

struct descriptor { __le64 word[4]; };
struct slot { netmem_ref payload; void *header; u32 payload_at, header_at; };

struct memory {
	struct page_pool *headers, *payload;
	struct slot *slots;
	int ring;
};

struct nic_c {
	struct setup setup;
	struct memory *memory;
	u32 next, tail;
	bool in_use[2];
	u64 packets, bytes, posted, alloc_failed, dropped, unsummed;
};

static void wr(struct nic_c *c, int reg, u32 value) { writel(value, c->setup.regs + reg); }

static void memory_free(struct nic_c *c, struct memory *m)
{
	for (u32 i = 0; m->slots && i < c->setup.entries; i++) {
		struct slot *s = &m->slots[i];

		if (s->payload)
			page_pool_put_full_netmem(m->payload, s->payload, false);
		if (s->header)
			page_pool_free_va(m->headers, s->header, false);
	}
	if (m->payload)
		page_pool_destroy(m->payload);
	if (m->headers)
		page_pool_destroy(m->headers);
	if (m->ring >= 0)
		c->in_use[m->ring] = false;
	kfree(m->slots);
	kfree(m);
}

static struct page_pool *pool(struct nic_c *c, u32 queue, u32 flags)
{
	struct page_pool_params params = {
		.pool_size = 256, .nid = NUMA_NO_NODE, .dev = c->setup.dev, .dma_dir = DMA_FROM_DEVICE, .max_len = PAGE_SIZE,
		.netdev = dev_get_drvdata(c->setup.dev), .queue_idx = queue, .flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV | flags,
	};
	struct page_pool *made = page_pool_create(&params);

	return IS_ERR(made) ? NULL : made;
}

static struct memory *memory_make(struct nic_c *c, u32 queue)
{
	struct memory *m = kzalloc(sizeof(*m), GFP_KERNEL);

	if (!m)
		return NULL;
	m->ring = -1;
	for (int i = 0; i < 2 && m->ring < 0; i++)
		if (!c->in_use[i])
			m->ring = i;
	if (m->ring >= 0)
		c->in_use[m->ring] = true;
	m->slots = kcalloc(c->setup.entries, sizeof(*m->slots), GFP_KERNEL);
	m->headers = pool(c, queue, 0);
	m->payload = pool(c, queue, PP_FLAG_ALLOW_UNREADABLE_NETMEM);
	if (m->slots && m->headers && m->payload && m->ring >= 0)
		return m;
	memory_free(c, m);
	return NULL;
}

static bool fill_one(struct nic_c *c, u32 i)
{
	struct memory *m = c->memory;
	struct descriptor *d = (struct descriptor *)c->setup.rings[m->ring] + i;
	struct slot *s = &m->slots[i];

	if (!s->payload)
		s->payload = page_pool_alloc_frag_netmem(m->payload, &s->payload_at, c->setup.payload, GFP_ATOMIC | __GFP_NOWARN);
	if (!s->payload)
		return false;
	if (!s->header) {
		struct page *page = page_pool_alloc_frag(m->headers, &s->header_at, c->setup.header + c->setup.room,
							 GFP_ATOMIC | __GFP_NOWARN);

		if (!page)
			return false;
		s->header = page_address(page) + s->header_at;
	}
	d->word[0] = cpu_to_le64(page_pool_get_dma_addr(virt_to_page(s->header)) + s->header_at);
	d->word[1] = cpu_to_le64(page_pool_get_dma_addr_netmem(s->payload) + s->payload_at);
	d->word[2] = d->word[3] = 0;
	c->posted++;
	return true;
}

static void refill(struct nic_c *c)
{
	u32 tail = c->tail;

	while ((tail + 1) % c->setup.entries != c->next) {
		if (!fill_one(c, tail)) {
			c->alloc_failed++;
			break;
		}
		tail = (tail + 1) % c->setup.entries;
	}
	if (tail == c->tail)
		return;
	c->tail = tail;
	dma_wmb();
	wr(c, RDT, tail * 2);
}

static void start(struct nic_c *c, struct memory *m)
{
	u64 dma = c->setup.rings_dma[m->ring];

	c->memory = m;
	c->next = c->tail = 0;
	page_pool_enable_direct_recycling(m->payload, c->setup.napi);
	page_pool_enable_direct_recycling(m->headers, c->setup.napi);
	wr(c, RDBAL, lower_32_bits(dma));
	wr(c, RDBAH, upper_32_bits(dma));
	wr(c, RDLEN, c->setup.entries * sizeof(struct descriptor));
	wr(c, RDH, 0);
	wr(c, RDT, 0);
	wr(c, RFCTL, BIT(15));
	wr(c, RXCSUM, BIT(8) | BIT(9));
	wr(c, PSRCTL, c->setup.header / 128 | (c->setup.payload / 1024) << 8);
	wr(c, RCTL, BIT(1) | BIT(10) | BIT(15) | BIT(26));
	refill(c);
}

static struct memory *stop(struct nic_c *c)
{
	struct memory *m = c->memory;

	wr(c, RCTL, 0);
	readl(c->setup.regs + STATUS);
	page_pool_disable_direct_recycling(m->payload);
	page_pool_disable_direct_recycling(m->headers);
	c->memory = NULL;
	return m;
}

static void receive(struct nic_c *c, u32 i, u64 one, u64 two)
{
	u32 status = one, head = one >> 32 & 0xffff, data = two >> 16 & 0xffff;
	struct memory *m = c->memory;
	struct slot *s = &m->slots[i];
	bool checked = (status & SUMMED) && !(status & SUM_WRONG);
	struct sk_buff *skb;

	/* What is dropped leaves its buffers in their slot. */
	if (!(status & END) || (status & FAILED) || head < ETH_HLEN || head > c->setup.header || data > c->setup.payload) {
		c->dropped++;
		return;
	}
	if (!checked && data && netmem_is_net_iov(s->payload)) {
		c->unsummed++;
		return;
	}
	page_pool_dma_sync_for_cpu(m->headers, virt_to_page(s->header), s->header_at, head);
	skb = napi_build_skb(s->header, c->setup.header + c->setup.room);
	if (!skb) {
		c->dropped++;
		return;
	}
	s->header = NULL;
	skb_mark_for_recycle(skb);
	skb_put(skb, head);
	if (data) {
		page_pool_dma_sync_netmem_for_cpu(m->payload, s->payload, s->payload_at, data);
		skb_add_rx_frag_netmem(skb, 0, s->payload, s->payload_at, data, c->setup.payload);
		s->payload = 0;
	}
	if (checked)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	c->packets++;
	c->bytes += head + data;
	netmem_nic_deliver(c->setup.napi, skb);
}

void *netmem_nic_open(const struct setup *setup)
{
	struct nic_c *c = kzalloc(sizeof(*c), GFP_KERNEL);
	struct memory *m;

	if (!c)
		return NULL;
	c->setup = *setup;
	m = memory_make(c, 0);
	if (!m) {
		kfree(c);
		return NULL;
	}
	start(c, m);
	return c;
}

void netmem_nic_close(void *nic)
{
	struct nic_c *c = nic;

	memory_free(c, stop(c));
	kfree(c);
}

u32 netmem_nic_poll(void *nic, u32 budget, bool *starved)
{
	struct nic_c *c = nic;
	struct descriptor *ring = c->setup.rings[c->memory->ring];
	u32 done = 0;

	while (done < budget && c->next != c->tail) {
		u64 one = le64_to_cpu(READ_ONCE(ring[c->next].word[1]));

		if (!(one & DONE))
			break;
		dma_rmb();
		receive(c, c->next, one, le64_to_cpu(READ_ONCE(ring[c->next].word[2])));
		c->next = (c->next + 1) % c->setup.entries;
		done++;
	}
	if (budget)
		refill(c);
	*starved = budget && c->next == c->tail;
	return done;
}

/* Memory of a queue that does not run, on its way through the core. */
struct made { struct nic_c *c; struct memory *memory; };

static void *made(struct nic_c *c, struct memory *m)
{
	struct made *made = m ? kmalloc(sizeof(*made), GFP_KERNEL) : NULL;

	if (made)
		*made = (struct made){ c, m };
	else if (m)
		memory_free(c, m);
	return made;
}

void *netmem_nic_maker(void *nic)
{
	return nic;
}

void netmem_nic_maker_free(void *maker)
{
}

void *netmem_nic_mem_alloc(void *maker, u32 queue, bool bound, u32 rx_page_size)
{
	return made(maker, memory_make(maker, queue));
}

void netmem_nic_mem_free(void *memory)
{
	struct made *m = memory;

	memory_free(m->c, m->memory);
	kfree(m);
}

void *netmem_nic_stop(void *nic, u32 queue)
{
	return made(nic, stop(nic));
}

void *netmem_nic_start(void *nic, u32 queue, void *memory)
{
	struct made *m = memory;

	start(nic, m->memory);
	kfree(m);
	return NULL;
}

void netmem_nic_stats(const void *nic, struct netmem_nic_stats *stats)
{
	const struct nic_c *c = nic;

	*stats = (struct netmem_nic_stats){ c->packets, c->bytes, c->posted, c->alloc_failed, c->dropped, c->unsummed };
	if (!c->memory)
		return;
	BUILD_BUG_ON(sizeof(stats->pools) != sizeof(struct page_pool_stats));
	/* it adds to what is there */
	page_pool_get_stats(c->memory->payload, (struct page_pool_stats *)stats->pools);
	page_pool_get_stats(c->memory->headers, (struct page_pool_stats *)stats->pools);
}
