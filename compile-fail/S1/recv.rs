//! forbids: S1
//! expect: E0308 "expected `usize`, found `Result<usize, RecvError>`"
//! lifted by: nothing (a Result taken for its content)
//!
//! A reader that did not ask for device memory takes it for granted that it got bytes. Those of a packet in device memory
//! nobody can copy, and what is in the buffer is not the packet.

use netmem_consumers::devmem::{RecvError, Sock};

fn receive<'a>(sock: &mut Sock, buffer: &'a mut [u8]) -> Result<&'a [u8], RecvError> {
    let len: usize = sock.recv(buffer);
    Ok(&buffer[..len])
}

fn main() {}
