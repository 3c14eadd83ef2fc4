// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The same trace of operations on two pools, number for number: the kernel's page_pool, and the engine of the crate. Both are
 * `PagePool<Page>`, compiled twice from the same files. Then the instructions of one operation, for both and for a driver in C: with
 * QEMU's -icount shift=0 and one CPU, each instruction is a tick of the counter.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <net/page_pool/helpers.h>
#include <net/xdp.h>

/* `Plan` of trace.rs. */
struct plan {
	u64 seed;
	u32 pool_size, order, bulk;
	bool frags;
	u8 wrong;
};

/* `numbers` of trace.rs in the same order. */
static const char *const names[] = { "fast", "slow", "slow_ho", "empty", "refill", "waive", "cached", "cache_full", "ring",
	"ring_full", "released_ref", "inflight", "handles", "frags", "pages", "offsets", "failed" };

#define NUMBERS		ARRAY_SIZE(names)
#define COUNTERS	11
#define PHASES		40
#define SEEDS		4

static_assert(NUMBERS == COUNTERS + 6);

/*
 * Linux takes XDP_BULK_QUEUE_SIZE handles at once, and counts ring_full once for each such bulk. The crate takes 64, and counts
 * ring_full once. So larger bulks are put only into a ring that is never full, because all that is held fits in.
 */
#define BULK(ring)	((ring) < 1024 ? XDP_BULK_QUEUE_SIZE : 64)

/* Doors of either build. */
#define DOORS(name) \
	void *name##_open(const struct plan *plan, struct device *dev); \
	void name##_phase(void *trace, u64 *numbers); \
	void name##_end(void *trace, u64 *numbers); \
	void name##_close(void *trace); \
	void *name##_bench_open(const struct plan *plan, struct device *dev); \
	void name##_bench(void *bench, u32 row, u64 n); \
	void name##_bench_close(void *bench);
DOORS(linux)
DOORS(model)

/* ---- what Rust calls ---- */

void *netmem_trace_alloc(size_t size);
void netmem_trace_free(void *at);
void netmem_trace_panic(const char *file, size_t len, u32 line);

static atomic_t allocations;

void *netmem_trace_alloc(size_t size)
{
	void *at = size > SZ_64K ? kvmalloc(size, GFP_KERNEL) : kmalloc(size, GFP_ATOMIC | __GFP_NOWARN);

	if (at)
		atomic_inc(&allocations);
	return at;
}

void netmem_trace_free(void *at)
{
	atomic_dec(&allocations);
	kvfree(at);
}

void netmem_trace_panic(const char *file, size_t len, u32 line)
{
	panic("netmem_trace: Rust panicked at %.*s:%u\n", (int)len, file, line);
}

/* ---- the trace ---- */

static struct platform_device *pdev;
static u64 sums[COUNTERS];
static unsigned int runs, numbers, different, shown;

/* Compares the numbers of a phase, and returns how many differ. `aloud` says the first few. */
static unsigned int compare(const struct plan *plan, unsigned int phase, const u64 *linux_has, const u64 *model_has, bool aloud)
{
	unsigned int i, differ = 0;

	for (i = 0; i < NUMBERS; i++) {
		if (linux_has[i] == model_has[i])
			continue;
		differ++;
		if (aloud && shown++ < 12)
			pr_info("trace: differs: ring %u order %u frags %d seed %llu phase %u: %s: Linux %llu, crate %llu\n",
				plan->pool_size, plan->order, plan->frags, plan->seed, phase, names[i], linux_has[i], model_has[i]);
	}
	return differ;
}

/* One run on both pools. Returns how many numbers differ, or -1 when there is no memory. */
static int run(const struct plan *linux_plan, const struct plan *model_plan, bool aloud)
{
	void *on_linux = linux_open(linux_plan, &pdev->dev), *on_model = model_open(model_plan, &pdev->dev);
	u64 linux_has[NUMBERS], model_has[NUMBERS];
	int i, differ = 0;

	if (!on_linux || !on_model) {
		pr_err("trace: no memory\n");
		return -1;
	}
	for (i = 0; i <= PHASES; i++) {
		/* the consumer side of a pool is a softirq's */
		local_bh_disable();
		(i < PHASES ? linux_phase : linux_end)(on_linux, linux_has);
		(i < PHASES ? model_phase : model_end)(on_model, model_has);
		local_bh_enable();
		differ += compare(linux_plan, i, linux_has, model_has, aloud);
		cond_resched();
	}
	for (i = 0; aloud && i < COUNTERS; i++)
		sums[i] += linux_has[i];
	linux_close(on_linux);
	model_close(on_model);
	return differ;
}

static int traces(u32 pool_size, u32 order)
{
	struct plan plan = { .pool_size = pool_size, .order = order, .bulk = BULK(pool_size) };
	unsigned int before = different;
	int frags, differ;

	for (frags = 0; frags < 2; frags++) {
		for (plan.seed = 1; plan.seed <= SEEDS; plan.seed++) {
			plan.frags = frags;
			differ = run(&plan, &plan, true);
			if (differ < 0)
				return -ENOMEM;
			runs++;
			numbers += (PHASES + 1) * NUMBERS;
			different += differ;
		}
	}
	pr_info("trace: ring %u order %u: different=%u\n", pool_size, order, different - before);
	return 0;
}

/* Controls: one of the two traces does one thing that the other does not. */
static int controls(void)
{
	static const char *const controls[] = { "nothing", "leaves out a put", "recycles directly what is to be put",
		"cuts a fragment that is too long", "pins a page for the time of a put", "has a ring that is one longer" };
	unsigned int wrong;

	for (wrong = 0; wrong < ARRAY_SIZE(controls); wrong++) {
		struct plan plan = { .seed = 1, .pool_size = 64, .bulk = BULK(64), .frags = true };
		struct plan other = plan;
		int differ;

		if (wrong < 5)
			other.wrong = wrong;
		else
			other.pool_size++;
		differ = run(&plan, &other, false);
		if (differ < 0)
			return -ENOMEM;
		pr_info("trace: control %u, %s: %s\n", wrong, controls[wrong], differ ? "noticed" : "equal");
	}
	return 0;
}

