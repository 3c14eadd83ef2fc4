//! zcrx: memory that a program lent through io_uring, for zero-copy receive.
//!
//! A program registers areas of its memory ([`Zcrx::register`]). The device writes packets there. The kernel tells the
//! program offset and length of each piece by an entry of the [completion ring](CompletionRing) ([`Zcrx::post`]), and
//! the program gives the piece back by writing the offset into the [refill ring](RefillRing). No handle crosses: what
//! the program says is a number, which the provider looks up among the references that it keeps on the program's behalf.
//!
//! Numbers are for the border and for programs that do not behave ([`ZcrxCqe`], [`ZcrxRqe`]). A program that behaves
//! has values: [`ZcrxUser::receive`] makes one [`ZcrxPiece`] of each completion, its bytes are read through it, and
//! dropping it gives it back, once (rule S4).
//!
//! | who | has | may |
//! | --- | --- | --- |
//! | a queue's pool | [`ZcrxProvider`] | allocate and release net_iovs |
//! | io_uring | [`Zcrx`] | hand pieces to the program, copy for it, close |
//! | the program | [`ZcrxUser`], its [pieces](ZcrxPiece), and its own memory | read what arrived, give it back |
//! | a program that does not behave | both rings | write anything into them, at any time |
//!
//! **The rings are not trusted.** Head, tail and each entry are read once, as atomics, into values, and those are looked at
//! (an entry is parsed by zerocopy). An entry that names no area, no net_iov, or one that the program does not have is
//! skipped and [counted](ZcrxStats), and so is a head that is not inside the completion ring. As in Linux it is not an
//! error, and an offset inside a net_iov names that net_iov.
//! What the program can do to itself is lose buffers until it closes. It can reach nobody else's memory and no reference
//! that it was not given.
//!
//! **References.** Linux counts each piece that the program has twice: in `user_refs` of the net_iov and in its
//! `pp_ref_count`. Here a net_iov has the same `user_refs` and one [`Netmem`](netmem::Netmem) for all of them, which is
//! the proof that the pool may not reuse it. It is given up when `user_refs` goes to 0.
//!
//! **Closing.** The provider keeps handles of pools that keep the provider. [`Zcrx`] ends that: dropping it takes back
//! whatever the program has, and from then on nothing is handed out.
#![forbid(unsafe_code)]

mod area;
mod consumer;
mod error;
mod event;
mod owner;
mod piece;
mod provider;
mod receive;
mod ring;
#[cfg(test)]
mod tests;
mod uapi;
mod user;

#[doc(alias = "io_uring_zcrx_area_reg")]
#[doc(alias = "io_zcrx_area")]
pub use area::UserArea;
pub use error::{CopyError, HandOutError, RegisterError};
#[doc(alias = "zcrx_event_type")]
pub use event::ZcrxEvent;
pub use event::{ArmError, ZcrxEvents};
#[doc(alias = "io_zcrx_ifq")]
pub use owner::Zcrx;
#[doc(alias = "io_uring_zcrx_ifq_reg")]
pub use owner::ZcrxParams;
pub use piece::ZcrxPiece;
#[doc(alias = "io_uring_pp_zc_ops")]
pub use provider::ZcrxProvider;
#[doc(alias = "zcrx_stats")]
pub use provider::ZcrxStats;
pub use receive::{ZcrxError, ZcrxReceive};
#[doc(alias = "io_rings")]
pub use ring::CompletionRing;
#[doc(alias = "IORING_MAX_CQ_ENTRIES")]
pub use ring::MAX_CQ_ENTRIES;
#[doc(alias = "IO_RQ_MAX_ENTRIES")]
pub use ring::MAX_RQ_ENTRIES;
#[doc(alias = "zcrx_rq")]
pub use ring::RefillRing;
#[doc(alias = "IORING_ZCRX_AREA_SHIFT")]
pub use uapi::AREA_SHIFT;
#[doc(alias = "IORING_CQE_F_MORE")]
pub use uapi::CQE_F_MORE;
#[doc(alias = "ZCRX_MAX_AREAS")]
pub use uapi::MAX_AREAS;
#[doc(alias = "io_uring_zcrx_cqe")]
pub use uapi::ZcrxCqe;
#[doc(alias = "io_uring_zcrx_rqe")]
pub use uapi::ZcrxRqe;
pub use user::{ReceiveError, ZcrxUser};
