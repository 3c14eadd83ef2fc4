//! [`Binding`]: memory of a provider on a queue, under Linux's conditions.

use super::device::{BindingState, Bound};
use super::{HeaderSplit, NetDevice, PostError, RxKind, RxQueueConfig, UnreadableRx};
use crate::Refused;
use crate::alloc::{Arc, try_arc};
use crate::assert::assert_not_impl_any;
use crate::error::errno::{EBUSY, EEXIST, EINVAL, EIO, ENODATA, ENODEV, ENOMEM, EOPNOTSUPP, ERANGE};
use crate::memory::Page;
use crate::netdev::RingError;
use crate::page_pool::{AnyProvider, MemoryProvider, PagePool, PoolError, PoolKind};
use core::sync::atomic::Ordering::Release;

/// A driver that can restart one queue while the others go on: `struct netdev_queue_mgmt_ops`, with the core's side of
/// the device beside it.
///
/// The driver makes memory, stops and starts; the core decides, in [`bind`], [`unbind`] and [`restart`], what happens in
/// which order and what is rolled back. What C returns in a `void *` that the next call gets is a value here: memory
/// that was made is used once, and freeing it is dropping it (`ndo_queue_mem_free`). C checks at run time that all four
/// functions are there; a type that lacks one does not compile.
pub trait QueueMgmt {
    /// The kind of memory that its queues receive into: `PageOrIov` declares that it may be unreadable
    /// ([`UnreadableRx`], rule P3), `Page` does not.
    #[doc(alias = "PP_FLAG_ALLOW_UNREADABLE_NETMEM")]
    type Rx: RxKind;

    /// What a queue runs on: its ring, with buffers in it, and the pools that they are of. Dropping it frees it.
    #[doc(alias = "ndo_queue_mem_free")]
    #[doc(alias = "ndo_queue_mem_size")]
    type Memory;

    /// The core's side of the device.
    fn net_device(&self) -> &NetDevice<Self::Rx>;

    /// The same, to change.
    fn net_device_mut(&mut self) -> &mut NetDevice<Self::Rx>;

    /// Whether the hardware is there.
    #[doc(alias = "netif_device_present")]
    fn is_present(&self) -> bool {
        true
    }

    /// Makes memory for a queue, while the queue goes on with what it has.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; nothing has changed then.
    #[doc(alias = "ndo_queue_mem_alloc")]
    fn queue_mem_alloc(&mut self, queue: usize, config: &RxQueueConfig<Self::Rx>) -> Result<Self::Memory, QueueError>;

    /// The pool that payload comes from, in memory that was made.
    fn payload_pool(memory: &Self::Memory) -> &PagePool;

    /// Stops a queue, and gives what it ran on. The device touches none of it any more.
    ///
    /// # Errors
    ///
    /// [`QueueError`]; the queue goes on then.
    #[doc(alias = "ndo_queue_stop")]
    fn queue_stop(&mut self, queue: usize) -> Result<Self::Memory, QueueError>;

    /// Starts a queue that is stopped.
    ///
    /// # Errors
    ///
    /// [`QueueError`], with the memory; the queue is stopped still.
    #[doc(alias = "ndo_queue_start")]
    fn queue_start(&mut self, queue: usize, memory: Self::Memory) -> Result<(), Refused<QueueError, Self::Memory>>;
}

/// What is asked for beside the memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BindOptions {
    /// Bytes of each buffer, a power of two of at least 4096; 0 for what the driver uses. Only for devices that
    /// [can](super::Capabilities::rx_page_size).
    pub rx_page_size: u32,
}

