//! The numbers of Linux's errors: each reason has that of the function that refuses the same.

use netmem::Refused;
use netmem::dma::{DmaDirection, MapError, PeerError, TxMapError};
use netmem::netdev::{
    AdjustError, BindError, ConfigError, PostError, QueueError, RestartError, RingError, TxError, UnbindError,
};
use netmem::page_pool::{AreaError, DmabufError, PoolError, ProviderError, ShareError, TxRangeError};
use netmem::skb::{AddFragError, ReadError};
use rustix::io::Errno;

/// What each refusal is in Linux 7.3, with the function that returns it. The numbers are those of another crate.
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
        (PoolError::Provider(ProviderError::NeedsDma).errno(), Errno::OPNOTSUPP, "page_pool_init: mp_ops"),
        (ProviderError::Order { order: 11, max: 10 }.errno(), Errno::INVAL, "page_pool_init: MAX_PAGE_ORDER"),
        // net/core/devmem.c
        (ProviderError::PieceSize { asked: 8192, has: 4096 }.errno(), Errno::TOOBIG, "mp_dmabuf_devmem_init"),
        (DmabufError::NoMemory.errno(), Errno::NOMEM, "xa_alloc_cyclic"),
        (DmabufError::AllInUse { count: 1 }.errno(), Errno::BUSY, "xa_alloc_cyclic"),
        (AreaError::Misaligned { addr: 1, len: 1, size: 4096 }.errno(), Errno::INVAL, "net_devmem_bind_dmabuf"),
        (AreaError::NoMemory { niovs: 1 }.errno(), Errno::NOMEM, "net_devmem_bind_dmabuf: niovs"),
        (TxRangeError::NotBound { offset: 0, len: 1, at: 0 }.errno(), Errno::FAULT, "zerocopy_fill_skb_from_devmem"),
        // netif_mp_open_rxq() and netdev_rx_queue_restart(), net/core/netdev_rx_queue.c
        (BindError::GoingAway.errno(), Errno::NODEV, "netdev_nl_bind_rx_doit"),
        (BindError::NoQueueRestart.errno(), Errno::OPNOTSUPP, "netif_mp_open_rxq: ops lock"),
        (BindError::QueueRange { queue: 2, queues: 2 }.errno(), Errno::RANGE, "netif_mp_open_rxq: index"),
        (BindError::HeaderSplitOff { queue: 0 }.errno(), Errno::INVAL, "netif_mp_open_rxq: tcp-data-split"),
        (BindError::HdsThreshold { queue: 0, threshold: 1 }.errno(), Errno::INVAL, "netif_mp_open_rxq: hds-thresh"),
        (BindError::XdpAttached.errno(), Errno::EXIST, "netif_mp_open_rxq: dev_xdp_prog_count"),
        (BindError::NoRxPageSize { size: 8192 }.errno(), Errno::OPNOTSUPP, "netif_mp_open_rxq: QCFG_RX_PAGE_SIZE"),
        (BindError::AlreadyBound { queue: 0 }.errno(), Errno::EXIST, "netif_mp_open_rxq: mp_ops"),
        (BindError::AfXdp { queue: 0 }.errno(), Errno::BUSY, "netif_mp_open_rxq: rxq->pool"),
        (RestartError::OtherProvider.errno(), Errno::NODATA, "page_pool_check_memory_provider"),
        (RestartError::Alloc(pool(PoolError::NoMemory)).errno(), Errno::NOMEM, "ndo_queue_mem_alloc"),
        (BindError::from(RestartError::OtherProvider).errno(), Errno::NODATA, "netif_mp_open_rxq passes it on"),
        (UnbindError::from(RestartError::OtherProvider).errno(), Errno::NODATA, "netif_mp_close_rxq: restart"),
        (ConfigError::Bound { queue: 0 }.errno(), Errno::BUSY, "dev_xdp_attach"),
        // io_uring/zcrx.c, which is a provider
        (ProviderError::Direction { direction: DmaDirection::ToDevice }.errno(), Errno::OPNOTSUPP, "io_pp_zc_init"),
        (ProviderError::OtherDevice.errno(), Errno::INVAL, "io_pp_zc_init: dev"),
        // net/core/skbuff.c, net/core/filter.c, the mapping helpers
        (unreadable.errno(), Errno::FAULT, "skb_copy_bits"),
        (AddFragError::Full { len: 1 }.errno(), Errno::MSGSIZE, "skb_splice_from_iter"),
        (AdjustError { delta: 1, room: 0, len: 14 }.errno(), Errno::INVAL, "bpf_xdp_adjust_head"),
        (TxMapError::NoRoom { len: 1 }.errno(), Errno::NOMEM, "dma_mapping_error"),
        (TxError::Full { need: 1, room: 0 }.errno(), Errno::BUSY, "NETDEV_TX_BUSY"),
        (TxError::OtherDevice { frag: 0 }.errno(), Errno::NODEV, "net_devmem_get_binding"),
    ];
    let wrong: Vec<_> = table.iter().filter(|(ours, theirs, _)| *ours != theirs.raw_os_error()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Where Linux does not refuse, the number is the one that the documentation names.
#[test]
fn a_refusal_that_linux_has_not_has_the_nearest_number() {
    let peer = PeerError { offset: 0, len: 1 };
    for (ours, nearest) in [
        (ShareError::NotAlone.errno(), Errno::BUSY),
        (PostError::Halted.errno(), Errno::NETDOWN),
        (PostError::Full.errno(), Errno::NOSPC),
        (PoolError::NeverSynced.errno(), Errno::OPNOTSUPP),
        (RingError::Depth { depth: 0 }.errno(), Errno::INVAL),
        (MapError::NoRoom { len: 1 }.errno(), Errno::NOMEM),
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
