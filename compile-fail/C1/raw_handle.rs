//! forbids: C1
//! expect: E0133 "call to unsafe function `NetmemRef::<'a, K>::from_raw` is unsafe"
//! lifted by: nothing (unsafe)
//!
//! A page's handle made from a net_iov's word: `(struct page *)niov`, by way of the handle. The word must agree with the
//! kind, which the compiler cannot see; so this is `unsafe`, and here nobody could write its `SAFETY:` comment.

use netmem::{NetIov, NetmemRef, Page};

fn same(page: NetmemRef<'_, Page>, iov: NetmemRef<'_, NetIov>) -> bool {
    let word = iov.as_raw();
    page == NetmemRef::from_raw(word)
}

fn main() {}