/// Why a driver did not do what the core asked it for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The hardware gives no further rings for the queue.
    #[error("the device has no rings for queue {queue}: it is gone, or the queue is being restarted already")]
    NoRings {
        /// The queue, from 0.
        queue: usize,
    },
    /// There is no memory for the driver itself.
    #[error("no memory for what the driver keeps of queue {queue}: try again when some is free")]
    NoMemory {
        /// The queue, from 0.
        queue: usize,
    },
    /// There is no ring over the rings of the hardware.
    #[error("queue {queue}: {reason}")]
    Ring {
        /// The queue, from 0.
        queue: usize,
        /// Why there is no ring.
        reason: RingError,
    },
    /// Not a single buffer.
    #[error("the provider has no memory for a single buffer: all of it is out, so return some and try again")]
    NoBuffers,
    /// No pool with that provider.
    #[error("no pool for queue {queue}: {reason}")]
    Pool {
        /// The queue, from 0.
        queue: usize,
        /// Why there is no pool.
        reason: PoolError,
    },
    /// The ring refuses buffers of that memory.
    #[error("queue {queue}: {reason}")]
    Post {
        /// The queue, from 0.
        queue: usize,
        /// Why the ring refuses them.
        reason: PostError,
    },
    /// A program reads what the queue receives.
    #[error("queue {queue}: an XDP program is attached and reads what is received: detach it, then bind")]
    Program {
        /// The queue, from 0.
        queue: usize,
    },
    /// Buffers and memory do not go together.
    #[error("buffers of {size} bytes do not fit memory of {max}: bind memory with larger pieces")]
    BufferSize {
        /// What the queue needs, headroom included.
        size: u32,
        /// What a piece of the memory has.
        max: u32,
    },
    /// The driver has no pages of its own for the queue.
    #[error(
        "queue {queue} was started without host memory, so there is nothing to go back to: give it a page provider"
    )]
    NoDefault {
        /// The queue, from 0.
        queue: usize,
    },
    /// Headers would land in memory that nobody here can read.
    #[error("queue {queue} has no pool for headers, and payload memory that cannot be read: configure one")]
    NoHeaders {
        /// The queue, from 0.
        queue: usize,
    },
    /// EIO: the hardware failed.
    #[error("the device failed: {what}")]
    Device {
        /// At what.
        what: &'static str,
    },
}

impl QueueError {
    /// Returns what a driver returns for it from `ndo_queue_mem_alloc`, `ndo_queue_stop` or `ndo_queue_start`.
    /// `netdev_rx_queue_reconfig` passes that on. Each driver of Linux chooses its own numbers, so these are the
    /// nearest. A pool's and a ring's are those of the reason.
    pub fn errno(&self) -> i32 {
        match self {
            QueueError::NoRings { .. } => ENODEV,
            QueueError::NoMemory { .. } | QueueError::NoBuffers => ENOMEM,
            QueueError::Ring { reason, .. } => reason.errno(),
            QueueError::Pool { reason, .. } => reason.errno(),
            QueueError::Post { reason, .. } => reason.errno(),
            QueueError::Program { .. } => EEXIST,
            QueueError::BufferSize { .. } | QueueError::NoDefault { .. } | QueueError::NoHeaders { .. } => EINVAL,
            QueueError::Device { .. } => EIO,
        }
    }
}

/// Why a queue was not restarted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// No new memory. The queue goes on with what it had.
    #[error("no memory for the queue to run on: {0}")]
    Alloc(QueueError),
    /// The driver made its pool with another provider. The queue goes on with what it had.
    #[error("the driver made no pool with that provider, so it does not support it; the queue goes on as before")]
    OtherProvider,
    /// It was not stopped. The queue goes on with what it had.
    #[error("the queue was not stopped and goes on as before: {0}")]
    Stop(QueueError),
    /// It was not started on the new memory.
    #[error("the queue was not started: {reason}; {}", if *restored { "it goes on as before" } else { "it is stopped" })]
    Start {
        /// Why it was not started.
        reason: QueueError,
        /// Whether it was started again on the old memory. If not it stays stopped, and its memory was freed.
        restored: bool,
    },
}

impl RestartError {
    /// Returns what `netdev_rx_queue_restart` returns: the number of the driver, or ENODATA, as
    /// `page_pool_check_memory_provider` does.
    pub fn errno(&self) -> i32 {
        match self {
            RestartError::Alloc(reason) | RestartError::Stop(reason) => reason.errno(),
            RestartError::OtherProvider => ENODATA,
            RestartError::Start { reason, .. } => reason.errno(),
        }
    }
}

