//! [`NetDevice`]: the receive side of a device as the core sees it.

use crate::alloc::Arc;
use crate::alloc::Vec;
use crate::assert::assert_not_impl_any;
use crate::error::errno::{EBUSY, EINVAL, ENODEV, ENOMEM, EOPNOTSUPP};
use crate::memory::{Page, PageOrIov};
use crate::netdev::XdpBuff;
use crate::page_pool::{AnyProvider, MemoryProvider, PoolKind};
use crate::skb::ETH_HLEN;
use core::fmt;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::{Acquire, Release};

/// What a device says that it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// A queue can be restarted while the others go on. Firmware may be too old for it, whatever the driver has.
    pub queue_restart: bool,
    /// Headers can be split off to buffers of their own.
    #[doc(alias = "tcp-data-split")]
    pub header_split: bool,
    /// Buffers can be larger than a page, as a queue asks when it is bound.
    #[doc(alias = "QCFG_RX_PAGE_SIZE")]
    pub rx_page_size: bool,
    /// Bytes of the longest frame that the device receives, with its Ethernet header: what follows from its MTU. An XDP program
    /// is attached only where such a frame fits one buffer.
    #[doc(alias = "max_mtu")]
    pub max_frame: u32,
}

/// An MTU of 1500, an Ethernet header and two VLAN tags.
const MAX_FRAME: u32 = 1500 + ETH_HLEN + 2 * 4;

impl Default for Capabilities {
    /// Restarts and header split, no other size of buffers, and frames of up to 1522 bytes.
    fn default() -> Self {
        Capabilities { queue_restart: true, header_split: true, rx_page_size: false, max_frame: MAX_FRAME }
    }
}

/// Whether headers go to buffers of their own: `tcp-data-split` and `hds-thresh` of ethtool. Here a setting of a queue;
/// Linux has one for all queues of a device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeaderSplit {
    /// They do not.
    #[default]
    Off,
    /// They do.
    On {
        /// Frames shorter than this stay whole, in bytes. With 0, which binding asks for, none does.
        #[doc(alias = "hds_thresh")]
        threshold: u32,
    },
}

/// The kind of memory that the queues of a driver receive into: [`Page`], or `PageOrIov` for a driver that declares unreadable
/// memory ([`UnreadableRx`], rule P3). Sealed.
#[diagnostic::on_unimplemented(
    message = "the queues of a driver receive into `Page` or into `PageOrIov`, not into `{Self}`",
    label = "a driver has pages of its own to go back to",
    note = "see docs/rules.md#p3"
)]
pub trait RxKind: PoolKind<Provider: Clone + Send + Sync + From<Arc<dyn MemoryProvider<Kind = Page>>>> {
    /// Takes a provider that the queues can have, or gives it back.
    ///
    /// # Errors
    ///
    /// The provider, when its memory cannot be read and the kind is `Page`.
    fn provider(provider: AnyProvider) -> Result<Self::Provider, AnyProvider>;
}

#[diagnostic::do_not_recommend]
impl RxKind for Page {
    fn provider(provider: AnyProvider) -> Result<Self::Provider, AnyProvider> {
        match provider {
            AnyProvider::Page(provider) => Ok(provider),
            AnyProvider::NetIov(_) => Err(provider),
        }
    }
}

#[diagnostic::do_not_recommend]
impl RxKind for PageOrIov {
    fn provider(provider: AnyProvider) -> Result<AnyProvider, AnyProvider> {
        Ok(provider)
    }
}

/// The kind of a driver that declares unreadable memory (rule P3): `PageOrIov`. Frames may be received into memory that the
/// CPU cannot read.
///
/// The driver says so where it says how it makes memory: [`QueueMgmt::Rx`](super::QueueMgmt::Rx) is the kind of what it is told to
/// receive into. So nobody else can say it on its behalf: a wrapper that says `PageOrIov` is told of memory that it cannot
/// pass on to a driver that said `Page`. It means: payload is handed on by offset and length and never looked at, headers
/// are split off to host memory, and nothing falls back to a copy. In Linux a driver says so with
/// `PP_FLAG_ALLOW_UNREADABLE_NETMEM` in the parameters of each pool.
#[diagnostic::on_unimplemented(
    message = "a driver whose queues hold `{Self}` does not declare that it receives into unreadable memory (rule P3)",
    label = "device memory cannot be bound to its queues",
    note = "if it splits headers off and never looks at payload, declare it: `type Rx = PageOrIov`",
    note = "memory that the CPU can read needs no declaration: use `bind_pages`",
    note = "see docs/rules.md#p3"
)]
pub trait UnreadableRx: RxKind {
    /// Takes a provider of either kind.
    #[doc(hidden)]
    fn any(provider: AnyProvider) -> Self::Provider;
}

