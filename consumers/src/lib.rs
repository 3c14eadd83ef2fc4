//! What stands above the packets of netmem, without `unsafe`: how user space receives memory that nobody can copy to it.
//!
//! | module | what it replaces | what user space has |
//! | --- | --- | --- |
//! | [`devmem`] | the end of a socket: net/ipv4/tcp.c, net/core/sock.c | offset, length and token of each frag in a dma-buf |
//! | [`zcrx`] | a program's memory: io_uring/zcrx.c | two rings, and the memory that the program lent |
//!
//! Each module has two ends. The kernel's end ([`Sock`](devmem::Sock), [`Zcrx`](zcrx::Zcrx)) looks up every number that a
//! program writes. The program's end ([`DevmemUser`](devmem::DevmemUser), [`ZcrxUser`](zcrx::ZcrxUser)) makes one value of
//! each number that it reads, and the value goes back once (rule S4).
//!
//! Nothing here has a privilege: a consumer of yours can call all that these call. A kernel has the kernel's ends in C, so they are
//! no part of the proposal. They show that a complete receive path can be built on its types.
#![no_std]
#![deny(rustdoc::broken_intra_doc_links)]
#![forbid(unsafe_code)]

extern crate alloc as liballoc;
#[cfg(test)]
extern crate std;

mod alloc;
mod assert;
pub mod devmem;
mod errno;
mod piece;
mod sync;
pub mod zcrx;

pub use piece::PieceError;
