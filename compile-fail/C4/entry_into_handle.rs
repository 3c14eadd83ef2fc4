//! forbids: C4
//! expect: E0277 "the trait bound `Netmem<netmem::NetIov>: From<ZcrxRqe>` is not satisfied"
//! lifted by: counterfactual
//!
//! What a program wrote into its refill ring, taken for memory. It may have written anything.

use netmem_consumers::zcrx::ZcrxRqe;

fn take(entry: ZcrxRqe) -> netmem::Netmem<netmem::NetIov> {
    entry.into()
}

fn main() {}
