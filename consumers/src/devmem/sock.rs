//! [`Sock`]: a socket that user space receives from.

use super::control::{Control, ControlError, DevmemCmsg};
use super::uapi::{DmabufCmsg, DmabufToken, MAX_DONTNEED_FRAGS, MAX_DONTNEED_TOKENS};
use super::user_frags::{MAX_TOKENS, TokenError, UserFrags};
use crate::alloc::VecDeque;
use crate::assert::assert_not_impl_any;
use crate::errno::{EAGAIN, EINVAL, ENODEV, ENOMEM};
use core::fmt;
use netmem::Refused;
use netmem::memory::{Backing, NetIovType};
use netmem::skb::{ReadError, Skb, SkbFrag};
use static_assertions::assert_impl_all;
use zerocopy::FromBytes;

/// The part of a TCP socket that hands received packets to user space: `sk_receive_queue` and `sk_user_frags`.
///
/// It knows no protocol: what is queued is what the reader shall see, in order, and reads end where they like. A packet
/// with an unreadable frag is read as a whole as device memory, its linear bytes included.
///
/// | the packet | [`recv`](Self::recv) | [`recv_devmem`](Self::recv_devmem) |
/// | --- | --- | --- |
/// | is readable | copied | copied, without a control message |
/// | has frags in a dma-buf | EFAULT | linear bytes copied, frags told |
/// | has them, and then a frag in host memory | EFAULT | told up to there, then ENODEV |
/// | has frags in io_uring's memory | EFAULT | ENODEV |
///
/// One read does not mix the two kinds: it ends where the kind of packet changes. An error comes alone: a read that got
/// something returns that, and the next one the error. What was not read stays queued. Dropping the socket returns the
/// packets and every frag that user space still has a token of, whatever user space does with the memory.
///
/// Linux counts one more reference for a token; here the token gets a frag of its own, split off the packet's, so that
/// the packet's memory goes as it is read. It is why there is no `MSG_PEEK`.
///
/// # Invariants
///
/// `queued` is what the packets have left together.
pub struct Sock {
    queue: VecDeque<Entry>,
    queued: usize,
    user_frags: UserFrags,
    stats: DevmemStats,
}

assert_impl_all!(Sock: Send, Sync);
assert_not_impl_any!(Sock: Clone, Copy);

/// What a [`Sock`] has counted since it was made. 64 bits do not come round, and no decision rests on the numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DevmemStats {
    /// Tokens that were given.
    pub given: u64,
    /// Tokens that came back and stood for a frag.
    pub returned: u64,
    /// Numbers that came back and stood for no frag. Linux skips them without a word; here they are counted, too.
    pub unknown: u64,
    /// Calls that were refused as a whole ([`DontneedError`]).
    pub refused: u64,
}

/// A packet in the queue.
///
/// # Invariants
///
/// `left` is the packet's length less `offset`.
struct Entry {
    skb: Skb,
    left: usize,
    /// How much of it was read. Of an unreadable packet, linear bytes only: its frags leave it as they are read.
    offset: usize,
    /// Why it cannot be read, as it was when it came: what is read of it does not make it a readable one.
    unreadable: Option<ReadError>,
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// There is no memory to note the packet.
    #[error("no memory to queue a packet of {len} bytes: read from the socket, or drop it")]
    NoMemory {
        /// Bytes of the packet.
        len: usize,
    },
}

impl EnqueueError {
    /// Returns ENOMEM, as `__sock_queue_rcv_skb` does when the socket may use no more memory.
    pub fn errno(&self) -> i32 {
        match self {
            EnqueueError::NoMemory { .. } => ENOMEM,
        }
    }
}

/// Why a read got nothing. The packet is still queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecvError {
    /// Nothing is queued.
    #[error("nothing is queued: wait for a packet")]
    Empty,
    /// The packet has frags in device memory, and the reader did not ask for device memory.
    #[error("{0}")]
    Unreadable(#[from] ReadError),
    /// Among the frags in device memory is one in host memory, which no token can stand for.
    #[error(
        "the next {len} bytes of a packet in device memory are in host memory: discard them; the driver mixed frags"
    )]
    HostFrag {
        /// How many bytes the frag has.
        len: u32,
    },
    /// The frag is device memory that was bound to transmit from; user space has it already.
    #[error("the next {len} bytes are of a transmit binding, not received into: the sender tells where they are")]
    TransmitFrag {
        /// How many bytes the frag has.
        len: u32,
    },
    /// The frag is in memory that was not bound as a dma-buf, so that it has no offset to tell.
    #[error(
        "the next {len} bytes are memory of type {ty:?}, not of a dma-buf: read them where that memory was registered"
    )]
    NotDmabuf {
        /// How many bytes the frag has.
        len: u32,
        /// What it is; `None` for what only a newer kernel knows.
        ty: Option<NetIovType>,
    },
    /// No room for a control message.
    #[error("{0}")]
    Control(#[from] ControlError),
    /// No token.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The program has no memory to note that pieces come back.
    #[error("no memory to note {pieces} more pieces: drop some, or try again")]
    NoMemory {
        /// How many pieces the read may have got.
        pieces: usize,
    },
}

