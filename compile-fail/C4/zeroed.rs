//! forbids: C4
//! expect: E0277 "the trait bound `netmem::Page: FromZeros` is not satisfied"
//! lifted by: counterfactual
//!
//! Zeroed memory as a page: kzalloc(sizeof(struct page)). A page lives in the memory map and nowhere else.

fn zeroed<T: zerocopy::FromZeros>() -> T {
    T::new_zeroed()
}

fn forge() {
    let _ = zeroed::<netmem::Page>();
}

fn main() {}
