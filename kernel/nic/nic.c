// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Intel 82574L (e1000e of QEMU), receive side in Rust: what is here is what C has macros, inline functions or struct initialisers
 * for. The PCI function, the net_device, NAPI, the operations that the core calls, and their doors to Rust.
 *
 * Who may touch the receive side (`p->rust`) when: the poll, while NAPI is enabled; and an operation of the core, which holds the
 * instance lock, after it has disabled NAPI. So there is one user at a time. Memory is made (q_alloc) by a part of the receive side
 * that polls do not touch (`p->maker`), and NAPI runs on.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/ethtool.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/timer.h>
#include <net/gro.h>
#include <net/netdev_lock.h>
#include <net/netdev_queues.h>
#include <net/netdev_rx_queue.h>
#include <net/page_pool/helpers.h>
#include "nic.h"

#define RING_DEFAULT	128
#define RING_MIN	16
#define RING_MAX	1024
#define HEADER		256
/* an skb is built around a buffer of headers */
#define ROOM		(SKB_DATA_ALIGN(HEADER) - HEADER + SKB_DATA_ALIGN(sizeof(struct skb_shared_info)))
#define PAYLOAD		2048
#define DESCRIPTOR	32	/* bytes of a receive descriptor with split headers */

struct nic {
	struct net_device *dev;
	struct pci_dev *pdev;
	u8 __iomem *hw;
	struct napi_struct napi;
	struct timer_list starved;
	void *rust, *maker;
	bool polls;
	u32 entries;
	struct setup setup;

	spinlock_t tx_lock;
	struct tx_desc *tx;
	dma_addr_t tx_dma;
	struct { struct sk_buff *skb; dma_addr_t dma; u32 len; } sent[RING_MAX];
	unsigned int tx_next, tx_done;

	/* packets without an Ethernet header in the linear part, and those that the CPU cannot read */
	u64 headless, unreadable;
	u64 poll_ticks, stack_ticks, polled;
};

static void wr(struct nic *p, int reg, u32 value) { writel(value, p->hw + reg); }
static u32 rd(struct nic *p, int reg) { return readl(p->hw + reg); }

/* ---- memory of Rust ---- */

static atomic_t allocations;

void *netmem_nic_alloc(size_t size)
{
	void *at = kmalloc(size, GFP_ATOMIC | __GFP_NOWARN);

	if (at)
		atomic_inc(&allocations);
	return at;
}

void netmem_nic_free(void *at)
{
	atomic_dec(&allocations);
	kfree(at);
}

void netmem_nic_panic(const char *file, size_t len, u32 line)
{
	panic("netmem_nic: Rust panicked at %.*s:%u\n", (int)len, file, line);
}

/* ---- packets ---- */

/* Where one asks for it, the time stamp counter counts instructions: of polls, and of what is not the receive side's in them. */
static bool measure;
module_param(measure, bool, 0444);

static u64 ticks(void)
{
	return measure ? rdtsc() : 0;
}

void netmem_nic_deliver(struct napi_struct *napi, struct sk_buff *skb)
{
	struct nic *p = container_of(napi, struct nic, napi);
	u64 before;

	/* eth_type_trans reads the linear part */
	if (skb_headlen(skb) < ETH_HLEN) {
		p->headless++;
		dev_kfree_skb_any(skb);
		return;
	}
	p->unreadable += !skb_frags_readable(skb);
	skb->protocol = eth_type_trans(skb, napi->dev);
	before = ticks();
	napi_gro_receive(napi, skb);
	p->stack_ticks += ticks() - before;
}

/* ---- NAPI ---- */

static void tx_reap(struct nic *p)
{
	while (p->tx_done != p->tx_next) {
		unsigned int i = p->tx_done;

		if (!(le32_to_cpu(READ_ONCE(p->tx[i].status)) & TX_DONE))
			break;
		dma_rmb();
		dma_unmap_single(&p->pdev->dev, p->sent[i].dma, p->sent[i].len, DMA_TO_DEVICE);
		dev_consume_skb_any(p->sent[i].skb);
		p->sent[i].skb = NULL;
		p->tx_done = (i + 1) % p->entries;
	}
}