impl RecvError {
    /// Returns what `tcp_recvmsg_locked` returns: its own number, or that of `tcp_recvmsg_dmabuf`. ETOOSMALL, which
    /// user space does not know, is among them. `tcp_recvmsg_dmabuf` does not tell a transmit binding from a receive
    /// binding; ENODEV is the nearest, as for any other memory that has no token. ENOMEM is the program's own.
    pub fn errno(&self) -> i32 {
        match self {
            RecvError::Empty => EAGAIN,
            RecvError::Unreadable(reason) => reason.errno(),
            RecvError::HostFrag { .. } | RecvError::TransmitFrag { .. } | RecvError::NotDmabuf { .. } => ENODEV,
            RecvError::Control(reason) => reason.errno(),
            RecvError::Token(reason) => reason.errno(),
            RecvError::NoMemory { .. } => ENOMEM,
        }
    }
}

/// What was given is no list of tokens. Nothing was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DontneedError {
    /// Not a whole number of [`DmabufToken`]s.
    #[error("{len} bytes are not a whole number of ranges of 8 bytes: give start and count of each, as two u32")]
    Ragged {
        /// How many bytes were given.
        len: usize,
    },
    /// More than [`MAX_DONTNEED_TOKENS`] ranges.
    #[error("{ranges} ranges of tokens are too many for one call: give at most {MAX_DONTNEED_TOKENS}")]
    TooMany {
        /// How many ranges were given.
        ranges: usize,
    },
}

impl DontneedError {
    /// Returns EINVAL, as `sock_devmem_dontneed` does.
    pub fn errno(&self) -> i32 {
        match self {
            DontneedError::Ragged { .. } | DontneedError::TooMany { .. } => EINVAL,
        }
    }
}

/// What a step of a read got.
enum Step {
    /// Bytes that are now in the reader's buffer.
    Copied(usize),
    /// Bytes that the reader was told of.
    Told(usize),
}

impl Sock {
    /// A socket with nothing in it, and no limit of tokens but [`MAX_TOKENS`].
    pub const fn new() -> Self {
        Self::with_token_limit(MAX_TOKENS)
    }

    /// A socket that has at most `limit` tokens out, and at most [`MAX_TOKENS`]: a bound on how much device memory one
    /// reader can keep.
    pub const fn with_token_limit(limit: u32) -> Self {
        let stats = DevmemStats { given: 0, returned: 0, unknown: 0, refused: 0 };
        Sock { queue: VecDeque::new(), queued: 0, user_frags: UserFrags::new(limit), stats }
    }

    /// Queues a packet, behind the others.
    ///
    /// # Errors
    ///
    /// [`EnqueueError`], with the packet, when there is no memory.
    #[doc(alias = "tcp_queue_rcv")]
    pub fn queue(&mut self, skb: Skb) -> Result<(), Refused<EnqueueError, Skb>> {
        if self.queue.try_reserve(1).is_err() {
            return Err(Refused { reason: EnqueueError::NoMemory { len: skb.len() }, back: skb });
        }
        let left = skb.len();
        let unreadable = skb.readable(0, left).err();
        // INVARIANT: the packet's bytes are added, here and to the sum.
        self.queue.push_back(Entry { skb, left, offset: 0, unreadable });
        self.queued += left;
        Ok(())
    }

    /// How many bytes are queued.
    #[doc(alias = "tcp_inq")]
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// How many tokens are out.
    pub fn tokens_out(&self) -> usize {
        self.user_frags.len()
    }

    /// Returns what was counted.
    pub fn stats(&self) -> DevmemStats {
        DevmemStats { given: self.user_frags.given(), ..self.stats }
    }

    /// Reads at most `to.len()` bytes, and how many it got: recvmsg without `MSG_SOCK_DEVMEM`.
    ///
    /// # Errors
    ///
    /// [`RecvError::Empty`], or [`RecvError::Unreadable`] when the next packet has frags in device memory: then `to` is
    /// as it was.
    #[doc(alias = "skb_copy_datagram_msg")]
    #[doc(alias = "skb_frags_not_readable")]
    pub fn recv(&mut self, to: &mut [u8]) -> Result<usize, RecvError> {
        self.read(to, None)
    }