/// Why memory was not bound. In the order in which they are checked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The device is going away, or its hardware is not there.
    #[error("the device is going away")]
    GoingAway,
    /// The device cannot restart a queue while the others go on.
    #[error("the device cannot restart a queue, which binding does: update its firmware, or use another")]
    NoQueueRestart,
    /// There is no such queue.
    #[error("queue {queue} is out of range: the device has {queues}")]
    QueueRange {
        /// The queue, from 0.
        queue: usize,
        /// How many queues the device has.
        queues: usize,
    },
    /// Headers would land in the memory, too.
    #[error("queue {queue} does not split headers off (tcp-data-split): switch it on")]
    HeaderSplitOff {
        /// The queue, from 0.
        queue: usize,
    },
    /// Short frames would land in the memory whole.
    #[error("queue {queue} leaves frames below {threshold} bytes whole (hds-thresh): set it to 0")]
    HdsThreshold {
        /// The queue, from 0.
        queue: usize,
        /// What is set.
        threshold: u32,
    },
    /// A program reads packets.
    #[error("an XDP program is attached to the device and reads what it receives: detach it")]
    XdpAttached,
    /// The device has buffers of one size.
    #[error("the device has buffers of one size, and rx_page_size {size} was asked for: leave it 0")]
    NoRxPageSize {
        /// The size that was asked for, in bytes.
        size: u32,
    },
    /// Memory of a provider is bound to the queue.
    #[error("queue {queue} has memory of a provider bound: unbind it first")]
    AlreadyBound {
        /// The queue, from 0.
        queue: usize,
    },
    /// An AF_XDP socket has the queue.
    #[error("queue {queue} is in use by AF_XDP: close the socket")]
    AfXdp {
        /// The queue, from 0.
        queue: usize,
    },
    /// The queue was not restarted.
    #[error(transparent)]
    Restart(#[from] RestartError),
}

impl BindError {
    /// Returns what `netif_mp_open_rxq` returns, and ENODEV, as `netdev_nl_bind_rx_doit` does, for a device that goes
    /// away. For a queue out of range `netif_mp_open_rxq` returns ERANGE; over netlink EINVAL comes before it
    /// (`netdev_nl_read_rxq_bitmap`).
    pub fn errno(&self) -> i32 {
        match self {
            BindError::GoingAway => ENODEV,
            BindError::NoQueueRestart | BindError::NoRxPageSize { .. } => EOPNOTSUPP,
            BindError::QueueRange { .. } => ERANGE,
            BindError::HeaderSplitOff { .. } | BindError::HdsThreshold { .. } => EINVAL,
            BindError::XdpAttached | BindError::AlreadyBound { .. } => EEXIST,
            BindError::AfXdp { .. } => EBUSY,
            BindError::Restart(reason) => reason.errno(),
        }
    }
}

/// Why memory was not unbound.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnbindError {
    /// It was bound to another device.
    #[error("queue {queue} of this device is not what was bound: unbind it from the device it was bound to")]
    OtherDevice {
        /// The queue that the binding is of.
        queue: usize,
    },
    /// The queue was not restarted, and the memory is bound still.
    #[error(transparent)]
    Restart(#[from] RestartError),
}

impl UnbindError {
    /// Returns EINVAL for another device, and the number of the restart otherwise. These are the nearest, because
    /// `netif_mp_close_rxq` returns nothing: it warns.
    pub fn errno(&self) -> i32 {
        match self {
            UnbindError::OtherDevice { .. } => EINVAL,
            UnbindError::Restart(reason) => reason.errno(),
        }
    }
}

/// The right to unbind a queue: the proof that memory was bound to it.
///
/// There is one for each time that something was bound, and [`unbind`] takes it, so a queue is not unbound twice, nor by
/// somebody who did not bind it. Dropped, it unbinds, too, as the close of the netlink socket does: not at once, as that takes
/// the device in hand, but when the driver next looks ([`unbind_dropped`], which its poll calls). A device that goes
/// away ends what is bound ([`is_bound`](Self::is_bound)); the value is then good for nothing, and harmless.
#[derive(Debug)]
#[must_use = "dropping a binding unbinds it"]
pub struct Binding {
    queue: usize,
    state: Arc<BindingState>,
}

