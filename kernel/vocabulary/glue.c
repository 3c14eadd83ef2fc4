// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Real netmem, seen by the kernel's own inline helpers and by src/memory of the crate: the two must say the same.
 *
 * Every line "NAME: ...: agree" or "NAME: ...: MISMATCH" is one comparison; kernel/run counts them. Pages come from
 * page pools that this module makes, net_iovs from the kernel's own providers, which bind.c binds to queue 1 of the
 * network device that it registers.
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/netmem.h>
#include <net/page_pool/helpers.h>

#ifndef NAME
#define NAME "netmem"
#endif

/* ---- what is asked; `Answers` of module.rs in the same order ---- */

#define ANSWERS(X) \
	X(word) X(is_net_iov) X(memory) X(desc) X(desc_of_memory) X(pp) X(dma_addr) X(magic) X(is_pp) X(dma_index) \
	X(ref_count) X(cast) X(cast_known) X(known) X(known_desc) X(known_pp) X(widened) X(refused) X(page_refcount) \
	X(page_type) X(memcg_data) X(iov_type) X(is_devmem) X(area) X(index) X(num_niovs) X(base_virtual) \
	X(virtual_addr)
#define MEMBER(name) u64 name;
#define STRING(name) #name,

struct answers { ANSWERS(MEMBER) };
static const char *const answer_names[] = { ANSWERS(STRING) };
#define N_ANSWERS ARRAY_SIZE(answer_names)

void rust_answer(netmem_ref word, struct answers *answers);
long rust_take(netmem_ref word, long n);
long rust_drop(netmem_ref word, long n);
void glue_panic(void);

void glue_panic(void)
{
	panic(NAME ": Rust panicked");
}

struct row {
	const char *name;
	u64 name_len, offset, size;
};

bool rust_layout(unsigned long at, struct row *row);

/* The rows of rust_layout in the same order; 29 of them. */
#define ROW(name, offset, size) { name, sizeof(name) - 1, offset, size }
#define STRUCT(type) ROW(#type, 0, sizeof(struct type))
#define FIELD(type, member) ROW(#member, offsetof(struct type, member), sizeof_field(struct type, member))
#define VALUE(name) ROW(#name, name, sizeof(enum net_iov_type))

static const struct row layout[] = {
	STRUCT(answers),
	STRUCT(netmem_desc),
	FIELD(netmem_desc, _flags), FIELD(netmem_desc, pp_magic), FIELD(netmem_desc, pp),
	FIELD(netmem_desc, _pp_mapping_pad), FIELD(netmem_desc, dma_addr), FIELD(netmem_desc, pp_ref_count),
	STRUCT(page),
	FIELD(page, flags), FIELD(page, pp_magic), FIELD(page, pp), FIELD(page, _pp_mapping_pad),
	FIELD(page, dma_addr), FIELD(page, pp_ref_count),
	FIELD(page, page_type), FIELD(page, _refcount), FIELD(page, memcg_data),
	STRUCT(net_iov),
	FIELD(net_iov, desc), FIELD(net_iov, type), FIELD(net_iov, owner),
	STRUCT(net_iov_area),
	FIELD(net_iov_area, niovs), FIELD(net_iov_area, num_niovs), FIELD(net_iov_area, base_virtual),
	VALUE(NET_IOV_DMABUF), VALUE(NET_IOV_IOURING),
	{},	/* nothing more */
};

/* ---- one comparison ---- */

static unsigned int n_checks, n_agree, n_net_iov, n_shown;

static void report(bool agree, const char *kind, const char *where, const char *what)
{
	n_checks++;
	n_agree += agree;
	pr_info(NAME ": %s %s, %s: %s\n", kind, where, what, agree ? "agree" : "MISMATCH");
}

/* the first few differences in detail */
static void differs(const char *what, u64 kernel, u64 rust)
{
	if (n_shown++ < 8)
		pr_info(NAME ": differs in %s: kernel %llx, Rust %llx\n", what, kernel, rust);
}

