//! Device memory, as user space receives it: what [`Sock::recv_devmem`] tells, and what comes back.
//!
//! A frag in device memory has no bytes that the kernel could copy. A reader that can deal with it asks for it, with
//! `MSG_SOCK_DEVMEM` in Linux, and is told where the bytes are: which dma-buf, which offset, how many, and a *token*.
//! The frag then belongs to the token. Returning the token with [`Sock::dontneed`] returns the memory to its pool, and
//! closing the socket returns what is left. A reader that did not ask gets an error, never bytes that nobody received.
//!
//! [`DmabufCmsg`] and [`DmabufToken`] are what crosses the border, as bytes. They are plain numbers: whatever user
//! space makes of them, none becomes memory or a handle (rule C4). A token is looked up in this socket's table, and one
//! that names nothing is [counted](DevmemStats).
//!
//! A program that behaves has values instead: [`DevmemUser`] makes one [`DevmemPiece`] of each token, its bytes are read
//! through it, and dropping it returns it, once (rule S4). This is the socket with its numbers:
//!
//! ```
//! use netmem_sim::dma::{Coherent, DmaBus};
//! use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
//! use netmem::page_pool::Chunk;
//! use netmem::provider::DmabufProvider;
//! use netmem_sim::Memfd;
//! use netmem::skb::Skb;
//! use netmem_consumers::devmem::{CMSG_SPACE, Control, DevmemCmsg, DmabufToken, RecvError, Sock};
//! use std::sync::Arc;
//! use zerocopy::IntoBytes;
//!
//! // A packet: 4 bytes of it in host memory, 1000 in the GPU's.
//! let device = Arc::new(Coherent::new()).driver_side();
//! let gpu = Memfd::new("gpu", 1 << 20)?;
//! let dmabuf = DmabufProvider::bind(device.clone(), gpu, &[Chunk { offset: 0, len: 1 << 20 }], 4096)?;
//! let mut pool: PagePool = PagePool::new(PagePoolParams::for_device(device, 4096), AnyProvider::from(dmabuf.clone()))?;
//! let mut skb = Skb::copy_from(b"head").expect("four bytes");
//! skb.add_rx_frag(pool.alloc_frag(1000).expect("a megabyte is free"), 1000)?;
//!
//! let mut sock = Sock::new();
//! sock.queue(skb).expect("there is memory for a queue of one");
//!
//! // Who does not ask for device memory gets EFAULT, and the packet stays.
//! let mut buffer = [0; 4096];
//! assert!(matches!(sock.recv(&mut buffer), Err(RecvError::Unreadable(_))));
//!
//! // Who does is told where it is.
//! let mut space = [0; 2 * CMSG_SPACE];
//! let mut control = Control::new(&mut space);
//! assert_eq!(sock.recv_devmem(&mut buffer, &mut control)?, 1004);
//! assert_eq!(&buffer[..4], b"head");
//! let told: Vec<_> = control.messages().collect();
//! let [DevmemCmsg::Linear(head), DevmemCmsg::Dmabuf(frag)] = told[..] else { panic!("two messages") };
//! assert_eq!((head.frag_size, frag.frag_size, frag.dmabuf_id), (4, 1000, dmabuf.id()));
//!
//! // The memory is the token's until it comes back.
//! assert_eq!(pool.in_use(), 1);
//! let token = DmabufToken { token_start: frag.frag_token, token_count: 1 };
//! assert_eq!(sock.dontneed(token.as_bytes())?, 1);
//! assert_eq!(pool.in_use(), 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod control;
mod piece;
mod sock;
mod uapi;
mod user;
mod user_frags;

#[doc(alias = "CMSG_LEN")]
pub use control::CMSG_SPACE;
#[doc(alias = "msghdr")]
pub use control::Control;
#[doc(alias = "CMSG_NXTHDR")]
#[doc(alias = "CMSG_FIRSTHDR")]
pub use control::Messages;
pub use control::{ControlError, DevmemCmsg};
pub use piece::DevmemPiece;
#[doc(alias = "sock")]
#[doc(alias = "sk_receive_queue")]
#[doc(alias = "tcp_recvmsg")]
pub use sock::Sock;
pub use sock::{DevmemStats, DontneedError, EnqueueError, RecvError};
#[doc(alias = "dmabuf_cmsg")]
pub use uapi::DmabufCmsg;
#[doc(alias = "dmabuf_token")]
pub use uapi::DmabufToken;
#[doc(alias = "SO_DEVMEM_DMABUF")]
pub use uapi::SCM_DEVMEM_DMABUF;
#[doc(alias = "SO_DEVMEM_LINEAR")]
pub use uapi::SCM_DEVMEM_LINEAR;
pub use uapi::{MAX_DONTNEED_FRAGS, MAX_DONTNEED_TOKENS};
pub use uapi::{SO_DEVMEM_DONTNEED, SOL_SOCKET};
pub use user::{DevmemPart, DevmemUser};
#[doc(alias = "xa_limit_31b")]
pub use user_frags::MAX_TOKENS;
pub use user_frags::TokenError;
