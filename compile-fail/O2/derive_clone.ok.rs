//! allowed: it can be printed.

#[derive(Debug)]
struct RxBuffer {
    frag: netmem::Frag,
}

fn len(buffer: &RxBuffer) -> u32 {
    buffer.frag.len()
}

fn main() {}