/* One comparison for each row. False when Rust would write past the answers or follow a pointer at a wrong place. */
static bool check_layout(void)
{
	bool safe = true;
	int i;

	for (i = 0; i < ARRAY_SIZE(layout); i++) {
		const struct row *kernel = &layout[i];
		const char *name = kernel->name ?: "nothing more";
		struct row rust = {};
		bool agree;

		rust_layout(i, &rust);
		agree = rust.name_len == kernel->name_len && !memcmp(rust.name, kernel->name, kernel->name_len) &&
			rust.offset == kernel->offset && rust.size == kernel->size;
		if (!agree)
			pr_info(NAME ": differs in layout: kernel %s %llu+%llu, Rust %.*s %llu+%llu\n", name, kernel->offset,
				kernel->size, (int)rust.name_len, rust.name, rust.offset, rust.size);
		if (!agree && (!kernel->offset || !strcmp(name, "type") || !strcmp(name, "owner") || !strcmp(name, "niovs")))
			safe = false;
		report(agree, "layout", name, "place and size");
	}
	return safe;
}

/* What the kernel's helpers say. Three are not in its headers for modules; their text stands here. */
static void kernel_answer(netmem_ref nm, struct answers *a)
{
	struct netmem_desc *desc = netmem_to_nmdesc(nm);

	memset(a, 0, sizeof(*a));
	a->word = (__force u64)nm;
	a->is_net_iov = netmem_is_net_iov(nm);
	a->desc = (u64)desc;
	a->pp = (u64)netmem_get_pp(nm);
	a->dma_addr = page_pool_get_dma_addr_netmem(nm);
	a->magic = desc->pp_magic & ~PP_DMA_INDEX_MASK;				/* netmem_get_pp_magic */
	a->dma_index = (desc->pp_magic & PP_DMA_INDEX_MASK) >> PP_DMA_INDEX_SHIFT;	/* netmem_get_dma_index */
	a->ref_count = atomic_long_read(netmem_get_pp_ref_count_ref(nm));
	a->refused = (__force u64)nm;
	if (netmem_is_net_iov(nm)) {
		struct net_iov *niov = netmem_to_net_iov(nm);
		struct net_iov_area *area = net_iov_owner(niov);

		a->memory = (u64)niov;
		a->desc_of_memory = (u64)&niov->desc;
		a->is_pp = (desc->pp_magic & PP_MAGIC_MASK) == PP_SIGNATURE;
		a->cast = a->cast_known = a->widened = (__force u64)net_iov_to_netmem(niov);
		a->known = (u64)netmem_to_net_iov(nm);
		a->known_desc = (u64)netmem_to_nmdesc(nm);
		a->known_pp = (u64)netmem_get_pp(nm);
		a->iov_type = niov->type;
		a->is_devmem = net_is_devmem_iov(niov);
		a->area = (u64)area;
		a->index = net_iov_idx(niov);
		a->num_niovs = area->num_niovs;
		a->base_virtual = area->base_virtual;
		a->virtual_addr = area->base_virtual + ((unsigned long)net_iov_idx(niov) << PAGE_SHIFT); /* net_iov_virtual_addr */
	} else {
		struct page *page = netmem_to_page(nm);

		a->memory = (u64)page;
		a->is_pp = page_pool_page_is_pp(page);
		a->desc_of_memory = a->is_pp ? (u64)pp_page_to_nmdesc(page) : (u64)__pp_page_to_nmdesc(page);
		a->cast = a->cast_known = a->widened = (__force u64)page_to_netmem(page);
		a->known = (u64)__netmem_to_page(nm);
		a->known_desc = (u64)__netmem_to_nmdesc(nm);
		a->known_pp = (u64)__netmem_get_pp(nm);
		a->page_refcount = netmem_ref_count(nm);
		a->page_type = page->page_type;
		a->memcg_data = page->memcg_data;
	}
}