assert_not_impl_any!(Binding: Clone, Copy, Default);

impl Binding {
    /// The queue that it is of.
    pub fn queue(&self) -> usize {
        self.queue
    }

    /// Whether the memory is bound still: until it is unbound, or the device goes away.
    pub fn is_bound(&self) -> bool {
        !self.state.is_over()
    }
}

impl Drop for Binding {
    fn drop(&mut self) {
        self.state.dropped.store(true, Release);
    }
}

/// Binds memory of either kind to a queue, whose driver must declare that it may be unreadable (rule P3).
///
/// The conditions are Linux's, whatever the kind, and each has its own [`BindError`]. New memory is made and the ring filled
/// before the queue is stopped, and other queues go on all the time; when anything fails the queue goes on with what it
/// had.
///
/// # Errors
///
/// [`BindError`], with the reason and the provider.
pub fn bind<D: QueueMgmt<Rx: UnreadableRx>>(
    device: &mut D,
    queue: usize,
    provider: AnyProvider,
    options: BindOptions,
) -> Result<Binding, Refused<BindError, AnyProvider>> {
    open(device, queue, D::Rx::any(provider), options)
}

/// Binds memory that the CPU can read to a queue: [`bind`] without the declaration, which such memory does not need. The
/// other conditions are the same. (Linux calls whatever is bound unreadable; here that follows the kind.)
///
/// # Errors
///
/// [`BindError`], with the reason and the provider.
pub fn bind_pages<D: QueueMgmt>(
    device: &mut D,
    queue: usize,
    provider: Arc<dyn MemoryProvider<Kind = Page>>,
    options: BindOptions,
) -> Result<Binding, Refused<BindError, AnyProvider>> {
    open(device, queue, provider.into(), options)
}

fn open<D: QueueMgmt>(
    device: &mut D,
    queue: usize,
    provider: <D::Rx as PoolKind>::Provider,
    BindOptions { rx_page_size }: BindOptions,
) -> Result<Binding, Refused<BindError, AnyProvider>> {
    if let Err(reason) = check(device, queue, rx_page_size) {
        return Err(Refused { reason, back: provider.into() });
    }
    let Ok(state) = try_arc(BindingState::default()) else {
        return Err(Refused {
            reason: RestartError::Alloc(QueueError::NoMemory { queue }).into(),
            back: provider.into(),
        });
    };
    let config = RxQueueConfig { provider: Some(provider.clone()), rx_page_size, headroom: 0 };
    let old = match reconfig(device, queue, &config) {
        Ok(old) => old,
        Err(error) => return Err(Refused { reason: error.into(), back: provider.into() }),
    };
    if let Some(queue) = device.net_device_mut().queue_mut(queue) {
        queue.bound = Some(Bound { provider, rx_page_size, state: Some(state.clone()) });
    }
    drop(old);
    Ok(Binding { queue, state })
}

/// Linux's conditions, in its order.
fn check<D: QueueMgmt>(device: &D, queue: usize, rx_page_size: u32) -> Result<(), BindError> {
    let net = device.net_device();
    if !net.is_registered() || !device.is_present() {
        return Err(BindError::GoingAway);
    }
    let capabilities = net.capabilities();
    if !capabilities.queue_restart {
        return Err(BindError::NoQueueRestart);
    }
    if queue >= net.queues() {
        return Err(BindError::QueueRange { queue, queues: net.queues() });
    }
    match net.header_split(queue) {
        HeaderSplit::Off => return Err(BindError::HeaderSplitOff { queue }),
        HeaderSplit::On { threshold: 0 } => {}
        HeaderSplit::On { threshold } => return Err(BindError::HdsThreshold { queue, threshold }),
    }
    if net.has_xdp() {
        return Err(BindError::XdpAttached);
    }
    if rx_page_size != 0 && !capabilities.rx_page_size {
        return Err(BindError::NoRxPageSize { size: rx_page_size });
    }
    if net.bound(queue).is_some() {
        return Err(BindError::AlreadyBound { queue });
    }
    if net.has_af_xdp(queue) {
        return Err(BindError::AfXdp { queue });
    }
    Ok(())
}

