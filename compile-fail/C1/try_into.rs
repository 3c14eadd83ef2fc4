//! forbids: C1
//! expect: E0277 "the trait bound `&netmem::Page: TryFrom<&netmem::NetIov>` is not satisfied"
//! lifted by: counterfactual
//!
//! Asking first does not help: there is no net_iov for which the answer is yes, so there is no question.

use netmem::NetIov;

fn ask(iov: &NetIov) -> Option<&netmem::Page> {
    iov.try_into().ok()
}

fn main() {}