struct sample {
	netmem_ref nm;
	const char *where;
	u64 virtual_addr;	/* as Rust said last */
};

/*
 * Compares everything about a handle. The count must also be `count`, and whoever was last asked to change it must
 * have said that `expect` references are left where it `said` so.
 */
static void check(struct sample *s, const char *what, long count, long said, long expect)
{
	struct answers kernel, rust;
	bool agree = true;
	int i;

	memset(&rust, 0xaa, sizeof(rust));
	rust_answer(s->nm, &rust);
	kernel_answer(s->nm, &kernel);
	for (i = 0; i < N_ANSWERS; i++) {
		u64 k = ((u64 *)&kernel)[i], r = ((u64 *)&rust)[i];

		if (k != r) {
			differs(answer_names[i], k, r);
			agree = false;
		}
	}
	if (kernel.ref_count != count) {
		pr_info(NAME ": the count is %lld, not %ld\n", kernel.ref_count, count);
		agree = false;
	}
	if (said != expect) {
		pr_info(NAME ": it was said to be %ld, not %ld\n", said, expect);
		agree = false;
	}
	s->virtual_addr = rust.virtual_addr;
	n_net_iov += netmem_is_net_iov(s->nm);
	report(agree, netmem_is_net_iov(s->nm) ? "net_iov" : "page", s->where, what);
}

/* Out of line, because the helper wants a constant to be 1. */
static noinline long c_drop(netmem_ref nm, long n)
{
	return page_pool_unref_netmem(nm, n);
}

/* Eight comparisons of memory that has one reference, and has one again at the end. */
static void take_turns(struct sample *s)
{
	const long raised = LONG_MAX >> 1;
	long n;

	check(s, "fresh", 1, 0, 0);
	n = rust_take(s->nm, 1);
	check(s, "Rust took", 2, n, 2);
	n = c_drop(s->nm, 1);
	check(s, "C dropped", 1, n, 1);
	page_pool_ref_netmem(s->nm);
	check(s, "C took", 2, 0, 0);
	n = rust_drop(s->nm, 1);
	check(s, "Rust dropped", 1, n, 1);
	page_pool_fragment_netmem(s->nm, raised);
	check(s, "C raised", raised, 0, 0);
	n = rust_drop(s->nm, raised - 5);
	check(s, "Rust lowered", 5, n, 5);
	n = c_drop(s->nm, 4);
	check(s, "C lowered", 1, n, 1);
}

/* One comparison, and the memory is its pool's again: every other time it is Rust that drops the last reference. */
static void give_back(struct page_pool *pool, struct sample *s, bool by_rust)
{
	if (by_rust) {
		long left = rust_drop(s->nm, 1);

		check(s, "Rust dropped the last", 1, left, 0);
		page_pool_put_unrefed_netmem(pool, s->nm, -1, false);
	} else {
		check(s, "C drops the last", 1, 0, 0);
		page_pool_put_full_netmem(pool, s->nm, false);
	}
}

/* ---- both at once, on two CPUs ---- */

#define TIMES 500000

struct racer {
	netmem_ref nm;
	bool rust, take;
	atomic_t *missing;	/* at the start */
	struct completion done;
};

static int race_one(void *data)
{
	struct racer *r = data;
	int i;

	atomic_dec(r->missing);
	while (atomic_read(r->missing))
		cond_resched();
	for (i = 0; i < TIMES; i++) {
		if (r->rust && r->take)
			rust_take(r->nm, 1);
		else if (r->rust)
			rust_drop(r->nm, 1);
		else if (r->take)
			page_pool_ref_netmem(r->nm);
		else
			page_pool_unref_netmem(r->nm, 1);
		if (i % 1000 == 0)
			cond_resched();
	}
	return 0;
}

static int race_thread(void *data)
{
	struct racer *r = data;

	race_one(r);
	kthread_complete_and_exit(&r->done, 0);
}