#[diagnostic::do_not_recommend]
impl UnreadableRx for PageOrIov {
    fn any(provider: AnyProvider) -> AnyProvider {
        provider
    }
}

/// How a queue is to be set up: what a driver is told when it makes the queue's memory. Only the core makes one, and its kind
/// is that of the driver, so nobody passes device memory to a driver that did not declare it (rule P3).
pub struct RxQueueConfig<K: RxKind = PageOrIov> {
    pub(crate) provider: Option<K::Provider>,
    pub(crate) rx_page_size: u32,
    pub(crate) headroom: u32,
}

assert_not_impl_any!(RxQueueConfig: Default, Into<RxQueueConfig<Page>>, TryInto<RxQueueConfig<Page>>);
assert_not_impl_any!(RxQueueConfig<Page>: Default);

impl<K: RxKind> Clone for RxQueueConfig<K> {
    fn clone(&self) -> Self {
        RxQueueConfig { provider: self.provider.clone(), ..*self }
    }
}

impl<K: RxKind> fmt::Debug for RxQueueConfig<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RxQueueConfig")
            .field("provider", &self.provider.clone().map(Into::<AnyProvider>::into))
            .field("rx_page_size", &self.rx_page_size)
            .field("headroom", &self.headroom)
            .finish()
    }
}

impl<K: RxKind> RxQueueConfig<K> {
    /// Where payload memory comes from; `None` for the driver's own pages.
    pub fn provider(&self) -> Option<&K::Provider> {
        self.provider.as_ref()
    }

    /// Bytes of a payload buffer, if that was asked for; else 0.
    pub fn rx_page_size(&self) -> u32 {
        self.rx_page_size
    }

    /// Bytes to keep free in front of each payload buffer: 0, or [`XdpBuff::HEADROOM`].
    #[doc(alias = "XDP_PACKET_HEADROOM")]
    pub fn headroom(&self) -> u32 {
        self.headroom
    }
}

/// Why a setting was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such queue.
    #[error("queue {queue} is out of range: the device has {queues}")]
    QueueRange {
        /// The queue, from 0.
        queue: usize,
        /// How many queues the device has.
        queues: usize,
    },
    /// Memory is bound that would not work with it.
    #[error("queue {queue} has memory of a provider bound: unbind it first")]
    Bound {
        /// The queue, from 0.
        queue: usize,
    },
    /// Memory is bound that needs the headers split off as they are.
    #[error("queue {queue} has memory of a provider bound, which needs its headers split off: unbind it first")]
    NeedsSplit {
        /// The queue, from 0.
        queue: usize,
    },
    /// The device cannot split headers off.
    #[error("the device cannot split headers off")]
    NoHeaderSplit,
    /// The device is going away, so nothing is configured any more.
    #[error("the device is going away")]
    GoingAway,
    /// There is no memory to note the queues.
    #[error("no memory to note {queues} queues: use fewer")]
    NoMemory {
        /// How many queues the device was to have.
        queues: usize,
    },
}

impl ConfigError {
    /// Returns what Linux returns for the setting: EBUSY, as `dev_xdp_install` and `xp_assign_dev` do while memory is
    /// bound; EINVAL, as `ethnl_set_rings` does, for the header split of such memory; EINVAL, as `xsk_reg_pool_at_qid`
    /// does, for a queue that there is not; EOPNOTSUPP, as `ethnl_set_rings_validate` does; ENODEV, as `rtnl_setlink`
    /// does. Linux notes its queues when the device is made: `alloc_netdev_mqs` returns NULL, and ENOMEM is the
    /// nearest.
    pub fn errno(&self) -> i32 {
        match self {
            ConfigError::QueueRange { .. } | ConfigError::NeedsSplit { .. } => EINVAL,
            ConfigError::Bound { .. } => EBUSY,
            ConfigError::NoHeaderSplit => EOPNOTSUPP,
            ConfigError::GoingAway => ENODEV,
            ConfigError::NoMemory { .. } => ENOMEM,
        }
    }
}

/// What binding shares with the one who bound.
#[derive(Debug, Default)]
pub(super) struct BindingState {
    /// The binding was dropped; the queue is to be unbound.
    pub(super) dropped: AtomicBool,
    /// Nothing is bound any more.
    pub(super) over: AtomicBool,
}

impl BindingState {
    pub(super) fn is_dropped(&self) -> bool {
        self.dropped.load(Acquire)
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Acquire)
    }
}