/* ---- instructions ---- */

static const char *const rows[] = { "an empty loop", "alloc, recycle directly", "alloc, put", "fragment of 2048, recycle directly",
	"get, put", "dma_addr" };

/* Rounds of the ring, and of what is in it: many. */
#define N	10240

/* What a driver in C does for the same, with the kernel's helpers. */
static noinline void c_bench(void *pool, u32 row, u64 n)
{
	static netmem_ref held;
	gfp_t gfp = GFP_ATOMIC | __GFP_NOWARN;
	unsigned int offset;
	unsigned long addr;
	netmem_ref nm;
	u64 i;

	if (!held)
		held = page_pool_alloc_netmems(pool, gfp);
	switch (row) {
	case 0:
		for (i = 0; i < n; i++)
			OPTIMIZER_HIDE_VAR(i);
		return;
	case 1:
		for (i = 0; i < n; i++) {
			nm = page_pool_alloc_netmems(pool, gfp);
			if (unlikely(!nm))
				continue;
			page_pool_put_full_netmem(pool, nm, true);
		}
		return;
	case 2:
		for (i = 0; i < n; i++) {
			nm = page_pool_alloc_netmems(pool, gfp);
			if (unlikely(!nm))
				continue;
			page_pool_put_full_netmem(pool, nm, false);
		}
		return;
	case 3:
		for (i = 0; i < n; i++) {
			nm = page_pool_alloc_frag_netmem(pool, &offset, 2048, gfp);
			if (unlikely(!nm))
				continue;
			page_pool_put_full_netmem(pool, nm, true);
		}
		return;
	case 4:
		for (i = 0; i < n; i++) {
			page_pool_ref_netmem(held);
			page_pool_put_full_netmem(pool, held, false);
		}
		return;
	case 5:
		for (i = 0; i < n; i++) {
			nm = READ_ONCE(held);
			addr = page_pool_get_dma_addr_netmem(nm);
			/* OPTIMIZER_HIDE_VAR, and not dropped when nobody wants the value */
			asm volatile("" : "+r" (addr));
		}
		return;
	}
	page_pool_put_full_netmem(pool, held, true);
	held = 0;
}

/* Instructions of N operations: those of 2 N less those of N. So calls and first refills drop out. */
static u64 ticks(void (*bench)(void *, u32, u64), void *pool, u32 row)
{
	u64 start, middle, end;

	/* the cache and the ring are as after many of these */
	bench(pool, row, N);
	start = rdtsc();
	bench(pool, row, N);
	middle = rdtsc();
	bench(pool, row, 2 * N);
	end = rdtsc();
	return (end - middle) - (middle - start);
}

static int benches(void)
{
	struct plan plan = { .seed = 1 };
	struct page_pool_params params = {
		.nid = NUMA_NO_NODE, .dev = &pdev->dev, .dma_dir = DMA_FROM_DEVICE, .max_len = PAGE_SIZE,
		.flags = PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
	};
	struct page_pool *pool = page_pool_create(&params);
	void *on_linux = linux_bench_open(&plan, &pdev->dev), *on_model = model_bench_open(&plan, &pdev->dev);
	u64 counts[ARRAY_SIZE(rows)][3];
	unsigned long flags;
	unsigned int row;

	if (IS_ERR(pool) || !on_linux || !on_model)
		return -ENOMEM;
	local_bh_disable();
	local_irq_save(flags);
	for (row = 0; row < ARRAY_SIZE(rows); row++) {
		counts[row][0] = ticks(c_bench, pool, row);
		counts[row][1] = ticks(linux_bench, on_linux, row);
		counts[row][2] = ticks(model_bench, on_model, row);
	}
	c_bench(pool, ARRAY_SIZE(rows), 0);
	local_irq_restore(flags);
	local_bh_enable();
	for (row = 0; row < ARRAY_SIZE(rows); row++)
		pr_info("trace: instructions of %u: %s: %llu %llu %llu\n", N, rows[row], counts[row][0], counts[row][1], counts[row][2]);
	page_pool_destroy(pool);
	linux_bench_close(on_linux);
	model_bench_close(on_model);
	return 0;
}

/* ---- the module ---- */

static int __init netmem_trace_init(void)
{
	static const u32 rings[] = { 16, 31, 32, 40, 64, 100, 512, 1024 };
	int err, i;

	pdev = platform_device_register_simple("netmem_trace", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(pdev))
		return PTR_ERR(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	for (i = 0; i < ARRAY_SIZE(rings); i++)
		err = err ?: traces(rings[i], 0);
	err = err ?: traces(16, 3);
	err = err ?: traces(64, 3);
	for (i = 0; i < COUNTERS; i++)
		pr_info("trace: sum of %s: %llu\n", names[i], sums[i]);
	pr_info("trace: runs=%u numbers=%u different=%u\n", runs, numbers, different);
	err = err ?: controls();
	err = err ?: benches();
	if (err)
		platform_device_unregister(pdev);
	return err;
}

static void __exit netmem_trace_exit(void)
{
	platform_device_unregister(pdev);
	pr_info("trace: allocations left %d\n", atomic_read(&allocations));
}

module_init(netmem_trace_init);
module_exit(netmem_trace_exit);
MODULE_DESCRIPTION("compares the page pool of the netmem crate with the kernel's own");
MODULE_LICENSE("Dual MIT/GPL");
