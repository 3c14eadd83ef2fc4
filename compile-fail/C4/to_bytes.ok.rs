//! allowed: plain data may be copied.

fn copy<T: zerocopy::IntoBytes>(from: &T) {
    let _ = from;
}

fn save(desc: &[u64; 6]) {
    copy(desc);
}

fn main() {}