/// A provider on a queue.
pub(super) struct Bound<K: RxKind> {
    pub(super) provider: K::Provider,
    pub(super) rx_page_size: u32,
    /// `None` when the queue was started on it: nobody can unbind it.
    pub(super) state: Option<Arc<BindingState>>,
}

impl<K: RxKind> Bound<K> {
    /// Takes the provider off its queue. To be called before the pool goes.
    pub(super) fn uninstall(self) {
        if let Some(state) = &self.state {
            state.over.store(true, Release);
        }
        self.provider.into().uninstall();
    }
}

pub(super) struct QueueState<K: RxKind> {
    header_split: HeaderSplit,
    af_xdp: bool,
    pub(super) bound: Option<Bound<K>>,
}

/// The receive side of a device as the core sees it: what decides whether memory may be bound, and what is.
///
/// A driver has one, and gives it to the core by [`QueueMgmt`](super::QueueMgmt). Settings that exclude each other are
/// checked whichever comes second. Dropping it, like [`unregister`](Self::unregister), takes the providers off.
///
/// ```
/// use netmem::netdev::{Capabilities, ConfigError, HeaderSplit, NetDevice};
///
/// let capabilities = Capabilities { header_split: false, ..Default::default() };
/// let mut device: NetDevice = NetDevice::new(capabilities, 2).expect("memory is free");
/// let refused = device.set_header_split(0, HeaderSplit::On { threshold: 0 });
/// assert_eq!(refused, Err(ConfigError::NoHeaderSplit));
/// assert!(device.bound(0).is_none());
/// ```
pub struct NetDevice<K: RxKind = PageOrIov> {
    capabilities: Capabilities,
    leaving: bool,
    xdp: bool,
    queues: Vec<QueueState<K>>,
}

assert_not_impl_any!(NetDevice: Clone, Default);

impl<K: RxKind> NetDevice<K> {
    /// A registered device with `queues` receive queues.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoMemory`]: there is no memory to note the queues.
    pub fn new(capabilities: Capabilities, queues: usize) -> Result<Self, ConfigError> {
        let mut states = Vec::new();
        states.try_reserve_exact(queues).map_err(|_| ConfigError::NoMemory { queues })?;
        states.resize_with(queues, || QueueState { header_split: HeaderSplit::Off, af_xdp: false, bound: None });
        Ok(NetDevice { capabilities, leaving: false, xdp: false, queues: states })
    }

    /// What it can do.
    pub fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    /// How many receive queues it has.
    #[doc(alias = "real_num_rx_queues")]
    pub fn queues(&self) -> usize {
        self.queues.len()
    }

    /// Whether it is there, and stays. One that is going away binds nothing any more.
    #[doc(alias = "NETREG_REGISTERED")]
    pub fn is_registered(&self) -> bool {
        !self.leaving
    }

    /// Begins to go away: takes all providers off their queues, and refuses everything from here on. What was bound is over,
    /// and its [`Binding`](super::Binding) says so. Memory that is out stays valid, as ever.
    #[doc(alias = "unregister_netdevice")]
    #[doc(alias = "dev_memory_provider_uninstall")]
    pub fn unregister(&mut self) {
        self.leaving = true;
        for queue in &mut self.queues {
            if let Some(bound) = queue.bound.take() {
                bound.uninstall();
            }
        }
    }

    /// The provider that is bound to a queue.
    #[doc(alias = "netif_rxq_has_mp")]
    pub fn bound(&self, queue: usize) -> Option<AnyProvider> {
        Some(self.queues.get(queue)?.bound.as_ref()?.provider.clone().into())
    }

    /// Whether the memory that is bound to a queue cannot be read. (In Linux: whether anything is bound.)
    #[doc(alias = "netif_rxq_has_unreadable_mp")]
    pub fn is_unreadable(&self, queue: usize) -> bool {
        self.bound(queue).is_some_and(|provider| provider.is_unreadable())
    }

    /// How a queue is set up now.
    pub(crate) fn queue_config(&self, queue: usize) -> RxQueueConfig<K> {
        let bound = self.queues.get(queue).and_then(|queue| queue.bound.as_ref());
        RxQueueConfig {
            provider: bound.map(|bound| bound.provider.clone()),
            rx_page_size: bound.map_or(0, |bound| bound.rx_page_size),
            headroom: if self.xdp { XdpBuff::HEADROOM } else { 0 },
        }
    }

