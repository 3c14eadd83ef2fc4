//! forbids: C1
//! expect: E0308 "expected `&Page`, found `&NetmemDesc`"
//! lifted by: counterfactual
//!
//! A net_iov is asked to show its page. It can show the view that it shares with one.

use netmem::NetIov;

fn show(iov: &NetIov) {
    let memory: &netmem::Page = iov.as_ref();
    let _ = memory;
}

fn main() {}
