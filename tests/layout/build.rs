//! Builds BTF, sound and unsound, and an ELF file around it.

const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const CONST: u32 = 10;

/// BTF under construction.
struct Builder {
    big: bool,
    types: Vec<u8>,
    strings: Vec<u8>,
    len: u32,
}

impl Builder {
    fn new(big: bool) -> Self {
        Builder { big, types: Vec::new(), strings: vec![0], len: 0 }
    }

    fn word(&self, word: u32) -> [u8; 4] {
        if self.big { word.to_be_bytes() } else { word.to_le_bytes() }
    }

    fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = self.strings.len() as u32;
        self.strings.extend(text.bytes().chain([0]));
        at
    }

    /// Adds a type and gives its number.
    fn ty(&mut self, name: &str, kind: u32, vlen: u32, size_or_type: u32, more: &[u32]) -> u32 {
        let name = self.string(name);
        for word in [name, kind << 24 | vlen, size_or_type].iter().chain(more) {
            let word = self.word(*word);
            self.types.extend(word);
        }
        self.len += 1;
        self.len
    }

    /// A struct or union of members with name, type, and offset in bytes.
    fn composite(&mut self, kind: u32, name: &str, size: u32, members: &[(&str, u32, u32)]) -> u32 {
        let mut words = Vec::new();
        for (name, ty, offset) in members {
            words.extend([self.string(name), *ty, offset * 8]);
        }
        self.ty(name, kind, members.len() as u32, size, &words)
    }

    fn finish(self) -> Vec<u8> {
        let mut bytes = if self.big { vec![0xeb, 0x9f] } else { vec![0x9f, 0xeb] };
        bytes.extend([1, 0]);
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        for word in [24, 0, types, types, strings] {
            bytes.extend(self.word(word));
        }
        bytes.extend(&self.types);
        bytes.extend(&self.strings);
        bytes
    }
}

/// A kernel with all that the crate mirrors, laid out as in 7.3, and every kind of type.
pub(crate) fn kernel(big: bool) -> Vec<u8> {
    let mut b = Builder::new(big);
    let long = b.ty("long unsigned int", INT, 0, 8, &[64]);
    let int = b.ty("unsigned int", INT, 0, 4, &[32]);
    let ptr = b.ty("", PTR, 0, 0, &[]);
    let counter = b.composite(STRUCT, "", 8, &[("counter", long, 0)]);
    let atomic = b.ty("atomic_long_t", TYPEDEF, 0, counter, &[]);
    let constant = b.ty("", CONST, 0, atomic, &[]);
    let names = [b.string("NET_IOV_DMABUF"), b.string("NET_IOV_IOURING")];
    let numbers = b.ty("net_iov_type", ENUM, 2, 4, &[names[0], 0, names[1], 1]);
    let pool = [("pp_magic", long, 0), ("pp", ptr, 8), ("_pp_mapping_pad", long, 16), ("dma_addr", long, 24)];
    let shifted: Vec<_> = pool.iter().map(|(name, ty, offset)| (*name, *ty, offset + 8)).collect();
    let fields: Vec<_> =
        [("_flags", long, 0)].into_iter().chain(shifted).chain([("pp_ref_count", constant, 40)]).collect();
    let desc = b.composite(STRUCT, "netmem_desc", 48, &fields);
    b.composite(STRUCT, "net_iov", 64, &[("desc", desc, 0), ("type", numbers, 48), ("owner", ptr, 56)]);
    b.composite(STRUCT, "net_iov_area", 24, &[("niovs", ptr, 0), ("num_niovs", long, 8), ("base_virtual", long, 16)]);
    // struct page: pool's fields in an anonymous struct in an anonymous union, and what shares it.
    let array = b.ty("", ARRAY, 0, 0, &[ptr, int, 2]);
    // Where there are bitfields, a member's number of bits stands above its offset.
    let lru = [b.string("lru"), b.string("three"), b.string("five"), b.string("private")];
    let lru = [lru[0], array, 0, lru[1], int, 3 << 24 | 128, lru[2], int, 5 << 24 | 131, lru[3], long, 256];
    let lru = b.ty("", STRUCT | 0x80, 4, 40, &lru);
    let pool: Vec<_> = pool.into_iter().chain([("pp_ref_count", atomic, 32)]).collect();
    let pool = b.composite(STRUCT, "", 40, &pool);
    let shared = b.composite(UNION, "", 40, &[("", lru, 0), ("", pool, 0)]);
    let count = b.composite(UNION, "", 4, &[("page_type", int, 0), ("_mapcount", int, 0)]);
    let page = [("flags", long, 0), ("", shared, 8), ("", count, 48), ("_refcount", int, 52), ("memcg_data", long, 56)];
    b.composite(STRUCT, "page", 64, &page);
    // Something else called page, as functions and typedefs may be.
    let proto = b.ty("", 13, 2, 0, &[0, ptr, 0, 0]);
    b.ty("page", 12, 1, proto, &[]);
    b.ty("page", 7, 0, 0, &[]);
    b.ty("page", TYPEDEF, 0, long, &[]);
    // The other kinds: volatile, restrict, var, datasec, float, decl tag, type tag, enum64.
    b.ty("", 9, 0, long, &[]);
    b.ty("", 11, 0, ptr, &[]);
    let var = b.ty("jiffies", 14, 0, long, &[1]);
    b.ty(".data", 15, 1, 8, &[var, 0, 8]);
    b.ty("double", 16, 0, 8, &[]);
    b.ty("tag", 17, 0, desc, &[u32::MAX]);
    b.ty("user", 18, 0, long, &[]);
    let big_number = b.string("BIG");
    b.ty("wide", 19, 1, 8, &[big_number, u32::MAX, u32::MAX]);
    b.finish()
}