static int poll(struct napi_struct *napi, int budget)
{
	struct nic *p = container_of(napi, struct nic, napi);
	bool starved;
	u64 before;
	int done;

	spin_lock(&p->tx_lock);
	tx_reap(p);
	spin_unlock(&p->tx_lock);
	before = ticks();
	done = netmem_nic_poll(p->rust, budget, &starved);
	p->poll_ticks += ticks() - before;
	p->polled += done;
	/* With nothing posted no interrupt comes, and nothing says that memory is back. */
	if (starved)
		mod_timer(&p->starved, jiffies + msecs_to_jiffies(2));
	if (done < budget && napi_complete_done(napi, done))
		wr(p, IMS, INT_RX | INT_TX);
	return done;
}

static void starved(struct timer_list *timer)
{
	struct nic *p = timer_container_of(p, timer, starved);

	napi_schedule(&p->napi);
}

static irqreturn_t interrupt(int irq, void *data)
{
	struct nic *p = data;

	if (!rd(p, ICR))
		return IRQ_NONE;
	wr(p, IMC, ~0);
	napi_schedule(&p->napi);
	return IRQ_HANDLED;
}

static void polls_stop(struct nic *p)
{
	if (!p->polls)
		return;
	p->polls = false;
	napi_disable_locked(&p->napi);
	timer_delete_sync(&p->starved);
	wr(p, IMC, ~0);
}

static void polls_go(struct nic *p)
{
	if (p->polls)
		return;
	p->polls = true;
	napi_enable_locked(&p->napi);
	/* An interrupt may have been missed; a poll unmasks them. */
	local_bh_disable();
	napi_schedule(&p->napi);
	local_bh_enable();
}

/* ---- memory of a queue ---- */

struct queue_memory { void *rust; };

static int q_alloc(struct net_device *dev, struct netdev_queue_config *config, void *memory, int queue)
{
	bool bound = netif_rxq_has_unreadable_mp(dev, queue);
	struct nic *p = netdev_priv(dev);
	struct queue_memory *m = memory;

	/* NAPI runs on. */
	if (!p->maker)
		return -ENETDOWN;
	m->rust = netmem_nic_mem_alloc(p->maker, queue, bound, 0);
	return m->rust ? 0 : -ENOMEM;
}

static void q_free(struct net_device *dev, void *memory)
{
	struct queue_memory *m = memory;

	if (m->rust)
		netmem_nic_mem_free(m->rust);
	m->rust = NULL;
}

static int q_stop(struct net_device *dev, void *memory, int queue)
{
	struct nic *p = netdev_priv(dev);
	struct queue_memory *m = memory;

	polls_stop(p);
	m->rust = netmem_nic_stop(p->rust, queue);
	return m->rust ? 0 : -EIO;
}

static int q_start(struct net_device *dev, struct netdev_queue_config *config, void *memory, int queue)
{
	struct nic *p = netdev_priv(dev);
	struct queue_memory *m = memory;

	m->rust = netmem_nic_start(p->rust, queue, m->rust);
	polls_go(p);
	return m->rust ? -EIO : 0;
}

static const struct netdev_queue_mgmt_ops queue_ops = {
	.ndo_queue_mem_size = sizeof(struct queue_memory), .ndo_queue_mem_alloc = q_alloc, .ndo_queue_mem_free = q_free,
	.ndo_queue_start = q_start, .ndo_queue_stop = q_stop,
};

/* ---- transmit ---- */

