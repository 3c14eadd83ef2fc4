// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * What src/backend/linux calls beside exported functions: helpers that are inline or macros in C, and fields of structs that have
 * no stable layout. src/backend/linux/ffi.rs says what each one stands for, and has the same list.
 */
#include <linux/mm.h>
#include <linux/vmstat.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/dma-mapping.h>
#include <net/page_pool/helpers.h>
#include "seam.h"

struct page_pool *netmem_rs_pool_create(const struct netmem_rs_params *p, int *error)
{
	struct page_pool_params params = {
		.order = p->order, .pool_size = p->pool_size, .nid = p->nid, .dev = p->device,
		.dma_dir = p->direction, .max_len = p->max_len, .offset = p->offset,
		/* the driver's data is its net_device, as in drivers of the tree */
		.netdev = p->device ? dev_get_drvdata(p->device) : NULL, .queue_idx = p->queue_idx,
		.flags = p->flags | (p->unreadable ? PP_FLAG_ALLOW_UNREADABLE_NETMEM : 0),
	};
	struct page_pool *pool = page_pool_create(&params);

	*error = IS_ERR(pool) ? -PTR_ERR(pool) : 0;
	return IS_ERR(pool) ? NULL : pool;
}

bool netmem_rs_pool_hold(struct page_pool *pool)
{
	return refcount_inc_not_zero(&pool->user_cnt);
}

bool netmem_rs_pool_is_destroyed(const struct page_pool *pool)
{
	return READ_ONCE(pool->destroy_cnt);
}

bool netmem_rs_pool_is_unreadable(struct page_pool *pool)
{
	return page_pool_is_unreadable(pool);
}

struct device *netmem_rs_pool_device(const struct page_pool *pool)
{
	return pool->dma_map ? pool->p.dev : NULL;
}

u32 netmem_rs_pool_piece_size(const struct page_pool *pool)
{
	return PAGE_SIZE << pool->p.order;
}

void netmem_rs_pool_range(const struct page_pool *pool, u32 *offset, u32 *len)
{
	/* a pool without syncs leaves it to the device where it writes */
	*offset = pool->dma_sync ? pool->p.offset : 0;
	*len = pool->dma_sync ? pool->p.max_len : U32_MAX;
}

void netmem_rs_pool_nid_changed(struct page_pool *pool, int nid)
{
	page_pool_nid_changed(pool, nid);
}

u32 netmem_rs_pool_id(const struct page_pool *pool)
{
	return pool->user.id;
}

size_t netmem_rs_pool_inflight(const struct page_pool *pool)
{
	s32 held = READ_ONCE(pool->pages_state_hold_cnt) - atomic_read(&pool->pages_state_release_cnt);

	return max(held, 0);
}

void netmem_rs_pool_stats(const struct page_pool *pool, struct netmem_rs_stats *out)
{
	struct page_pool_stats stats = {};

	BUILD_BUG_ON(sizeof(stats) != sizeof(*out));
	page_pool_get_stats(pool, &stats);
	memcpy(out, &stats, sizeof(stats));
}

void netmem_rs_sync_for_cpu(const struct page_pool *pool, netmem_ref netmem, u32 offset, u32 len)
{
	/* the helper adds the pool's offset, which is part of `offset` already */
	page_pool_dma_sync_netmem_for_cpu(pool, netmem, offset - pool->p.offset, len);
}

void netmem_rs_sync_for_device(const struct page_pool *pool, netmem_ref netmem, u32 offset, u32 len)
{
	if (pool->dma_sync)
		dma_sync_single_range_for_device(pool->p.dev, page_pool_get_dma_addr_netmem(netmem), offset, len,
						 pool->p.dma_dir);
}

/* The number of a binding is in a private header of net/core. Nobody over Linux asks: the kernel tells its sockets by itself. */
u32 netmem_rs_iov_binding(const struct net_iov *iov, u64 *owner)
{
	*owner = (unsigned long)iov->owner;
	return 0;
}

void *netmem_rs_page_address(const struct page *page)
{
	return page_address(page);
}

size_t netmem_rs_page_to_pfn(const struct page *page)
{
	return page_to_pfn(page);
}

int netmem_rs_page_to_nid(const struct page *page)
{
	return page_to_nid(page);
}

const struct page *netmem_rs_compound_head(const struct page *page)
{
	return compound_head(page);
}

u32 netmem_rs_compound_order(const struct page *page)
{
	return compound_order((struct page *)compound_head(page));
}

struct page *netmem_rs_get_page(struct page *page)
{
	get_page(page);
	return compound_head(page);
}

void netmem_rs_put_page(struct page *head)
{
	put_page(head);
}

/* Blocks are compound pages, which the kernel does not split for modules. */
bool netmem_rs_split_page(struct page *head, u32 order)
{
	return compound_order(head) == order && page_ref_count(head) == 1;
}