    /// Reads at most `to.len()` bytes, and how many it got: recvmsg with `MSG_SOCK_DEVMEM`.
    ///
    /// Bytes in host memory are copied to `to`, one after the other. Bytes in device memory count like the others but
    /// are not copied: `control` gets a [`DevmemCmsg`] for each piece, in order, of those that were copied too. From a
    /// readable packet bytes are copied, and `control` gets nothing. Each piece in device memory takes a token, the
    /// lowest that is free.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; what the error is about is still queued. `to` is as it was, and so is `control`.
    #[doc(alias = "tcp_recvmsg_dmabuf")]
    #[doc(alias = "MSG_SOCK_DEVMEM")]
    pub fn recv_devmem(&mut self, to: &mut [u8], control: &mut Control<'_>) -> Result<usize, RecvError> {
        self.read(to, Some(control))
    }

    /// Both forms of a read.
    fn read(&mut self, to: &mut [u8], mut control: Option<&mut Control<'_>>) -> Result<usize, RecvError> {
        let mut first_kind = None;
        let (mut copied, mut told) = (0, 0);
        loop {
            let room = to.len() - copied - told;
            let Some(entry) = front(&mut self.queue) else {
                return if copied + told == 0 { Err(RecvError::Empty) } else { Ok(copied + told) };
            };
            let kind = *first_kind.get_or_insert(entry.unreadable.is_some());
            if kind != entry.unreadable.is_some() {
                break;
            }
            // At least `room` bytes of `to` are behind what was copied.
            let to = &mut to[copied..copied + room];
            let step = match (entry.unreadable, &mut control) {
                (None, _) => entry.copy(to),
                (Some(why), None) => Err(why.into()),
                (Some(_), Some(_)) if room == 0 => break,
                (Some(_), Some(control)) => entry.tell(to, control, &mut self.user_frags),
            };
            let len = match step {
                Ok(Step::Copied(len)) => {
                    copied += len;
                    len
                }
                Ok(Step::Told(len)) => {
                    told += len;
                    len
                }
                Err(error) if copied + told == 0 => return Err(error),
                Err(_) => break,
            };
            if len == 0 {
                break;
            }
            // INVARIANT: the step took these bytes off the packet.
            entry.left -= len;
            self.queued -= len;
        }
        Ok(copied + told)
    }

    /// Throws away at most `len` bytes of the queue, readable or not, and how many it threw away: recv with
    /// `MSG_TRUNC`.
    #[doc(alias = "MSG_TRUNC")]
    pub fn discard(&mut self, len: usize) -> usize {
        let mut gone = 0;
        while gone < len {
            let Some(entry) = front(&mut self.queue) else { break };
            let less = entry.discard(len - gone);
            if less == 0 {
                break;
            }
            // INVARIANT: these bytes were taken off the packet.
            entry.left -= less;
            self.queued -= less;
            gone += less;
        }
        gone
    }

    /// Takes back tokens, and gives how many stood for a frag: setsockopt of `SO_DEVMEM_DONTNEED`.
    ///
    /// `optval` is an array of [`DmabufToken`]s, of any alignment. A token that is not out is skipped, one returned
    /// before included; the result does not say so, as in Linux, but [`unknown`](DevmemStats::unknown) counts it. It counts
    /// toward [`MAX_DONTNEED_FRAGS`] all the same. After as many tokens the call ends, and its result does not say where.
    ///
    /// A number is all there is to look up: a token that comes back twice may be another piece's the second time. A
    /// program whose pieces are values cannot do that ([`DevmemUser`](super::DevmemUser)).
    ///
    /// # Errors
    ///
    /// [`DontneedError`], for the whole call: a ragged length, or too many ranges.
    #[doc(alias = "sock_devmem_dontneed")]
    #[doc(alias = "SO_DEVMEM_DONTNEED")]
    pub fn dontneed(&mut self, optval: &[u8]) -> Result<usize, DontneedError> {
        let (len, size) = (optval.len(), size_of::<DmabufToken>());
        if len % size != 0 {
            self.stats.refused += 1;
            return Err(DontneedError::Ragged { len });
        }
        if len / size > MAX_DONTNEED_TOKENS {
            self.stats.refused += 1;
            return Err(DontneedError::TooMany { ranges: len / size });
        }
        let ranges = optval.chunks_exact(size).filter_map(|range| DmabufToken::read_from_bytes(range).ok());
        let tokens = ranges.flat_map(|range| (0..range.token_count).map(move |i| range.token_start.wrapping_add(i)));
        let (mut returned, mut unknown) = (0, 0);
        for token in tokens.take(MAX_DONTNEED_FRAGS) {
            match self.user_frags.erase(token) {
                // Dropping the frag is the put.
                Some(_frag) => returned += 1,
                None => unknown += 1,
            }
        }
        self.stats.returned += returned as u64;
        self.stats.unknown += unknown;
        Ok(returned)
    }
}

