//! The numbers of include/uapi/asm-generic/errno-base.h and errno.h, and the one of include/linux/errno.h that user space does
//! not see. Every `errno` here follows the rule of [`Refused`](netmem::Refused).

pub(crate) const EAGAIN: i32 = 11;
pub(crate) const ENOMEM: i32 = 12;
pub(crate) const EFAULT: i32 = 14;
pub(crate) const EBUSY: i32 = 16;
pub(crate) const ENODEV: i32 = 19;
pub(crate) const EINVAL: i32 = 22;
pub(crate) const ENOSPC: i32 = 28;
pub(crate) const ERANGE: i32 = 34;
pub(crate) const ETOOSMALL: i32 = 525;

#[cfg(test)]
mod tests {
    use crate::devmem::{ControlError, DontneedError, RecvError, TokenError};
    use crate::zcrx::{ArmError, CopyError, HandOutError, RegisterError, ZcrxError, ZcrxEvent};
    use netmem::dma::PeerError;
    use netmem::skb::ReadError;
    use rustix::io::Errno;
    use std::vec::Vec;

    /// What each refusal is in Linux 7.3, with the function that returns it. The numbers are those of another crate.
    #[test]
    fn a_refusal_has_the_number_that_linux_returns() {
        let unreadable = ReadError::Unreadable { frag: 0, start: 0, end: 1 };
        let table = [
            // io_uring/zcrx.c
            (RegisterError::Entries { entries: 0 }.errno(), Errno::INVAL, "io_register_zcrx_ifq: rq_entries"),
            (RegisterError::NotPages { offset: 1, len: 1 }.errno(), Errno::INVAL, "io_import_area: PAGE_MASK"),
            (RegisterError::TooManyAreas.errno(), Errno::INVAL, "io_zcrx_append_area"),
            (RegisterError::NoMemory.errno(), Errno::NOMEM, "io_zcrx_create_area"),
            (HandOutError::NotOurs.errno(), Errno::FAULT, "io_zcrx_recv_frag"),
            (HandOutError::QueueFull.errno(), Errno::NOSPC, "io_zcrx_recv_frag: io_zcrx_queue_cqe"),
            (CopyError::NoBuffer.errno(), Errno::NOMEM, "io_zcrx_copy_chunk"),
            (ZcrxError::from(CopyError::QueueFull).errno(), Errno::NOSPC, "io_zcrx_copy_chunk: io_zcrx_queue_cqe"),
            (ZcrxError::NotOurs { frag: 0 }.errno(), Errno::FAULT, "io_zcrx_recv_frag"),
            (ArmError { event: ZcrxEvent::Copy }.errno(), Errno::INVAL, "the event is armed"),
            // tcp_recvmsg_dmabuf() and sock_devmem_dontneed(), net/ipv4/tcp.c and net/core/sock.c
            (RecvError::Empty.errno(), Errno::AGAIN, "tcp_recvmsg_locked"),
            (RecvError::Unreadable(unreadable).errno(), Errno::FAULT, "skb_copy_datagram_iter"),
            (RecvError::HostFrag { len: 1 }.errno(), Errno::NODEV, "tcp_recvmsg_dmabuf: skb_frag_net_iov"),
            (RecvError::from(TokenError::AllOut { limit: 1 }).errno(), Errno::BUSY, "tcp_xa_pool_refill"),
            (DontneedError::Ragged { len: 7 }.errno(), Errno::INVAL, "sock_devmem_dontneed"),
            (DontneedError::TooMany { ranges: 129 }.errno(), Errno::INVAL, "sock_devmem_dontneed"),
        ];
        let wrong: Vec<_> = table.iter().filter(|(ours, theirs, _)| *ours != theirs.raw_os_error()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        // User space has no name for it: include/linux/errno.h.
        assert_eq!(RecvError::from(ControlError { left: 0 }).errno(), 525, "put_cmsg_notrunc");
        // Where Linux does not refuse, the number is the one that the documentation names.
        assert_eq!(CopyError::Memory(PeerError { offset: 0, len: 1 }).errno(), Errno::FAULT.raw_os_error());
    }
}