/// The BTF of a module: its strings go on where those of the kernel end.
pub(crate) fn module() -> Vec<u8> {
    let mut b = Builder::new(false);
    b.ty("", PTR, 0, 0, &[]);
    b.strings = b"mlx5\0".to_vec();
    b.finish()
}

/// The BTF of a program: it knows no page.
pub(crate) fn program() -> Vec<u8> {
    let mut b = Builder::new(false);
    b.ty("int", INT, 0, 4, &[32]);
    b.finish()
}

/// A page that has two anonymous pages, and so on.
pub(crate) fn cyclic() -> Vec<u8> {
    let mut b = Builder::new(false);
    b.composite(STRUCT, "page", 64, &[("", 1, 0), ("", 1, 8)]);
    b.finish()
}

/// A page with a field whose type is another name for itself.
pub(crate) fn loops() -> Vec<u8> {
    let mut b = Builder::new(false);
    b.ty("endless", TYPEDEF, 0, 1, &[]);
    b.composite(STRUCT, "page", 64, &[("flags", 1, 0)]);
    b.finish()
}

/// Two structs of one name.
pub(crate) fn two_pages() -> Vec<u8> {
    let mut b = Builder::new(false);
    let long = b.ty("long unsigned int", INT, 0, 8, &[64]);
    b.composite(STRUCT, "page", 64, &[("flags", long, 0)]);
    b.composite(STRUCT, "page", 64, &[("flags", long, 8)]);
    b.finish()
}

/// A kind of type that is not invented yet.
pub(crate) fn newer() -> Vec<u8> {
    let mut b = Builder::new(false);
    b.ty("future", 31, 0, 0, &[]);
    b.finish()
}

/// A 64-bit ELF file with one section.
pub(crate) fn elf(name: &str, section: &[u8]) -> Vec<u8> {
    const HEADER: u64 = 64;
    let names = format!("\0{name}\0.shstrtab\0");
    let names_at = HEADER + section.len() as u64;
    let sections_at = names_at + names.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    // Executable, x86-64, version 1.
    bytes.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    [0, 0, sections_at].iter().for_each(|word: &u64| bytes.extend(word.to_le_bytes()));
    bytes.extend([0; 4]);
    [HEADER as u16, 0, 0, 64, 3, 2].iter().for_each(|half| bytes.extend(half.to_le_bytes()));
    bytes.extend(section);
    bytes.extend(names.bytes());
    let mut header = |name: u32, kind: u32, at: u64, len: u64| {
        bytes.extend(name.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        [0, 0, at, len, 0, 1, 0].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    };
    header(0, 0, 0, 0);
    header(1, 1, HEADER, section.len() as u64);
    header(name.len() as u32 + 2, 3, names_at, names.len() as u64);
    bytes
}

/// Numbers that are the same in every run (xorshift64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Changes a bit, a byte or a word, swaps two words, or removes or doubles a few bytes.
    pub(crate) fn mutate(&mut self, bytes: &mut Vec<u8>) {
        if bytes.len() < 16 {
            return;
        }
        let at = self.below(bytes.len() - 8);
        let word = (at & !3)..(at & !3) + 4;
        match self.below(7) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => bytes[at] = self.next() as u8,
            2 => {
                let edges = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff, 0x0400_ffff, 0x0300_0000_u32];
                bytes[word].copy_from_slice(&edges[self.below(edges.len())].to_le_bytes());
            }
            // A small number: another type, another length.
            3 => bytes[word].copy_from_slice(&(self.below(64) as u32).to_le_bytes()),
            4 => {
                let other = self.below(bytes.len() - 8) & !3;
                bytes.copy_within(other..other + 4, word.start);
            }
            5 => drop(bytes.drain(word)),
            _ => {
                let twice = bytes[word.clone()].to_vec();
                bytes.splice(word.start..word.start, twice);
            }
        }
    }
}