/* Two comparisons: both take, then each drops as many as the other took. */
static void race(struct sample *s)
{
	int take, i;

	for (take = 1; take >= 0; take--) {
		atomic_t missing = ATOMIC_INIT(2);
		struct racer r[2];

		for (i = 0; i < 2; i++) {
			struct task_struct *task;

			r[i] = (struct racer){ .nm = s->nm, .rust = i, .take = take, .missing = &missing };
			init_completion(&r[i].done);
			task = kthread_run_on_cpu(race_thread, &r[i], i % num_online_cpus(), NAME "/%u");
			if (IS_ERR(task)) {	/* seen by the count that is missing */
				atomic_dec(&missing);
				complete(&r[i].done);
			}
		}
		wait_for_completion(&r[0].done);
		wait_for_completion(&r[1].done);
		check(s, take ? "both took at once" : "both dropped at once", take ? 1 + 2 * TIMES : 1, 0, 0);
	}
}

/* ---- page pools ---- */

static struct platform_device *pdev;

static struct page_pool *make_pool(unsigned int order, unsigned int flags, struct net_device *dev, int queue)
{
	struct page_pool_params params = {
		.order = order, .pool_size = 64, .nid = NUMA_NO_NODE, .dev = &pdev->dev, .flags = flags,
		.dma_dir = DMA_FROM_DEVICE, .max_len = PAGE_SIZE << order, .netdev = dev, .queue_idx = queue,
	};

	return page_pool_create(&params);
}

/* One comparison: what the pool has out is what lies in its cache and ring, and the page it cuts fragments from. */
static void end_pool(struct page_pool *pool)
{
	long out = (int)(pool->pages_state_hold_cnt - atomic_read(&pool->pages_state_release_cnt));
	long kept = pool->alloc.count + !!pool->frag_page;
	int i;

	for (i = 0; i < pool->ring.size; i++)
		kept += !!pool->ring.queue[i];
	report(out == kept, "pool", pool->dma_map ? "that maps" : "that does not map", "all memory came back");
	page_pool_destroy(pool);
}

#define MAPPED (PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV)
#define MAX_PAGES 32

/* Ten comparisons for each of `n` pages, and one. */
static int check_pages(const char *where, unsigned int order, unsigned int flags, int n)
{
	struct page_pool *pool = make_pool(order, flags, NULL, 0);
	static struct sample pages[MAX_PAGES];
	int i;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	for (i = 0; i < n; i++) {
		pages[i] = (struct sample){ .nm = page_pool_alloc_netmems(pool, GFP_KERNEL), .where = where };
		if (!pages[i].nm)
			return -ENOMEM;
		take_turns(&pages[i]);
	}
	for (i = 0; i < n; i++) {
		check(&pages[i], "in use with others", 1, 0, 0);
		give_back(pool, &pages[i], i & 1);
	}
	end_pool(pool);
	return 0;
}

/* `users` + 6 comparisons: a page in fragments, of which the pool holds a share until it begins the next page. */
static int check_frags(const char *where, unsigned int order, long users)
{
	struct page_pool *pool = make_pool(order, MAPPED, NULL, 0);
	unsigned int size = (PAGE_SIZE << order) / users, offset;
	struct sample page = { .where = where }, next = { .where = where };
	long left;
	int i;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	for (i = 0; i < users; i++) {
		page.nm = page_pool_alloc_frag_netmem(pool, &offset, size, GFP_KERNEL);
		if (!page.nm)
			return -ENOMEM;
		check(&page, "fragment", LONG_MAX >> 1, offset, i * size);
	}
	next.nm = page_pool_alloc_frag_netmem(pool, &offset, size, GFP_KERNEL);
	if (!next.nm)
		return -ENOMEM;
	check(&page, "all fragments out", users, 0, 0);
	left = rust_drop(page.nm, 1);
	check(&page, "Rust dropped a fragment", users - 1, left, users - 1);
	left = c_drop(page.nm, 1);
	check(&page, "C dropped a fragment", users - 2, left, users - 2);
	left = users - 3;
	rust_drop(page.nm, left);
	give_back(pool, &page, true);
	/* the next page has one fragment out, which Rust drops; the rest is the pool's */
	left = rust_drop(next.nm, 1);
	check(&next, "a fragment of the next page", (LONG_MAX >> 1) - 1, left, (LONG_MAX >> 1) - 1);
	end_pool(pool);
	return 0;
}

