//! zcrx: memory that a program lent through io_uring, for zero-copy receive.
//!
//! A program registers areas of its memory ([`Zcrx::register`]). The device writes packets there, the program gets
//! offset and length of each piece ([`ZcrxCqe`], by [`Zcrx::post`]), and gives the piece back by writing the offset into
//! a ring that it shares with the kernel ([`RefillRing`]). No handle crosses: what the program says is a number, which
//! the provider looks up among the references that it keeps on the program's behalf.
//!
//! | who | has | may |
//! | --- | --- | --- |
//! | a queue's pool | [`ZcrxProvider`] | allocate and release net_iovs |
//! | io_uring | [`Zcrx`] | hand pieces to the program, copy for it, close |
//! | the program | [`RefillUser`], and its own memory | read what arrived, write anything into the ring, at any time |
//!
//! **The ring is not trusted.** Head, tail and each entry are read once, as atomics, into values, and those are looked at
//! (an entry is parsed by zerocopy). An entry that names no area, no net_iov, or one that the program does not have is
//! skipped and [counted](ZcrxStats); as in Linux it is not an error, and an offset inside a net_iov names that net_iov.
//! What the program can do to itself is lose buffers until it closes. It can reach nobody else's memory and no reference
//! that it was not given.
//!
//! **References.** Linux counts each piece that the program has twice: in `user_refs` of the net_iov and in its
//! `pp_ref_count`. Here a net_iov has the same `user_refs` and one [`Netmem`](crate::Netmem) for all of them, which is
//! the proof that the pool may not reuse it. It is given up when `user_refs` goes to 0.
//!
//! **Closing.** The provider keeps handles of pools that keep the provider. [`Zcrx`] ends that: dropping it takes back
//! whatever the program has, and from then on nothing is handed out.

mod area;
mod error;
mod event;
mod owner;
mod provider;
mod ring;
mod uapi;

#[doc(alias = "io_uring_zcrx_area_reg")]
#[doc(alias = "io_zcrx_area")]
pub use area::UserArea;
pub use error::{CopyError, PostError, RegisterError};
#[doc(alias = "zcrx_event_type")]
pub use event::ZcrxEvent;
pub use event::{NotFired, ZcrxEvents};
#[doc(alias = "io_zcrx_ifq")]
pub use owner::Zcrx;
#[doc(alias = "io_uring_zcrx_ifq_reg")]
pub use owner::ZcrxParams;
#[doc(alias = "io_uring_pp_zc_ops")]
pub use provider::ZcrxProvider;
#[doc(alias = "zcrx_stats")]
pub use provider::ZcrxStats;
#[doc(alias = "IO_RQ_MAX_ENTRIES")]
pub use ring::MAX_RQ_ENTRIES;
#[doc(alias = "zcrx_rq")]
pub use ring::RefillRing;
pub use ring::RefillUser;
#[doc(alias = "IORING_ZCRX_AREA_SHIFT")]
pub use uapi::AREA_SHIFT;
#[doc(alias = "ZCRX_MAX_AREAS")]
pub use uapi::MAX_AREAS;
#[doc(alias = "io_uring_zcrx_cqe")]
pub use uapi::ZcrxCqe;
#[doc(alias = "io_uring_zcrx_rqe")]
pub use uapi::ZcrxRqe;
