/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What C and Rust of this module say to each other, and what C alone knows of the 82574L. kernel/nic/door.rs has the other half. */
#ifndef NETMEM_NIC_H
#define NETMEM_NIC_H

#include <linux/bits.h>
#include <linux/types.h>

struct device;
struct net_device;
struct page_pool;
struct sk_buff;

/* What the receive side is opened with: `Setup` in hardware.rs. */
struct setup {
	void __iomem *regs;
	void *rings[2];		/* coherent memory of two descriptor rings: the one that runs, and the one that takes over */
	u64 rings_dma[2];
	u32 entries;		/* descriptors in each ring */
	u32 header;		/* bytes of headers that the device splits off, at most */
	u32 payload;		/* bytes of a payload buffer */
	u32 room;		/* bytes that an skb needs behind the headers */
	struct device *dev;
	struct napi_struct *napi;
};

/* Doors to the receive side: Rust's, or baseline.c's. */
void *netmem_nic_open(const struct setup *setup);
void netmem_nic_close(void *nic);
u32 netmem_nic_poll(void *nic, u32 budget, bool *starved);
/* What makes memory while the receive side is polled. */
void *netmem_nic_maker(void *nic);
void netmem_nic_maker_free(void *maker);
void *netmem_nic_mem_alloc(void *maker, u32 queue, bool bound, u32 rx_page_size);
void netmem_nic_mem_free(void *memory);
void *netmem_nic_stop(void *nic, u32 queue);
void *netmem_nic_start(void *nic, u32 queue, void *memory);

/* What the queue has counted, and the eleven counters of its page pools, added up: `Counts` of door.rs. */
struct netmem_nic_stats { u64 packets, bytes, posted, alloc_failed, dropped, unsummed, no_memory, pools[11]; };
void netmem_nic_stats(const void *nic, struct netmem_nic_stats *stats);

/* What Rust calls. */
void *netmem_nic_alloc(size_t size);
void netmem_nic_free(void *at);
void netmem_nic_panic(const char *file, size_t len, u32 line);
void netmem_nic_deliver(struct napi_struct *napi, struct sk_buff *skb);

/* Registers that C uses. */
enum {
	CTRL = 0x0000, ICR = 0x00c0, IMS = 0x00d0, IMC = 0x00d8, TCTL = 0x0400, TIPG = 0x0410,
	TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818, RAL = 0x5400, RAH = 0x5404,
};
#define CTRL_SLU	BIT(6)
#define INT_RX		(BIT(7) | BIT(6) | BIT(4))
#define INT_TX		BIT(0)
#define INT_LINK	BIT(2)

/* A transmit descriptor. */
struct tx_desc { __le64 addr; __le32 command, status; };
#define TX_SEND		0x0b000000u	/* end of packet, add the CRC, report status */
#define TX_DONE		BIT(0)

#endif