/// The first packet that has something left; those before it go.
fn front(queue: &mut VecDeque<Entry>) -> Option<&mut Entry> {
    while queue.front().is_some_and(|entry| entry.left == 0) {
        queue.pop_front();
    }
    queue.front_mut()
}

impl Entry {
    /// Copies bytes of a readable packet.
    fn copy(&mut self, to: &mut [u8]) -> Result<Step, RecvError> {
        let len = to.len().min(self.left);
        self.skb.copy_bits(self.offset, &mut to[..len])?;
        self.offset += len;
        Ok(Step::Copied(len))
    }

    /// Copies or tells one piece of an unreadable packet, of at most `to.len()` bytes and not 0.
    fn tell(
        &mut self,
        to: &mut [u8],
        control: &mut Control<'_>,
        user_frags: &mut UserFrags,
    ) -> Result<Step, RecvError> {
        let linear = &self.skb.linear()[self.offset..];
        let len = to.len().min(linear.len());
        if len != 0 {
            // A packet is shorter than 4 GiB.
            let frag_size = u32::try_from(len).unwrap_or(u32::MAX);
            let len = frag_size as usize;
            control.put(DevmemCmsg::Linear(DmabufCmsg { frag_size, ..DmabufCmsg::default() }))?;
            to[..len].copy_from_slice(&linear[..len]);
            self.offset += len;
            return Ok(Step::Copied(len));
        }
        let room = u32::try_from(to.len()).unwrap_or(u32::MAX);
        // Each round takes a frag out of the packet, or ends.
        loop {
            let told = self.skb.edit_first_frag(|frag| tell_frag(frag, room, control, user_frags));
            match told {
                Some(Ok(0)) => {}
                Some(Ok(len)) => return Ok(Step::Told(len as usize)),
                Some(Err(error)) => return Err(error),
                None => return Ok(Step::Told(0)),
            }
        }
    }

    /// Throws away at most `len` bytes of what is left.
    fn discard(&mut self, len: usize) -> usize {
        if self.unreadable.is_none() {
            let len = len.min(self.left);
            self.offset += len;
            return len;
        }
        let linear = len.min(self.skb.linear().len() - self.offset);
        self.offset += linear;
        let mut gone = linear;
        while gone < len {
            let most = u32::try_from(len - gone).unwrap_or(u32::MAX);
            let Some(less) = self.skb.edit_first_frag(|mut frag| {
                let less = most.min(frag.len());
                let left = frag.len() - less;
                // The rest of the range is inside it.
                (frag.narrow(less, left).is_ok_and(|()| left != 0).then_some(frag), less)
            }) else {
                break;
            };
            gone += less as usize;
        }
        gone
    }
}

/// Gives at most `room` bytes of a frag to user space. Gives what stays in the packet, and how many bytes went.
fn tell_frag(
    frag: SkbFrag,
    room: u32,
    control: &mut Control<'_>,
    user_frags: &mut UserFrags,
) -> (Option<SkbFrag>, Result<u32, RecvError>) {
    let len = frag.len();
    let frag = match frag {
        SkbFrag::Pool(frag) => frag,
        SkbFrag::Bound(_) => return (Some(frag), Err(RecvError::TransmitFrag { len })),
        SkbFrag::Mm(_) => return (Some(frag), Err(RecvError::HostFrag { len })),
    };
    let mut frag = match frag.backing() {
        Backing::NetIov(frag) => frag,
        Backing::Page(frag) => return (Some(SkbFrag::Pool(frag.into())), Err(RecvError::HostFrag { len })),
    };
    let iov = frag.borrow().net_iov();
    if !iov.is_devmem() {
        let ty = iov.ty();
        return (Some(SkbFrag::Pool(frag.into())), Err(RecvError::NotDmabuf { len, ty }));
    }
    if len == 0 {
        return (None, Ok(0));
    }
    let vacant = match user_frags.vacant() {
        Ok(vacant) => vacant,
        Err(error) => return (Some(SkbFrag::Pool(frag.into())), Err(error.into())),
    };
    let len = len.min(room);
    let told = DmabufCmsg {
        frag_offset: frag.memory_offset() as u64,
        frag_size: len,
        frag_token: vacant.token(),
        dmabuf_id: frag.binding_id(),
        flags: 0,
    };
    if let Err(error) = control.put(DevmemCmsg::Dmabuf(told)) {
        return (Some(SkbFrag::Pool(frag.into())), Err(error.into()));
    }
    let rest = if len < frag.len() { frag.split_off(len) } else { None };
    vacant.fill(frag);
    (rest.map(|rest| SkbFrag::Pool(rest.into())), Ok(len))
}

impl Default for Sock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Sock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sock")
            .field("packets", &self.queue.len())
            .field("queued", &self.queued)
            .field("tokens_out", &self.tokens_out())
            .finish()
    }
}
