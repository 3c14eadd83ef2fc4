/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What seam.c provides to src/backend/linux. */
#ifndef NETMEM_SEAM_H
#define NETMEM_SEAM_H

#include <linux/types.h>
#include <net/netmem.h>

struct page_pool;
struct sk_buff;

/* `PoolParams` of ffi.rs. */
struct netmem_rs_params {
	u32 flags, order, pool_size;
	s32 nid;
	struct device *device;
	u32 direction, max_len, offset, rx_page_size, queue_idx;
	bool unreadable;
};

/* `PoolStats` of ffi.rs. */
struct netmem_rs_stats { u64 counter[11]; };

/* `Frag` of ffi.rs. */
struct netmem_rs_frag { netmem_ref netmem; u32 offset, len; };

struct page_pool *netmem_rs_pool_create(const struct netmem_rs_params *p, int *error);
bool netmem_rs_pool_hold(struct page_pool *pool);
bool netmem_rs_pool_is_destroyed(const struct page_pool *pool);
bool netmem_rs_pool_is_unreadable(struct page_pool *pool);
struct device *netmem_rs_pool_device(const struct page_pool *pool);
u32 netmem_rs_pool_piece_size(const struct page_pool *pool);
void netmem_rs_pool_range(const struct page_pool *pool, u32 *offset, u32 *len);
void netmem_rs_pool_nid_changed(struct page_pool *pool, int nid);
u32 netmem_rs_pool_id(const struct page_pool *pool);
size_t netmem_rs_pool_inflight(const struct page_pool *pool);
void netmem_rs_pool_stats(const struct page_pool *pool, struct netmem_rs_stats *out);
void netmem_rs_sync_for_cpu(const struct page_pool *pool, netmem_ref netmem, u32 offset, u32 len);
void netmem_rs_sync_for_device(const struct page_pool *pool, netmem_ref netmem, u32 offset, u32 len);
u32 netmem_rs_iov_binding(const struct net_iov *iov, u64 *owner);
void *netmem_rs_page_address(const struct page *page);
size_t netmem_rs_page_to_pfn(const struct page *page);
int netmem_rs_page_to_nid(const struct page *page);
const struct page *netmem_rs_compound_head(const struct page *page);
u32 netmem_rs_compound_order(const struct page *page);
struct page *netmem_rs_get_page(struct page *page);
void netmem_rs_put_page(struct page *head);
bool netmem_rs_split_page(struct page *head, u32 order);
struct page *netmem_rs_alloc_pages(int nid, u32 order);
struct page *netmem_rs_virt_to_page(unsigned long address);
size_t netmem_rs_pages(size_t *total);
struct sk_buff *netmem_rs_skb_build(void *data, u32 size, u32 len);
struct sk_buff *netmem_rs_skb_alloc(u32 size);
u32 netmem_rs_skb_room(void);
u32 netmem_rs_skb_add_frag(struct sk_buff *skb, netmem_ref netmem, u32 offset, u32 len, u32 truesize);
void netmem_rs_skb_free(struct sk_buff *skb);
u32 netmem_rs_skb_len(const struct sk_buff *skb);
u32 netmem_rs_skb_headlen(const struct sk_buff *skb);
u32 netmem_rs_skb_nr_frags(const struct sk_buff *skb);
u32 netmem_rs_skb_truesize(const struct sk_buff *skb);
void *netmem_rs_skb_data(const struct sk_buff *skb);
const struct page *netmem_rs_skb_head_page(const struct sk_buff *skb);
void netmem_rs_skb_frag(const struct sk_buff *skb, u32 index, struct netmem_rs_frag *out);
void netmem_rs_skb_set_queue(struct sk_buff *skb, u16 queue);
u16 netmem_rs_skb_queue(const struct sk_buff *skb);
void netmem_rs_skb_set_summed(struct sk_buff *skb, bool unnecessary);
bool netmem_rs_skb_summed(const struct sk_buff *skb);
void netmem_rs_skb_set_partial(struct sk_buff *skb, u16 start, u16 offset);
bool netmem_rs_skb_partial(const struct sk_buff *skb, u16 *start, u16 *offset);
u32 netmem_rs_iov_tx_addr(const struct net_iov *iov, const struct device *device, size_t *addr);

#endif
