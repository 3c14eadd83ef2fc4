//! The layouts of Linux 7.3 on x86-64, as data and as compile-time assertions.
//!
//! What the crate mirrors it must mirror to the byte: a C module gets a layout by being rebuilt, a Rust mirror by
//! nothing at all. `netmem_desc` has been the same since it exists (6.18); net_iov's tail moved in every step.

use super::NetmemDesc;

/// One field of a mirrored struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name in this crate.
    pub name: &'static str,
    /// Its offset in bytes.
    pub offset: usize,
}

/// A struct that has a twin in the kernel.
pub trait Mirror: Sized {
    /// Its fields, in order of offset.
    const FIELDS: &'static [Field];
}

/// Lists fields of a struct with their offsets, where the fields can be named.
macro_rules! fields {
    ($ty:ident, $($field:ident),+) => {
        &[$($crate::memory::layout::Field { name: stringify!($field), offset: core::mem::offset_of!($ty, $field) }),+]
    };
}
pub(super) use fields;

impl Mirror for NetmemDesc {
    const FIELDS: &'static [Field] = fields!(NetmemDesc, flags, pp_magic, pp, pp_mapping_pad, dma_addr, pp_ref_count);
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = {
    use super::{NetIov, NetIovArea, Page};
    const fn at(fields: &[Field], offsets: &[usize]) -> bool {
        let mut i = 0;
        while i < fields.len() {
            if fields[i].offset != offsets[i] {
                return false;
            }
            i += 1;
        }
        fields.len() == offsets.len()
    }
    assert!(size_of::<NetmemDesc>() == 48 && at(NetmemDesc::FIELDS, &[0, 8, 16, 24, 32, 40]));
    assert!(size_of::<Page>() == 64 && at(Page::FIELDS, &[0, 48, 52, 56]));
    assert!(size_of::<NetIov>() == 64 && at(NetIov::FIELDS, &[0, 48, 56]));
    assert!(size_of::<NetIovArea>() == 24 && at(NetIovArea::FIELDS, &[0, 8, 16]));
};

#[cfg(test)]
mod tests {
    use super::super::Page;
    use super::*;

    /// The descriptor ends where `page_type` begins: what C asserts of `netmem_desc` and `struct page`.
    #[test]
    fn the_descriptor_leaves_refcount_alone() {
        let desc = memoffset::span_of!(NetmemDesc, flags..=pp_ref_count);
        assert_eq!(desc, 0..size_of::<NetmemDesc>());
        let refcount = Page::FIELDS.iter().find(|field| field.name == "refcount").expect("page has a refcount");
        assert!(desc.end <= refcount.offset);
    }

    /// memoffset and `offset_of!` agree where both can see the field.
    #[test]
    fn memoffset_agrees() {
        assert_eq!(memoffset::offset_of!(NetmemDesc, dma_addr), NetmemDesc::FIELDS[4].offset);
        assert_eq!(memoffset::offset_of!(NetmemDesc, pp_ref_count), NetmemDesc::FIELDS[5].offset);
    }
}
