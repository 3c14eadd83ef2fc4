//! forbids: C1
//! expect: E0599 "no method named `page` found for reference `&netmem::NetIov`"
//! lifted by: counterfactual
//!
//! The helper that everybody looks for first: net_iov_to_page(). There is none, as there is none in Linux.

use netmem::NetIov;

fn look(iov: &NetIov) {
    let _ = iov.page();
}

fn main() {}