/* Seven comparisons: what mm does with a page of a pool, and a page of no pool. */
static int check_mm(void)
{
	struct page_pool *pool = make_pool(0, MAPPED, NULL, 0);
	struct sample s = { .where = "with mm" }, foreign = { .where = "of no pool" };
	struct page *page;

	if (IS_ERR(pool))
		return PTR_ERR(pool);
	s.nm = page_pool_alloc_netmems(pool, GFP_KERNEL);
	page = alloc_page(GFP_KERNEL);
	if (!s.nm || !page)
		return -ENOMEM;
	get_page(netmem_to_page(s.nm));
	check(&s, "after get_page", 1, netmem_ref_count(s.nm), 2);
	put_page(netmem_to_page(s.nm));
	check(&s, "after put_page", 1, netmem_ref_count(s.nm), 1);
	netmem_to_nmdesc(s.nm)->pp_magic |= 2;
	check(&s, "as pfmemalloc", 1, netmem_is_pfmemalloc(s.nm), true);
	netmem_to_nmdesc(s.nm)->pp_magic &= ~2UL;
	race(&s);
	page_pool_put_full_netmem(pool, s.nm, false);

	foreign.nm = virt_to_netmem(page_address(page));
	check(&foreign, "as mm made it", atomic_long_read(netmem_get_pp_ref_count_ref(foreign.nm)), 0, 0);
	__free_page(page);
	end_pool(pool);
	return 0;
}

/* ---- net_iovs: a device whose queues can be given other memory ---- */

#define QUEUES 2
#define AREA 64		/* pages in what bind.c lends */

static struct net_device *netdev;

struct queue {
	struct page_pool *pool;
	struct sample *iovs;
	int n;
};
struct priv { struct queue queues[QUEUES]; };

/* Eight comparisons for each of AREA net_iovs, two for the first, and one. */
static int check_iovs(struct queue *q)
{
	DECLARE_BITMAP(seen, AREA) = {};
	int i;

	q->iovs = kcalloc(AREA, sizeof(*q->iovs), GFP_KERNEL);
	if (!q->iovs)
		return -ENOMEM;
	for (i = 0; i < AREA; i++) {
		struct sample *s = &q->iovs[i];

		s->nm = page_pool_alloc_netmems(q->pool, GFP_KERNEL);
		if (!s->nm)
			break;
		q->n++;
		s->where = net_is_devmem_iov(netmem_to_net_iov(s->nm)) ? "devmem" : "zcrx";
		take_turns(s);
		if (i == 0)
			race(s);
		if (s->virtual_addr >> PAGE_SHIFT < AREA)
			__set_bit(s->virtual_addr >> PAGE_SHIFT, seen);
		if (net_iov_owner(netmem_to_net_iov(s->nm))->base_virtual)
			pr_info_once(NAME ": there are areas beyond the first\n");
	}
	report(bitmap_full(seen, AREA), "addresses", "of the area", "each page once");
	return 0;
}

/* For each net_iov it still has one comparison, and one. */
static void queue_free(struct queue *q)
{
	int i;

	if (!q->pool)
		return;
	for (i = 0; i < q->n; i++)
		give_back(q->pool, &q->iovs[i], i & 1);
	kfree(q->iovs);
	end_pool(q->pool);
	memset(q, 0, sizeof(*q));
}

static int queue_alloc(struct net_device *dev, int i, struct queue *q)
{
	int err = 0;

	memset(q, 0, sizeof(*q));
	q->pool = make_pool(0, MAPPED | PP_FLAG_ALLOW_UNREADABLE_NETMEM, dev, i);
	if (IS_ERR(q->pool)) {
		err = PTR_ERR(q->pool);
		q->pool = NULL;
	} else if (page_pool_is_unreadable(q->pool)) {
		err = check_iovs(q);
	}
	return err;
}