static netdev_tx_t xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct nic *p = netdev_priv(dev);
	unsigned long flags;
	dma_addr_t dma;
	unsigned int i;
	u32 len;

	if (skb_put_padto(skb, ETH_ZLEN))
		return NETDEV_TX_OK;
	len = skb->len;
	dma = dma_map_single(&p->pdev->dev, skb->data, len, DMA_TO_DEVICE);
	if (dma_mapping_error(&p->pdev->dev, dma)) {
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	spin_lock_irqsave(&p->tx_lock, flags);
	tx_reap(p);
	i = p->tx_next;
	if ((i + 1) % p->entries == p->tx_done) {
		spin_unlock_irqrestore(&p->tx_lock, flags);
		dma_unmap_single(&p->pdev->dev, dma, len, DMA_TO_DEVICE);
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	p->sent[i].skb = skb;
	p->sent[i].dma = dma;
	p->sent[i].len = len;
	p->tx[i] = (struct tx_desc){ cpu_to_le64(dma), cpu_to_le32(TX_SEND | len), 0 };
	p->tx_next = (i + 1) % p->entries;
	dma_wmb();
	wr(p, TDT, p->tx_next);
	spin_unlock_irqrestore(&p->tx_lock, flags);
	return NETDEV_TX_OK;
}

/* ---- the device ---- */

static void rings_free(struct nic *p)
{
	struct device *dev = &p->pdev->dev;

	for (int i = 0; i < 2; i++) {
		if (p->setup.rings[i])
			dma_free_coherent(dev, p->entries * DESCRIPTOR, p->setup.rings[i], p->setup.rings_dma[i]);
		p->setup.rings[i] = NULL;
	}
	if (p->tx)
		dma_free_coherent(dev, p->entries * sizeof(*p->tx), p->tx, p->tx_dma);
	p->tx = NULL;
}

static int rings_alloc(struct nic *p)
{
	struct device *dev = &p->pdev->dev;
	dma_addr_t dma = 0;

	for (int i = 0; i < 2; i++) {
		p->setup.rings[i] = dma_alloc_coherent(dev, p->entries * DESCRIPTOR, &dma, GFP_KERNEL);
		p->setup.rings_dma[i] = dma;
	}
	p->tx = dma_alloc_coherent(dev, p->entries * sizeof(*p->tx), &p->tx_dma, GFP_KERNEL);
	p->setup.entries = p->entries;
	if (p->setup.rings[0] && p->setup.rings[1] && p->tx)
		return 0;
	rings_free(p);
	return -ENOMEM;
}

static int nic_open(struct net_device *dev)
{
	struct nic *p = netdev_priv(dev);
	int err = rings_alloc(p);

	if (err)
		return err;
	wr(p, CTRL, rd(p, CTRL) | CTRL_SLU);
	p->tx_next = p->tx_done = 0;
	wr(p, TDBAL, lower_32_bits(p->tx_dma));
	wr(p, TDBAH, upper_32_bits(p->tx_dma));
	wr(p, TDLEN, p->entries * sizeof(*p->tx));
	wr(p, TDH, 0);
	wr(p, TDT, 0);
	wr(p, TIPG, 0x00602006);
	wr(p, TCTL, BIT(1) | BIT(3) | 0x0f << 4 | 0x40 << 12);	/* enable, pad, the usual collision values */
	p->rust = netmem_nic_open(&p->setup);
	p->maker = p->rust ? netmem_nic_maker(p->rust) : NULL;
	if (!p->maker) {
		if (p->rust)
			netmem_nic_close(p->rust);
		p->rust = NULL;
		rings_free(p);
		return -ENOMEM;
	}
	polls_go(p);
	netif_queue_set_napi(dev, 0, NETDEV_QUEUE_TYPE_RX, &p->napi);
	netif_queue_set_napi(dev, 0, NETDEV_QUEUE_TYPE_TX, &p->napi);
	netif_carrier_on(dev);
	netif_start_queue(dev);
	return 0;
}

static void say(struct nic *p)
{
	struct netmem_nic_stats s = {};

	netmem_nic_stats(p->rust, &s);
	pr_info("netmem_nic: packets %llu bytes %llu posted %llu starved %llu dropped %llu unsummed %llu no_memory %llu headless %llu unreadable %llu\n",
		s.packets, s.bytes, s.posted, s.alloc_failed, s.dropped, s.unsummed, s.no_memory, p->headless, p->unreadable);
	if (measure && p->polled)
		pr_info("netmem_nic: ticks a packet %llu of %llu packets\n", (p->poll_ticks - p->stack_ticks) / p->polled, p->polled);
}

static int nic_stop(struct net_device *dev)
{
	struct nic *p = netdev_priv(dev);

	netif_tx_disable(dev);
	netif_carrier_off(dev);
	netif_queue_set_napi(dev, 0, NETDEV_QUEUE_TYPE_RX, NULL);
	netif_queue_set_napi(dev, 0, NETDEV_QUEUE_TYPE_TX, NULL);
	polls_stop(p);
	say(p);
	netmem_nic_maker_free(p->maker);
	p->maker = NULL;
	netmem_nic_close(p->rust);
	p->rust = NULL;
	wr(p, TCTL, 0);
	rd(p, CTRL);
	/* What the device has not sent it does not read any more. */
	for (; p->tx_done != p->tx_next; p->tx_done = (p->tx_done + 1) % p->entries)
		p->tx[p->tx_done].status = cpu_to_le32(TX_DONE), tx_reap(p);
	rings_free(p);
	return 0;
}

static const struct net_device_ops dev_ops = {
	.ndo_open = nic_open, .ndo_stop = nic_stop, .ndo_start_xmit = xmit, .ndo_set_mac_address = eth_mac_addr,
	.ndo_validate_addr = eth_validate_addr,
};

static void get_ringparam(struct net_device *dev, struct ethtool_ringparam *ring, struct kernel_ethtool_ringparam *more,
			  struct netlink_ext_ack *extack)
{
	struct nic *p = netdev_priv(dev);

	ring->rx_max_pending = ring->tx_max_pending = RING_MAX;
	ring->rx_pending = ring->tx_pending = p->entries;
	more->tcp_data_split = ETHTOOL_TCP_DATA_SPLIT_ENABLED;
	more->hds_thresh_max = 0;
}

static int set_ringparam(struct net_device *dev, struct ethtool_ringparam *ring, struct kernel_ethtool_ringparam *more,
			 struct netlink_ext_ack *extack)
{
	struct nic *p = netdev_priv(dev);
	u32 entries = roundup(ring->rx_pending, 8), old = p->entries;
	int err;

	if (more->tcp_data_split == ETHTOOL_TCP_DATA_SPLIT_DISABLED) {
		NL_SET_ERR_MSG(extack, "this driver always splits headers off");
		return -EINVAL;
	}
	if (ring->tx_pending != ring->rx_pending || entries < RING_MIN) {
		NL_SET_ERR_MSG(extack, "both rings have the same size, at least 16");
		return -EINVAL;
	}
	if (entries == old)
		return 0;
	if (!netif_running(dev)) {
		p->entries = entries;
		return 0;
	}
	if (netif_rxq_has_unreadable_mp(dev, 0)) {
		NL_SET_ERR_MSG(extack, "memory is bound to the queue");
		return -EBUSY;
	}
	nic_stop(dev);
	p->entries = entries;
	err = nic_open(dev);
	if (err) {
		p->entries = old;
		if (nic_open(dev))
			netif_device_detach(dev);
	}
	return err;
}

/* The eleven counters of the page pools, under the names that other drivers give them. */
static int get_sset_count(struct net_device *dev, int sset)
{
	return sset == ETH_SS_STATS ? page_pool_ethtool_stats_get_count() : -EOPNOTSUPP;
}

static void get_strings(struct net_device *dev, u32 sset, u8 *data)
{
	if (sset == ETH_SS_STATS)
		page_pool_ethtool_stats_get_strings(data);
}

static void get_ethtool_stats(struct net_device *dev, struct ethtool_stats *stats, u64 *data)
{
	struct netmem_nic_stats s = {};
	struct nic *p = netdev_priv(dev);

	/* A poll counts, and has the receive side alone. */
	if (p->rust) {
		polls_stop(p);
		netmem_nic_stats(p->rust, &s);
		polls_go(p);
	}
	page_pool_ethtool_stats_get(data, (struct page_pool_stats *)s.pools);
}

static const struct ethtool_ops ethtool_ops = {
	.supported_ring_params = ETHTOOL_RING_USE_TCP_DATA_SPLIT | ETHTOOL_RING_USE_HDS_THRS,
	.get_sset_count = get_sset_count, .get_strings = get_strings, .get_ethtool_stats = get_ethtool_stats,
	.get_link = ethtool_op_get_link, .get_ringparam = get_ringparam, .set_ringparam = set_ringparam,
};

static int probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct nic));
	struct nic *p;
	u8 mac[ETH_ALEN];
	u32 word;
	int err;

	if (!dev)
		return -ENOMEM;
	p = netdev_priv(dev);
	p->dev = dev;
	p->pdev = pdev;
	p->entries = RING_DEFAULT;
	spin_lock_init(&p->tx_lock);
	timer_setup(&p->starved, starved, 0);
	err = pcim_enable_device(pdev);
	if (err)
		goto free;
	p->hw = pcim_iomap_region(pdev, 0, "netmem_nic");
	if (IS_ERR(p->hw)) {
		err = PTR_ERR(p->hw);
		goto free;
	}
	pci_set_master(pdev);
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto free;
	p->setup = (struct setup){ .regs = p->hw, .header = HEADER, .payload = PAYLOAD, .room = ROOM, .dev = &pdev->dev,
				   .napi = &p->napi };
	err = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_MSI);
	if (err < 0)
		goto free;
	wr(p, IMC, ~0);
	word = rd(p, RAL);
	memcpy(mac, &word, 4);
	word = rd(p, RAH);
	memcpy(mac + 4, &word, 2);
	eth_hw_addr_set(dev, mac);
	SET_NETDEV_DEV(dev, &pdev->dev);	/* it maps what is bound */
	pci_set_drvdata(pdev, dev);
	dev->netdev_ops = &dev_ops;
	dev->ethtool_ops = &ethtool_ops;
	dev->queue_mgmt_ops = &queue_ops;
	dev->features = dev->hw_features = NETIF_F_RXCSUM | NETIF_F_GRO;
	dev->max_mtu = ETH_DATA_LEN;
	dev->cfg->hds_config = ETHTOOL_TCP_DATA_SPLIT_ENABLED;
	netif_napi_add(dev, &p->napi, poll);
	netif_carrier_off(dev);
	err = request_irq(pci_irq_vector(pdev, 0), interrupt, 0, "netmem_nic", p);
	if (err)
		goto napi;
	strscpy(dev->name, "nm0");
	err = register_netdev(dev);
	if (!err)
		return 0;
	free_irq(pci_irq_vector(pdev, 0), p);
napi:
	netif_napi_del(&p->napi);
	pci_free_irq_vectors(pdev);
free:
	free_netdev(dev);
	return err;
}

static void remove(struct pci_dev *pdev)
{
	struct net_device *dev = pci_get_drvdata(pdev);
	struct nic *p = netdev_priv(dev);

	unregister_netdev(dev);
	free_irq(pci_irq_vector(pdev, 0), p);
	netif_napi_del(&p->napi);
	pci_free_irq_vectors(pdev);
	free_netdev(dev);
	pr_info("netmem_nic: allocations left %d\n", atomic_read(&allocations));
}

static const struct pci_device_id ids[] = { { PCI_DEVICE(0x8086, 0x10d3) }, {} };
MODULE_DEVICE_TABLE(pci, ids);
static struct pci_driver nic_driver = { .name = "netmem_nic", .id_table = ids, .probe = probe, .remove = remove };
module_pci_driver(nic_driver);
MODULE_DESCRIPTION("82574L with the receive side of the crate netmem-drivers");
MODULE_LICENSE("Dual MIT/GPL");
