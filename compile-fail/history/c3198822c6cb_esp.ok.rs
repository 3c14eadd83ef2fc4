//! allowed: dropping the frag puts what it is: a reference of the pool.

use netmem::mm::{self, PageRef};
use netmem::skb::SkbFrag;

fn unref(frag: SkbFrag, own: PageRef) {
    let put_page: fn(PageRef) = mm::put_page;
    put_page(own);
    match frag {
        SkbFrag::Pool(frag) => drop(frag),
        other => drop(other),
    }
}

fn main() {}