static struct queue *queue_of(struct net_device *dev, int i)
{
	struct priv *priv = netdev_priv(dev);

	return &priv->queues[i];
}

static int mem_alloc(struct net_device *dev, struct netdev_queue_config *config, void *mem, int i)
{
	return queue_alloc(dev, i, mem);
}

static void mem_free(struct net_device *dev, void *mem)
{
	queue_free(mem);
}

static int mem_start(struct net_device *dev, struct netdev_queue_config *config, void *mem, int i)
{
	*queue_of(dev, i) = *(struct queue *)mem;
	return 0;
}

static int mem_stop(struct net_device *dev, void *mem, int i)
{
	*(struct queue *)mem = *queue_of(dev, i);
	memset(queue_of(dev, i), 0, sizeof(struct queue));
	return 0;
}

static const struct netdev_queue_mgmt_ops queue_ops = {
	.ndo_queue_mem_size = sizeof(struct queue),
	.ndo_queue_mem_alloc = mem_alloc,
	.ndo_queue_mem_free = mem_free,
	.ndo_queue_start = mem_start,
	.ndo_queue_stop = mem_stop,
};

static int dev_open_queues(struct net_device *dev)
{
	int i, err;

	for (i = 0; i < QUEUES; i++) {
		err = queue_alloc(dev, i, queue_of(dev, i));
		if (err)
			return err;
	}
	return 0;
}

static int dev_stop_queues(struct net_device *dev)
{
	int i;

	for (i = 0; i < QUEUES; i++)
		queue_free(queue_of(dev, i));
	return 0;
}

static netdev_tx_t dev_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static const struct net_device_ops dev_ops = {
	.ndo_open = dev_open_queues,
	.ndo_stop = dev_stop_queues,
	.ndo_start_xmit = dev_xmit,
};

static int add_device(void)
{
	int err;

	netdev = alloc_etherdev_mqs(sizeof(struct priv), QUEUES, QUEUES);
	if (!netdev)
		return -ENOMEM;
	strscpy(netdev->name, "netmem0");
	SET_NETDEV_DEV(netdev, &pdev->dev);
	netdev->netdev_ops = &dev_ops;
	netdev->queue_mgmt_ops = &queue_ops;
	netdev->cfg->hds_config = ETHTOOL_TCP_DATA_SPLIT_ENABLED;	/* providers want it */
	eth_hw_addr_random(netdev);
	err = register_netdev(netdev);
	if (err)
		free_netdev(netdev);
	return err;
}

static int __init glue_init(void)
{
	int err;

	if (!check_layout()) {
		pr_err(NAME ": Rust would follow a pointer at the wrong place; nothing is read\n");
		return -EINVAL;
	}
	pdev = platform_device_register_simple(NAME, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	err = err ?: check_pages("order 0", 0, MAPPED, MAX_PAGES);
	err = err ?: check_pages("order 3", 3, MAPPED, 8);
	err = err ?: check_pages("unmapped", 0, 0, 4);
	err = err ?: check_frags("in 4", 0, 4);
	err = err ?: check_frags("in 16 of order 3", 3, 16);
	err = err ?: check_mm();
	err = err ?: add_device();
	if (err)
		platform_device_unregister(pdev);
	return err;
}

static void __exit glue_exit(void)
{
	unregister_netdev(netdev);
	free_netdev(netdev);
	platform_device_unregister(pdev);
	pr_info(NAME ": total checks=%u agree=%u net_iov=%u\n", n_checks, n_agree, n_net_iov);
}

module_init(glue_init);
module_exit(glue_exit);
MODULE_DESCRIPTION("compares src/memory of the netmem crate with the kernel's own helpers");
MODULE_LICENSE("Dual MIT/GPL");
