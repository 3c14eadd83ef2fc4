//! The numbers of Linux's errors: each reason has that of the function that refuses the same. The functions were read
//! in the source of 7.3.4.

use netmem::Refused;
use netmem::dma::{DmaDirection, MapError, PeerError, TxMapError};
use netmem::netdev::{
    AdjustError, BindError, CompletionError, ConfigError, PostError, QueueError, RestartError, RingError, TxError,
    UnbindError,
};
use netmem::page_pool::{AreaError, DmabufError, PoolError, ProviderError, ShareError, TxRangeError};
use netmem::skb::{AddFragError, FrameError, ReadError};
use rustix::io::Errno;

/// The number of each refusal in Linux 7.3.4, with the function that returns it, and the check or the callee where it has
/// several. The numbers are those of another crate.
#[test]
fn a_refusal_has_the_number_that_linux_returns() {
    let unreadable = ReadError::Unreadable { frag: 0, start: 0, end: 1 };
    let pool = |reason| QueueError::Pool { queue: 0, reason };
    let table = [
        // page_pool_init() and page_pool_create_percpu(), net/core/page_pool.c
        (PoolError::UnknownFlags { bits: 1 << 31 }.errno(), Errno::INVAL, "page_pool_init: flags"),
        (PoolError::Direction { direction: DmaDirection::ToDevice }.errno(), Errno::INVAL, "page_pool_init: dma_dir"),
        (PoolError::SyncWithoutMap.errno(), Errno::INVAL, "page_pool_init: DMA_SYNC_DEV"),
        (PoolError::NothingToSync.errno(), Errno::INVAL, "page_pool_init: max_len"),
        (PoolError::NoMemory.errno(), Errno::NOMEM, "page_pool_create_percpu: kzalloc_node"),
        (PoolError::RxPageSize { size: 5000 }.errno(), Errno::INVAL, "netdev_nl_bind_rx_doit: is_power_of_2"),
        (PoolError::Provider(ProviderError::NeedsDma).errno(), Errno::OPNOTSUPP, "page_pool_init: dma_map, dma_sync"),
        (ProviderError::Order { order: 11, max: 10 }.errno(), Errno::INVAL, "page_pool_init: MAX_PAGE_ORDER"),
        // net/core/devmem.c
        (ProviderError::PieceSize { asked: 8192, has: 4096 }.errno(), Errno::TOOBIG, "mp_dmabuf_devmem_init: order"),
        (DmabufError::NoMemory.errno(), Errno::NOMEM, "net_devmem_bind_dmabuf: kzalloc_node, xa_alloc_cyclic"),
        (DmabufError::AllInUse { count: 1 }.errno(), Errno::BUSY, "net_devmem_bind_dmabuf: xa_alloc_cyclic"),
        (DmabufError::NiovSize { size: 5000 }.errno(), Errno::INVAL, "netdev_nl_bind_rx_doit: is_power_of_2"),
        (AreaError::Size { size: 5000 }.errno(), Errno::INVAL, "netdev_nl_bind_rx_doit: is_power_of_2"),
        (
            AreaError::Misaligned { addr: 1, len: 1, size: 4096 }.errno(),
            Errno::INVAL,
            "net_devmem_bind_dmabuf: niov_size",
        ),
        (AreaError::NoMemory { niovs: 1 }.errno(), Errno::NOMEM, "net_devmem_bind_dmabuf: kvmalloc_objs"),
        (TxRangeError::NotBound { offset: 0, len: 1, at: 0 }.errno(), Errno::FAULT, "zerocopy_fill_skb_from_devmem"),
        // netif_mp_open_rxq() and netdev_rx_queue_restart(), net/core/netdev_rx_queue.c
        (BindError::GoingAway.errno(), Errno::NODEV, "netdev_nl_bind_rx_doit: netif_device_present"),
        (BindError::NoQueueRestart.errno(), Errno::OPNOTSUPP, "netif_mp_open_rxq: netdev_need_ops_lock"),
        (BindError::QueueRange { queue: 2, queues: 2 }.errno(), Errno::RANGE, "netif_mp_open_rxq: real_num_rx_queues"),
        (BindError::HeaderSplitOff { queue: 0 }.errno(), Errno::INVAL, "__netif_mp_open_rxq: hds_config"),
        (BindError::HdsThreshold { queue: 0, threshold: 1 }.errno(), Errno::INVAL, "__netif_mp_open_rxq: hds_thresh"),
        (BindError::XdpAttached.errno(), Errno::EXIST, "__netif_mp_open_rxq: dev_xdp_prog_count"),
        (BindError::NoRxPageSize { size: 8192 }.errno(), Errno::OPNOTSUPP, "__netif_mp_open_rxq: QCFG_RX_PAGE_SIZE"),
        (BindError::AlreadyBound { queue: 0 }.errno(), Errno::EXIST, "__netif_mp_open_rxq: mp_ops"),
        (BindError::AfXdp { queue: 0 }.errno(), Errno::BUSY, "__netif_mp_open_rxq: rxq->pool"),
        (RestartError::OtherProvider.errno(), Errno::NODATA, "page_pool_check_memory_provider"),
        (
            RestartError::Alloc(pool(PoolError::NoMemory)).errno(),
            Errno::NOMEM,
            "netdev_rx_queue_reconfig: ndo_queue_mem_alloc",
        ),
        (
            BindError::from(RestartError::OtherProvider).errno(),
            Errno::NODATA,
            "__netif_mp_open_rxq: netdev_rx_queue_reconfig",
        ),
        // The settings of a device: net/core/dev.c, net/xdp, net/ethtool
        (ConfigError::Bound { queue: 0 }.errno(), Errno::BUSY, "dev_xdp_install, xp_assign_dev: memory provider"),
        (ConfigError::NeedsSplit { queue: 0 }.errno(), Errno::INVAL, "ethnl_set_rings: tcp_data_split"),
        (ConfigError::NoHeaderSplit.errno(), Errno::OPNOTSUPP, "ethnl_set_rings_validate: TCP_DATA_SPLIT"),
        (ConfigError::QueueRange { queue: 2, queues: 2 }.errno(), Errno::INVAL, "xsk_reg_pool_at_qid"),
        (ConfigError::GoingAway.errno(), Errno::NODEV, "rtnl_setlink: __dev_get_by_index"),
        (RingError::Depth { depth: 1 << 20 }.errno(), Errno::INVAL, "ethnl_set_rings: rx_max_pending"),
        // io_uring/zcrx.c, which is a provider
        (
            ProviderError::Direction { direction: DmaDirection::ToDevice }.errno(),
            Errno::OPNOTSUPP,
            "io_pp_zc_init: dma_dir",
        ),
        (ProviderError::OtherDevice.errno(), Errno::INVAL, "io_pp_zc_init: dev"),
        // net/core/skbuff.c, net/core/filter.c, drivers/net/tun.c, the mapping helpers
        (unreadable.errno(), Errno::FAULT, "skb_copy_bits: skb_frags_readable"),
        (ReadError::Range { start: 0, end: 2, len: 1 }.errno(), Errno::FAULT, "skb_copy_bits: offset"),
        (AddFragError::Full { len: 1 }.errno(), Errno::MSGSIZE, "skb_append_pagefrags, zerocopy_fill_skb_from_devmem"),
        (FrameError { len: 13 }.errno(), Errno::INVAL, "tun_get_user: ETH_HLEN"),
        (AdjustError { delta: 1, room: 0, len: 14 }.errno(), Errno::INVAL, "bpf_xdp_adjust_head, bpf_xdp_adjust_tail"),
        (TxMapError::NoRoom { len: 1 }.errno(), Errno::NOMEM, "dma_mapping_error"),
        (MapError::NoRoom { len: 1 }.errno(), Errno::NOMEM, "dma_buf_map_attachment: map_dma_buf"),
        (TxError::Full { need: 1, room: 0 }.errno(), Errno::BUSY, "ndo_start_xmit: NETDEV_TX_BUSY, of the same value"),
        (TxError::Checksum { start: 9, offset: 0, len: 1 }.errno(), Errno::INVAL, "skb_checksum_help: skb_headlen"),
        // net/core/devmem.c, for the program that sends
        (TxError::NotForTransmit { frag: 0 }.errno(), Errno::INVAL, "net_devmem_get_binding: tx_vec"),
        (TxError::OtherDevice { frag: 0 }.errno(), Errno::NODEV, "net_devmem_get_binding: dst_dev"),
    ];
    let wrong: Vec<_> = table.iter().filter(|(ours, theirs, _)| *ours != theirs.raw_os_error()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Linux does not refuse these. The numbers are those that the documentation names.
#[test]
fn a_refusal_that_linux_has_not_has_the_nearest_number() {
    let peer = PeerError { offset: 0, len: 1 };
    for (ours, nearest) in [
        (ShareError::NotAlone.errno(), Errno::BUSY),
        (PostError::Halted.errno(), Errno::NETDOWN),
        (PostError::Full.errno(), Errno::NOSPC),
        (PoolError::NeverSynced.errno(), Errno::OPNOTSUPP),
        (RingError::Depth { depth: 0 }.errno(), Errno::INVAL),
        (MapError::Range { offset: 0, len: 2, size: 1 }.errno(), Errno::INVAL),
        (TxMapError::OtherPage { len: 1 }.errno(), Errno::INVAL),
        (TxMapError::Full.errno(), Errno::MSGSIZE),
        (TxRangeError::Empty { offset: 0 }.errno(), Errno::INVAL),
        (DmabufError::Empty.errno(), Errno::INVAL),
        (DmabufError::Overlap { chunk: 1, other: 0 }.errno(), Errno::INVAL),
        (AreaError::Offset { base_virtual: 1, len: 1 }.errno(), Errno::RANGE),
        (ProviderError::Busy { pools: 1 }.errno(), Errno::BUSY),
        (ProviderError::Closed.errno(), Errno::INVAL),
        (UnbindError::OtherDevice { queue: 0 }.errno(), Errno::INVAL),
        (UnbindError::from(RestartError::OtherProvider).errno(), Errno::NODATA),
        (ConfigError::NoMemory { queues: 1 }.errno(), Errno::NOMEM),
        (CompletionError::Index { index: 1, depth: 1 }.errno(), Errno::IO),
        (peer.errno(), Errno::FAULT),
        (QueueError::Device { what: "start" }.errno(), Errno::IO),
    ] {
        assert_eq!(ours, nearest.raw_os_error());
    }
}

#[test]
fn an_error_says_why_and_gives_the_value_back() {
    let refused = Refused { reason: PostError::Full, back: "value" };
    assert_eq!(refused.to_string(), "the ring has no free descriptor: handle completions first, or ask `room()`");
    assert_eq!(refused.back, "value");
    let refused: Refused<BindError, ()> = Refused::new(RestartError::OtherProvider, ());
    assert_eq!(refused.reason, BindError::Restart(RestartError::OtherProvider));
}
