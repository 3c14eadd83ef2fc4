//! forbids: C4
//! expect: E0277 "the trait bound `netmem::NetIov: TryFromBytes` is not satisfied"
//! lifted by: counterfactual
//!
//! 64 bytes of a packet read as a net_iov. Whoever sent the packet chose the `owner` pointer.

fn parse<T: zerocopy::TryFromBytes>(bytes: &[u8]) -> bool {
    T::try_read_from_bytes(bytes).is_ok()
}

fn forge(packet: &[u8]) -> bool {
    parse::<netmem::NetIov>(packet)
}

fn main() {}
