//! From BTF to facts. The crate `btf-rs` reads the types; here they are followed, with bounds on everything.

use super::bits::Bits;
use super::error::LayoutError;
use super::facts::{Enum, Facts, Member, Struct};
use btf_rs::{Btf, BtfType, Type};
use netmem::memory::layout::Mirror;
use netmem::{NetIov, NetIovArea, NetIovType, NetmemDesc, Page};
use std::collections::HashMap;

/// The structs to look for.
const STRUCTS: [&str; 4] = [NetmemDesc::C_NAME, NetIov::C_NAME, NetIovArea::C_NAME, Page::C_NAME];
/// How deep anonymous structs and unions, or modifiers, are followed: `struct page` needs 4.
const MAX_DEPTH: usize = 32;
/// How many members a struct may have, those of its anonymous members included: `struct page` has 40.
const MAX_MEMBERS: usize = 4096;
/// The header of version 1.
const HEADER: usize = 24;

/// Whether the bytes start as BTF does, in either byte order.
pub(crate) fn is_btf(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x9f, 0xeb]) || bytes.starts_with(&[0xeb, 0x9f])
}

/// Reads the facts. The kernel has no name yet.
pub(crate) fn parse(file: &str, bytes: &[u8]) -> Result<Facts, LayoutError> {
    check_header(file, bytes)?;
    let reader = Reader::new(file, bytes)?;
    let mut facts = Facts { kernel: String::new(), structs: Vec::new(), enums: Vec::new() };
    for name in STRUCTS {
        facts.structs.extend(reader.find_struct(name)?);
    }
    facts.enums.extend(reader.find_enum(NetIovType::C_NAME)?);
    Ok(facts)
}

/// Checks that both sections lie in the bytes, before anything is allocated or read by their lengths.
fn check_header(file: &str, bytes: &[u8]) -> Result<(), LayoutError> {
    let cut_off = |need| LayoutError::CutOff { file: file.into(), have: bytes.len(), need };
    let newer = |what| LayoutError::Newer { file: file.into(), what };
    let damaged = |what: &str| LayoutError::Damaged { file: file.into(), what: what.into() };
    if bytes.len() < HEADER {
        return Err(cut_off(HEADER as u64));
    }
    let big = bytes[0] == 0xeb;
    let word = |at: usize| {
        let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        u64::from(if big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) })
    };
    if bytes[2] != 1 {
        return Err(newer(format!("version {}", bytes[2])));
    }
    if bytes[3] != 0 {
        return Err(newer(format!("flags {:#x}", bytes[3])));
    }
    let [header, type_off, type_len, str_off, str_len] = [4, 8, 12, 16, 20].map(word);
    let need = header + (type_off + type_len).max(str_off + str_len);
    if need > bytes.len() as u64 {
        return Err(cut_off(need));
    }
    if header < HEADER as u64 {
        return Err(damaged("its header is shorter than a header"));
    }
    // Both fit into `bytes`, so they fit into a usize.
    let strings = &bytes[(header + str_off) as usize..(header + str_off + str_len) as usize];
    match (strings.first(), strings.last()) {
        (Some(0), Some(0)) => Ok(()),
        (Some(_), Some(0)) => Err(LayoutError::Module { file: file.into() }),
        (None, _) => Err(damaged("it has no strings")),
        _ => Err(damaged("its last string has no end")),
    }
}

/// BTF that can be asked for types.
struct Reader<'a> {
    file: &'a str,
    btf: Btf,
    /// How wide a pointer is, which BTF does not say.
    pointer: Bits,
}

impl<'a> Reader<'a> {
    fn new(file: &'a str, bytes: &[u8]) -> Result<Self, LayoutError> {
        let damaged = |error: btf_rs::Error| LayoutError::Damaged { file: file.into(), what: error.to_string() };
        let btf = Btf::from_bytes(bytes).map_err(damaged)?;
        let long = btf.resolve_types_by_name("long unsigned int").map_err(damaged)?;
        let wide = long.iter().find_map(|ty| if let Type::Int(long) = ty { Some(long.size()) } else { None });
        let pointer = Bits::bytes(if wide == Some(4) { 4 } else { 8 });
        Ok(Reader { file, btf, pointer })
    }

    fn damaged(&self, what: impl ToString) -> LayoutError {
        LayoutError::Damaged { file: self.file.into(), what: what.to_string() }
    }

    fn resolve(&self, id: u32) -> Result<Type, LayoutError> {
        self.btf.resolve_type_by_id(id).map_err(|error| self.damaged(error))
    }

    fn name(&self, of: &dyn BtfType) -> Result<String, LayoutError> {
        self.btf.resolve_name(of).map_err(|error| self.damaged(error))
    }

