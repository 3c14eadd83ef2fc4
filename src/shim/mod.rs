//! The helper names that C drivers call, as free functions over the methods of this crate.
//!
//! A driver is ported helper by helper: as it is, with the page helpers of [`page`](self#functions); then with those for
//! netmem; then with device memory switched on. `docs/porting.md` has the whole map, with how often drivers of Linux call
//! what. A helper that would do nothing here has no function: the search for its name finds the type that makes it unnecessary.
//!
//! **The page helpers are thin wrappers**, as Jakub Kicinski asked: one cast from page to netmem and one call of the netmem
//! helper. They live in one file, and a test holds that file to it. The allocators and getters are the `Page` case of the
//! generic one.
//!
//! What C passes and types make unnecessary is gone, and what breaks a rule has another type under the same name:
//!
//! | in C | here | why |
//! | --- | --- | --- |
//! | `gfp` | nothing | pools allocate as NAPI does, and never wait |
//! | `page_pool_put_full_page(pool, page, true)` | [`page_pool_recycle_direct`], as C calls it, too | direct recycling needs the consumer side in hand (rule N1): `&mut PagePool` is the flag |
//! | `page_pool_put_full_page(pool, page, false)` | [`page_pool_put_full_page`] takes the page alone | a handle knows its pool; without the consumer side no byte is synced |
//! | a put of a part of a page | `drop`, [`page_pool_free_va`] or [`PagePool::recycle_frag`](crate::PagePool::recycle_frag) | a [`Frag`](crate::Frag) is a reference with its range |
//! | `page_pool_dev_alloc_pages()` beside `page_pool_alloc_pages()` | one function; the search for the other name finds it | so do all names that differ by what types make unnecessary |
//! | `&offset`, `&size` | [`Frag`](crate::Frag) | an offset without its reference is how ranges are mixed up |
//! | `unref(n)` | [`page_pool_unref_netmem`] takes [`Shares`](crate::Shares) | nobody drops a reference that he does not hold (rule O2) |
//! | `netmem_to_page()`, `NULL` with a warning | [`netmem_to_page`] gives an `Option` | the other arm must be written (rule C2) |
//! | `__netmem_to_page()`, unchecked | [`__netmem_to_page`] takes a handle of kind `Page` | who has checked has the type to show for it |
//! | `page_pool_dma_sync_for_cpu(pool, page, offset, size)` | takes [`Received`](crate::page_pool::Received) | before the sync there are no bytes (rule D2), and the range is known |
//! | `skb_mark_for_recycle()` | nothing, as [`SkbFrag`](crate::skb::SkbFrag) | each frag knows where it goes back to |
//! | `xdp_rxq_info_reg_mem_model()`, `xdp_reg_page_pool()`, ... | nothing, as [`XdpBuff`](crate::netdev::XdpBuff) | a frame knows its pool |
//! | `netmem_dma_unmap_addr_set()` | nothing, as [`TxMap`](crate::dma::TxMap) | the map notes what it mapped |
#![forbid(unsafe_code)]

mod dma;
mod netmem;
mod page;
mod page_pool;
mod skb;
#[cfg(not(netmem_backend = "linux"))]
mod skb_frag;
mod xdp;

pub use dma::*;
pub use netmem::*;
pub use page::*;
pub use page_pool::*;
pub use skb::*;
#[cfg(not(netmem_backend = "linux"))]
pub use skb_frag::*;
pub use xdp::*;
