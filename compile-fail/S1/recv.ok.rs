//! allowed: what if it cannot is part of the call.

use netmem_consumers::devmem::{RecvError, Sock};

fn receive<'a>(sock: &mut Sock, buffer: &'a mut [u8]) -> Result<&'a [u8], RecvError> {
    let len: usize = sock.recv(buffer)?;
    Ok(&buffer[..len])
}

fn main() {}