    /// The struct of this name. If there are several they must be the same.
    fn find_struct(&self, name: &str) -> Result<Option<Struct>, LayoutError> {
        let mut found: Option<Struct> = None;
        for ty in self.btf.resolve_types_by_name(name).map_err(|error| self.damaged(error))? {
            let Type::Struct(ty) = ty else { continue };
            let mut walk = Walk { reader: self, members: Vec::new(), seen: 0, sizes: HashMap::new() };
            walk.flatten(&ty, Bits(0), 0)?;
            let new = Struct { name: name.into(), size: Bits::bytes(ty.size() as u64), members: walk.members };
            if found.as_ref().is_some_and(|found| *found != new) {
                return Err(self.damaged(format_args!("it describes two different structs {name}")));
            }
            found = Some(new);
        }
        Ok(found)
    }

    /// The enum of this name, of 32 or 64 bits.
    fn find_enum(&self, name: &str) -> Result<Option<Enum>, LayoutError> {
        for ty in self.btf.resolve_types_by_name(name).map_err(|error| self.damaged(error))? {
            let mut values = Vec::new();
            let size = match &ty {
                Type::Enum(ty) => {
                    for member in &ty.members {
                        let value = if ty.is_signed() { i128::from(member.val() as i32) } else { member.val().into() };
                        values.push((self.name(member)?, value));
                    }
                    ty.size()
                }
                Type::Enum64(ty) => {
                    for member in &ty.members {
                        let value = if ty.is_signed() { i128::from(member.val() as i64) } else { member.val().into() };
                        values.push((self.name(member)?, value));
                    }
                    ty.size()
                }
                _ => continue,
            };
            return Ok(Some(Enum { name: name.into(), size: Bits::bytes(size as u64), values }));
        }
        Ok(None)
    }
}

/// A walk over the members of one struct.
struct Walk<'a> {
    reader: &'a Reader<'a>,
    members: Vec<Member>,
    seen: usize,
    sizes: HashMap<u32, Bits>,
}

impl Walk<'_> {
    /// Adds the members of `ty`, which lies at `base`, and those of its anonymous structs and unions.
    fn flatten(&mut self, ty: &btf_rs::Struct, base: Bits, depth: usize) -> Result<(), LayoutError> {
        self.seen += ty.members.len();
        if depth > MAX_DEPTH || self.seen > MAX_MEMBERS {
            return Err(self.reader.damaged("a struct is nested without end"));
        }
        for member in &ty.members {
            let offset = base.plus(Bits(member.bit_offset().into()));
            let id = member.get_type_id().unwrap_or(0);
            let name = self.reader.name(member)?;
            if name.is_empty() {
                // An anonymous bitfield is padding.
                if let Type::Struct(inner) | Type::Union(inner) = self.bare(id)? {
                    self.flatten(&inner, offset, depth + 1)?;
                }
                continue;
            }
            let size = match member.bitfield_size() {
                Some(bits) if bits != 0 => Bits(bits.into()),
                _ => self.size(id)?,
            };
            self.members.push(Member { name, offset, size });
        }
        Ok(())
    }

    /// The type without typedefs and qualifiers.
    fn bare(&self, mut id: u32) -> Result<Type, LayoutError> {
        for _ in 0..MAX_DEPTH {
            id = match self.reader.resolve(id)? {
                Type::Typedef(ty) => ty.get_type_id(),
                Type::Volatile(ty) | Type::Const(ty) | Type::Restrict(ty) => ty.get_type_id(),
                Type::TypeTag(ty) => ty.get_type_id(),
                ty => return Ok(ty),
            }
            .unwrap_or(0);
        }
        Err(self.reader.damaged("a type refers to itself"))
    }

    /// How much room a value of this type takes.
    fn size(&mut self, id: u32) -> Result<Bits, LayoutError> {
        if let Some(size) = self.sizes.get(&id) {
            return Ok(*size);
        }
        let (mut inner, mut elements) = (id, 1_u64);
        for _ in 0..MAX_DEPTH {
            let bytes = match self.bare(inner)? {
                Type::Int(ty) => ty.size(),
                Type::Struct(ty) | Type::Union(ty) => ty.size(),
                Type::Enum(ty) => ty.size(),
                Type::Enum64(ty) => ty.size(),
                Type::Float(ty) => ty.size(),
                Type::Ptr(_) => (self.reader.pointer.0 / 8) as usize,
                Type::Array(ty) => {
                    elements = elements.saturating_mul(ty.len() as u64);
                    inner = ty.get_type_id().unwrap_or(0);
                    continue;
                }
                other => return Err(self.reader.damaged(format_args!("a member is a {}", other.name()))),
            };
            let size = Bits::bytes(elements.saturating_mul(bytes as u64));
            self.sizes.insert(id, size);
            return Ok(size);
        }
        Err(self.reader.damaged("an array is nested without end"))
    }
}
