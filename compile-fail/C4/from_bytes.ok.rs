//! allowed: plain data is read that way.

fn parse<T: zerocopy::TryFromBytes>(bytes: &[u8]) -> bool {
    T::try_read_from_bytes(bytes).is_ok()
}

fn forge(packet: &[u8]) -> bool {
    parse::<[u64; 8]>(packet)
}

fn main() {}
