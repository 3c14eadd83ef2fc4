//! The layouts of Linux 7.3 on x86-64, as data and as compile-time assertions.
//!
//! What the crate mirrors it must mirror to the byte: a C module gets a layout by being rebuilt, a Rust mirror by
//! nothing at all. `netmem_desc` is the same in 6.18 and 7.3; net_iov's tail moved in every step. Whether a
//! kernel agrees, `cargo run --example layout` reads from its BTF.
//!
//! Linux 6.18 has net_iov's tail the other way round, `owner` before a `type` of eight bytes, and nothing else that is
//! mirrored here differs. `RUSTFLAGS='--cfg netmem_linux="6.18"'` builds the crate for it. It is a cfg and no feature:
//! features of one build unify, and no build has two kernels.

use super::{NetIovType, NetmemDesc};

/// Which Linux the layouts are those of.
pub const LINUX: &str = if cfg!(netmem_linux = "6.18") { "6.18" } else { "7.3" };

/// One field of a mirrored struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field's name in this crate.
    pub name: &'static str,
    /// The field's name in the kernel.
    pub c_name: &'static str,
    /// Its offset in bytes.
    pub offset: usize,
    /// How many bytes it has.
    pub size: usize,
}

/// A struct that has a twin in the kernel.
pub trait Mirror: Sized {
    /// The twin's name.
    const C_NAME: &'static str;
    /// Its fields, in order of offset.
    const FIELDS: &'static [Field];
}

/// One number of an enum that the kernel has too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its name in the kernel.
    pub c_name: &'static str,
    /// The number.
    pub value: u32,
}

impl NetIovType {
    /// The enum's name in the kernel.
    pub const C_NAME: &'static str = "net_iov_type";
    /// Its numbers.
    pub const VALUES: &'static [Value] = &[
        Value { c_name: "NET_IOV_DMABUF", value: NetIovType::DmaBuf as u32 },
        Value { c_name: "NET_IOV_IOURING", value: NetIovType::IoUring as u32 },
    ];
}

/// The size of the field that `_get` borrows.
pub(super) const fn size_of_field<T, F>(_get: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

/// Lists fields of a struct with their C names and places, where the fields can be named.
macro_rules! fields {
    ($ty:ident, $($field:ident $(. $inner:ident)? = $c_name:literal),+) => {
        &[$($crate::memory::layout::Field {
            name: concat!(stringify!($field) $(, ".", stringify!($inner))?),
            c_name: $c_name,
            offset: core::mem::offset_of!($ty, $field $(. $inner)?),
            size: $crate::memory::layout::size_of_field(|it: &$ty| &it.$field $(. $inner)?),
        }),+]
    };
}
pub(super) use fields;

impl Mirror for NetmemDesc {
    const C_NAME: &'static str = "netmem_desc";
    const FIELDS: &'static [Field] = fields!(
        NetmemDesc,
        flags = "_flags",
        pp_magic = "pp_magic",
        pp = "pp",
        pp_mapping_pad = "_pp_mapping_pad",
        dma_addr = "dma_addr",
        pp_ref_count = "pp_ref_count"
    );
}

#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = {
    use super::{NetIov, NetIovArea, Page};
    const fn at(fields: &[Field], places: &[(usize, usize)]) -> bool {
        let mut i = 0;
        while i < fields.len() {
            if fields[i].offset != places[i].0 || fields[i].size != places[i].1 {
                return false;
            }
            i += 1;
        }
        fields.len() == places.len()
    }
    const DESC: &[(usize, usize)] = &[(0, 8), (8, 8), (16, 8), (24, 8), (32, 8), (40, 8)];
    assert!(size_of::<NetmemDesc>() == 48 && at(NetmemDesc::FIELDS, DESC));
    let (desc, rest) = Page::FIELDS.split_at(6);
    assert!(size_of::<Page>() == 64 && at(desc, DESC) && at(rest, &[(48, 4), (52, 4), (56, 8)]));
    // Which of the two comes first stands beside `NetIov`, where the fields have names.
    let ty = if cfg!(netmem_linux = "6.18") { 8 } else { 4 };
    let tail = if cfg!(netmem_linux = "6.18") { [(48, 8), (56, ty)] } else { [(48, ty), (56, 8)] };
    assert!(size_of::<NetIov>() == 64 && at(NetIov::FIELDS, &[(0, 48), tail[0], tail[1]]));
    assert!(size_of::<NetIovArea>() == 24 && at(NetIovArea::FIELDS, &[(0, 8), (8, 8), (16, 8)]));
};

#[cfg(test)]
mod tests {
    use super::super::{NetIov, Page};
    use super::*;

    /// The descriptor ends where `page_type` begins: what C asserts of `netmem_desc` and `struct page`.
    #[test]
    fn the_descriptor_leaves_refcount_alone() {
        let desc = memoffset::span_of!(NetmemDesc, flags..=pp_ref_count);
        assert_eq!(desc, 0..size_of::<NetmemDesc>());
        let refcount = Page::FIELDS.iter().find(|field| field.c_name == "_refcount").expect("page has a refcount");
        assert!(desc.end <= refcount.offset);
    }

    /// memoffset and `offset_of!` agree where both can see the field.
    #[test]
    fn memoffset_agrees() {
        assert_eq!(memoffset::offset_of!(NetmemDesc, dma_addr), NetmemDesc::FIELDS[4].offset);
        assert_eq!(memoffset::offset_of!(NetmemDesc, pp_ref_count), NetmemDesc::FIELDS[5].offset);
        let ref_count = memoffset::span_of!(NetmemDesc, pp_ref_count);
        assert_eq!(ref_count.len(), NetmemDesc::FIELDS[5].size);
        assert_eq!(memoffset::offset_of!(Page, desc), Page::FIELDS[0].offset);
        assert_eq!(memoffset::offset_of!(NetIov, desc), NetIov::FIELDS[0].offset);
    }
}