/// Puts the driver's own pages back on the queue that a binding is of.
///
/// Packets and frags that are out keep the memory; it returns to its provider when they go. When the device is
/// going away, or gone, there is nothing to do any more, and that is fine.
///
/// # Errors
///
/// [`UnbindError`], with the reason and the binding: the memory is bound still, and the queue goes on with it, except after
/// [`RestartError::Start`] that says otherwise.
pub fn unbind<D: QueueMgmt>(device: &mut D, binding: Binding) -> Result<(), Refused<UnbindError, Binding>> {
    if binding.state.is_over() {
        return Ok(());
    }
    let queue = binding.queue;
    let bound = device.net_device_mut().queue_mut(queue).and_then(|queue| queue.bound.as_ref()?.state.as_ref());
    if !bound.is_some_and(|state| Arc::ptr_eq(state, &binding.state)) {
        return Err(Refused { reason: UnbindError::OtherDevice { queue }, back: binding });
    }
    close(device, queue).map_err(|error| Refused { reason: error.into(), back: binding })
}

/// Unbinds the queues whose [`Binding`] was dropped. A driver calls it when it polls; where nothing was dropped it does
/// nothing. A queue that could not be restarted is left for the next time.
pub fn unbind_dropped<D: QueueMgmt>(device: &mut D) {
    let mut next = 0;
    while let Some(queue) = device.net_device().dropped(next) {
        let _ = close(device, queue);
        next = queue + 1;
    }
}

fn close<D: QueueMgmt>(device: &mut D, queue: usize) -> Result<(), RestartError> {
    let now = device.net_device().queue_config(queue);
    let old = reconfig(device, queue, &RxQueueConfig { provider: None, rx_page_size: 0, ..now })?;
    if let Some(bound) = device.net_device_mut().queue_mut(queue).and_then(|queue| queue.bound.take()) {
        bound.uninstall();
    }
    drop(old);
    Ok(())
}

/// Restarts a queue on fresh memory of the provider that it has.
///
/// # Errors
///
/// [`RestartError`], which says what the queue does now.
pub fn restart<D: QueueMgmt>(device: &mut D, queue: usize) -> Result<(), RestartError> {
    let config = device.net_device().queue_config(queue);
    reconfig(device, queue, &config).map(drop)
}

/// Restarts a queue on fresh memory, set up as `config` says, and gives the old memory: it is freed after whoever must know
/// of it knows.
fn reconfig<D: QueueMgmt>(
    device: &mut D,
    queue: usize,
    config: &RxQueueConfig<D::Rx>,
) -> Result<D::Memory, RestartError> {
    let new = device.queue_mem_alloc(queue, config).map_err(RestartError::Alloc)?;
    // page_pool_check_memory_provider
    let asked = config.provider.clone().map(Into::into);
    if asked.is_some_and(|asked| !same_provider(&asked, D::payload_pool(&new).provider())) {
        return Err(RestartError::OtherProvider);
    }
    let old = device.queue_stop(queue).map_err(RestartError::Stop)?;
    let Err(Refused { reason, back: memory }) = device.queue_start(queue, new) else { return Ok(old) };
    // First, so that the device has room for the queue as it was.
    drop(memory);
    let restored = device.queue_start(queue, old).is_ok();
    Err(RestartError::Start { reason, restored })
}

/// Whether two are the same provider. By address: the vtable of one type may have several.
fn same_provider(one: &AnyProvider, other: &AnyProvider) -> bool {
    match (one, other) {
        (AnyProvider::Page(one), AnyProvider::Page(other)) => core::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other)),
        (AnyProvider::NetIov(one), AnyProvider::NetIov(other)) => {
            core::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
        }
        _ => false,
    }
}
