//! forbids: C3
//! expect: E0277 "the trait bound `&netmem::NetIov: From<&NetmemDesc>` is not satisfied"
//! lifted by: counterfactual
//!
//! The same on the other side: the descriptor may be a page's, and a page has no owner to follow.

fn cast(from: &netmem::NetmemDesc) -> &netmem::NetIov {
    from.into()
}

fn main() {}