    /// Notes that a queue was started on memory of a provider. It counts as bound, but there is no
    /// [`Binding`](super::Binding) to undo it.
    ///
    /// A driver calls it for a queue that it starts on memory that cannot be read, so that the settings that exclude such
    /// memory are refused.
    ///
    /// ```
    /// use netmem::mm::Zone;
    /// use netmem::netdev::{Capabilities, ConfigError, NetDevice};
    /// use netmem::provider::PageProvider;
    /// use netmem::Page;
    ///
    /// let mut device: NetDevice<Page> = NetDevice::new(Capabilities::default(), 1).expect("memory is free");
    /// device.started_on(0, PageProvider::new(Zone::new(1)?))?;
    /// assert_eq!(device.set_xdp(true), Err(ConfigError::Bound { queue: 0 }));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: there is no such queue, something is bound to it, or the device is going away.
    pub fn started_on(&mut self, queue: usize, provider: K::Provider) -> Result<(), ConfigError> {
        let state = self.unbound(queue)?;
        state.bound = Some(Bound { provider, rx_page_size: 0, state: None });
        Ok(())
    }

    /// Whether headers of a queue are split off; `Off` when there is no such queue.
    pub fn header_split(&self, queue: usize) -> HeaderSplit {
        self.queues.get(queue).map_or(HeaderSplit::Off, |queue| queue.header_split)
    }

    /// Notes whether headers of a queue are split off.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: not while memory is bound to it, which relies on it.
    pub fn set_header_split(&mut self, queue: usize, to: HeaderSplit) -> Result<(), ConfigError> {
        let able = self.capabilities.header_split;
        let state = self.unbound(queue).map_err(|reason| match reason {
            ConfigError::Bound { queue } => ConfigError::NeedsSplit { queue },
            other => other,
        })?;
        if to != HeaderSplit::Off && !able {
            return Err(ConfigError::NoHeaderSplit);
        }
        state.header_split = to;
        Ok(())
    }

    /// Whether an AF_XDP socket has the queue.
    #[doc(alias = "xsk_get_pool_from_qid")]
    pub fn has_af_xdp(&self, queue: usize) -> bool {
        self.queues.get(queue).is_some_and(|queue| queue.af_xdp)
    }

    /// Notes that an AF_XDP socket has the queue, or has it no more.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: not while memory is bound to it.
    #[doc(alias = "xsk_reg_pool_at_qid")]
    pub fn set_af_xdp(&mut self, queue: usize, has: bool) -> Result<(), ConfigError> {
        self.unbound(queue)?.af_xdp = has;
        Ok(())
    }

    /// Whether an XDP program is attached.
    #[doc(alias = "dev_xdp_prog_count")]
    pub fn has_xdp(&self) -> bool {
        self.xdp
    }

    /// Notes that an XDP program is attached, or none any more.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: not while memory is bound to any queue, as a program reads all of a packet.
    pub fn set_xdp(&mut self, attached: bool) -> Result<(), ConfigError> {
        if self.leaving && attached {
            return Err(ConfigError::GoingAway);
        }
        if let Some(queue) = self.queues.iter().position(|queue| queue.bound.is_some()) {
            return Err(ConfigError::Bound { queue });
        }
        self.xdp = attached;
        Ok(())
    }

    /// A queue to which nothing is bound.
    fn unbound(&mut self, queue: usize) -> Result<&mut QueueState<K>, ConfigError> {
        let queues = self.queues.len();
        let state = self.queues.get_mut(queue).ok_or(ConfigError::QueueRange { queue, queues })?;
        if state.bound.is_some() { Err(ConfigError::Bound { queue }) } else { Ok(state) }
    }

    pub(super) fn queue_mut(&mut self, queue: usize) -> Option<&mut QueueState<K>> {
        self.queues.get_mut(queue)
    }

    /// A queue whose binding was dropped, from `first` on.
    pub(super) fn dropped(&self, first: usize) -> Option<usize> {
        let dropped = |queue: &QueueState<K>| {
            let state = queue.bound.as_ref().and_then(|bound| bound.state.as_ref());
            state.is_some_and(|state| state.is_dropped())
        };
        (first..self.queues.len()).find(|&queue| dropped(&self.queues[queue]))
    }
}

impl<K: RxKind> Drop for NetDevice<K> {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl<K: RxKind> fmt::Debug for NetDevice<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetDevice")
            .field("queues", &self.queues.len())
            .field(
                "bound",
                &(0..self.queues.len()).filter_map(|queue| Some((queue, self.bound(queue)?))).collect::<Vec<_>>(),
            )
            .field("xdp", &self.xdp)
            .field("registered", &self.is_registered())
            .finish()
    }
}
