//! forbids: C3
//! expect: E0277 "the trait bound `&netmem::Page: From<&NetmemDesc>` is not satisfied"
//! lifted by: counterfactual
//!
//! From the view to the whole: container_of() without knowing what it is part of.

fn cast(from: &netmem::NetmemDesc) -> &netmem::Page {
    from.into()
}

fn main() {}
