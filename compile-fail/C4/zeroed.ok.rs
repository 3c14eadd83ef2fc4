//! allowed: plain data may be zero.

fn zeroed<T: zerocopy::FromZeros>() -> T {
    T::new_zeroed()
}

fn forge() {
    let _ = zeroed::<[u64; 8]>();
}

fn main() {}
