//! The structs and numbers that user space shares with the kernel: `include/uapi/linux/uio.h` and
//! `include/uapi/asm-generic/socket.h`.

use crate::assert::assert_not_impl_any;
use crate::devmem::DevmemPiece;
use core::mem::offset_of;
use netmem::memory::{NetIov, NetmemRef, PageOrIov};
use netmem::page_pool::{Frag, Netmem};
use static_assertions::{const_assert, const_assert_eq};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where a piece of what was received is: `struct dmabuf_cmsg`, the payload of a control message.
///
/// Numbers, and nothing else (rule C4): every pattern of bytes is one.
///
/// ```
/// use netmem_consumers::devmem::DmabufCmsg;
/// use zerocopy::{FromBytes, IntoBytes};
///
/// let told = DmabufCmsg { frag_offset: 8192, frag_size: 1448, frag_token: 1, dmabuf_id: 7, flags: 0 };
/// assert_eq!(DmabufCmsg::read_from_bytes(told.as_bytes()), Ok(told));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DmabufCmsg {
    /// First byte, within the dma-buf. 0 for linear bytes.
    pub frag_offset: u64,
    /// Length in bytes.
    pub frag_size: u32,
    /// What to give back when they are not needed any more, never 0. 0 for linear bytes: they need no return.
    pub frag_token: u32,
    /// The number of the dma-buf, [`DmabufProvider::id`](netmem::provider::DmabufProvider::id). 0 for linear bytes.
    pub dmabuf_id: u32,
    /// Not used yet, 0.
    pub flags: u32,
}

const_assert_eq!(size_of::<DmabufCmsg>(), 24);
const_assert!(
    offset_of!(DmabufCmsg, frag_offset) == 0
        && offset_of!(DmabufCmsg, frag_size) == 8
        && offset_of!(DmabufCmsg, frag_token) == 12
        && offset_of!(DmabufCmsg, dmabuf_id) == 16
        && offset_of!(DmabufCmsg, flags) == 20
);

/// Tokens that user space returns, `token_start` and the `token_count` - 1 after it: `struct dmabuf_token`.
///
/// A number that is looked up, not a handle: a wrong one finds nothing (rule C4). It is for the border and for programs that
/// do not behave; a program that behaves has [pieces](DevmemPiece) (rule S4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct DmabufToken {
    /// The first token.
    pub token_start: u32,
    /// How many. Behind `u32::MAX` comes 0, as in C.
    pub token_count: u32,
}

const_assert_eq!(size_of::<DmabufToken>(), 8);
const_assert!(offset_of!(DmabufToken, token_start) == 0 && offset_of!(DmabufToken, token_count) == 4);

assert_not_impl_any!(DmabufToken: Into<Frag<NetIov>>, Into<Frag>, Into<Netmem<NetIov>>, Into<Netmem>,
    TryInto<Frag<NetIov>>, TryInto<Netmem>, Into<NetmemRef<'static, PageOrIov>>, Into<DevmemPiece>,
    TryInto<DevmemPiece>);
assert_not_impl_any!(DmabufCmsg: Into<Frag<NetIov>>, Into<Frag>, TryInto<Frag<NetIov>>, TryInto<Netmem>,
    Into<DevmemPiece>, TryInto<DevmemPiece>);

/// `cmsg_level` of the control messages.
pub const SOL_SOCKET: i32 = 1;

/// `cmsg_type` of bytes that were copied into the reader's buffer.
pub const SCM_DEVMEM_LINEAR: i32 = 78;

/// `cmsg_type` of bytes that lie in a dma-buf.
pub const SCM_DEVMEM_DMABUF: i32 = 79;

/// The socket option that returns tokens: [`Sock::dontneed`](super::Sock::dontneed).
pub const SO_DEVMEM_DONTNEED: i32 = 80;

/// How many ranges of tokens one call takes.
pub const MAX_DONTNEED_TOKENS: usize = 128;

/// How many tokens one call looks up, known or not.
pub const MAX_DONTNEED_FRAGS: usize = 1024;