struct page *netmem_rs_alloc_pages(int nid, u32 order)
{
	return alloc_pages_node(nid, GFP_ATOMIC | __GFP_NOWARN | (order ? __GFP_COMP : 0), order);
}

struct page *netmem_rs_virt_to_page(unsigned long address)
{
	struct page *page;

	if (!virt_addr_valid((void *)address))
		return NULL;
	page = virt_to_head_page((void *)address);
	return get_page_unless_zero(page) ? page : NULL;
}

size_t netmem_rs_pages(size_t *total)
{
	*total = totalram_pages();
	return global_zone_page_state(NR_FREE_PAGES);
}

/* ---- packets ---- */

struct sk_buff *netmem_rs_skb_build(void *data, u32 size, u32 len)
{
	/* a queue that is stopped is drained in process context, which has no cache of skbs */
	struct sk_buff *skb = in_softirq() ? napi_build_skb(data, size) : build_skb(data, size);

	if (!skb)
		return NULL;
	skb_mark_for_recycle(skb);
	skb_put(skb, len);
	return skb;
}

struct sk_buff *netmem_rs_skb_alloc(u32 size)
{
	struct sk_buff *skb = alloc_skb(size, GFP_ATOMIC | __GFP_NOWARN);

	if (!skb)
		return NULL;
	/* its head is a slab's, which the pool leaves alone; its frags will be a pool's */
	skb_mark_for_recycle(skb);
	skb_put(skb, size);
	return skb;
}

u32 netmem_rs_skb_room(void)
{
	return SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
}

u32 netmem_rs_skb_add_frag(struct sk_buff *skb, netmem_ref netmem, u32 offset, u32 len, u32 truesize)
{
	int i = skb_shinfo(skb)->nr_frags;

	if (i) {
		const skb_frag_t *last = &skb_shinfo(skb)->frags[i - 1];

		if (skb_frag_netmem(last) == netmem && skb_frag_off(last) + skb_frag_size(last) == offset) {
			skb_coalesce_rx_frag(skb, i - 1, len, truesize);
			return 2;
		}
	}
	if (i >= MAX_SKB_FRAGS)
		return 0;
	skb_add_rx_frag_netmem(skb, i, netmem, offset, len, truesize);
	return 1;
}

void netmem_rs_skb_free(struct sk_buff *skb)
{
	dev_kfree_skb_any(skb);
}

u32 netmem_rs_skb_len(const struct sk_buff *skb)
{
	return skb->len;
}

u32 netmem_rs_skb_headlen(const struct sk_buff *skb)
{
	return skb_headlen(skb);
}

u32 netmem_rs_skb_nr_frags(const struct sk_buff *skb)
{
	return skb_shinfo(skb)->nr_frags;
}

u32 netmem_rs_skb_truesize(const struct sk_buff *skb)
{
	return skb->truesize;
}

void *netmem_rs_skb_data(const struct sk_buff *skb)
{
	return skb->data;
}

const struct page *netmem_rs_skb_head_page(const struct sk_buff *skb)
{
	return skb->head_frag ? virt_to_head_page(skb->head) : NULL;
}

void netmem_rs_skb_frag(const struct sk_buff *skb, u32 index, struct netmem_rs_frag *out)
{
	const skb_frag_t *frag = &skb_shinfo(skb)->frags[index];

	out->netmem = skb_frag_netmem(frag);
	out->offset = skb_frag_off(frag);
	out->len = skb_frag_size(frag);
}

void netmem_rs_skb_set_queue(struct sk_buff *skb, u16 queue)
{
	skb_record_rx_queue(skb, queue);
}

u16 netmem_rs_skb_queue(const struct sk_buff *skb)
{
	return skb_rx_queue_recorded(skb) ? skb_get_rx_queue(skb) : 0;
}

void netmem_rs_skb_set_summed(struct sk_buff *skb, bool unnecessary)
{
	skb->ip_summed = unnecessary ? CHECKSUM_UNNECESSARY : CHECKSUM_NONE;
}

bool netmem_rs_skb_summed(const struct sk_buff *skb)
{
	return skb->ip_summed == CHECKSUM_UNNECESSARY;
}

void netmem_rs_skb_set_partial(struct sk_buff *skb, u16 start, u16 offset)
{
	skb->ip_summed = CHECKSUM_PARTIAL;
	skb->csum_start = skb_headroom(skb) + start;
	skb->csum_offset = offset;
}

bool netmem_rs_skb_partial(const struct sk_buff *skb, u16 *start, u16 *offset)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return false;
	*start = skb_checksum_start_offset(skb);
	*offset = skb->csum_offset;
	return true;
}

/* The device of a binding is in a private header of net/core, too: nothing is known to be bound to transmit from. */
u32 netmem_rs_iov_tx_addr(const struct net_iov *iov, const struct device *device, size_t *addr)
{
	return 0;
}
