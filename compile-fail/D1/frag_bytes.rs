//! forbids: D1
//! expect: E0277 "memory of kind `netmem::NetIov` is never readable by the CPU (rule D1)"
//! lifted by: counterfactual
//!
//! A parser for frags of any readable kind is given one in device memory: skb_frag_address() on a net_iov.

use netmem::Frag;
use netmem::page_pool::Readable;

fn parse<K: Readable>(frag: &Frag<K>) {
    let _ = frag.bytes();
}

fn receive(frag: Frag<netmem::NetIov>) {
    parse(&frag);
}

fn main() {}
