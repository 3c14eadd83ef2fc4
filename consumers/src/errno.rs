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
    use crate::devmem::{ControlError, DontneedError, EnqueueError, RecvError, TokenError};
    use crate::piece::PieceError;
    use crate::zcrx::{ArmError, CopyError, HandOutError, RegisterError, ZcrxError, ZcrxEvent};
    use netmem::dma::{MapError, PeerError};
    use netmem::page_pool::AreaError;
    use netmem::skb::ReadError;
    use rustix::io::Errno;
    use std::vec::Vec;

    /// The number of each refusal in Linux 7.3.4, with the function that returns it, and the check or the callee where it has
    /// several. The numbers are those of another crate.
    #[test]
    fn a_refusal_has_the_number_that_linux_returns() {
        let unreadable = ReadError::Unreadable { frag: 0, start: 0, end: 1 };
        let range = MapError::Range { offset: 0, len: 2, size: 1 };
        let misaligned = AreaError::Misaligned { addr: 0, len: 4096, size: 8192 };
        let table = [
            // io_uring/zcrx.c
            (RegisterError::Entries { entries: 0 }.errno(), Errno::INVAL, "io_register_zcrx: rq_entries"),
            (RegisterError::CqEntries { entries: 0 }.errno(), Errno::INVAL, "io_uring_fill_params: cq_entries"),
            (RegisterError::BufLen { len: 5000 }.errno(), Errno::INVAL, "__zcrx_create_area: rx_buf_len"),
            (RegisterError::UnknownEvents { bits: 1 << 31 }.errno(), Errno::INVAL, "io_register_zcrx: type_mask"),
            (RegisterError::TooLarge { len: 1 << 41 }.errno(), Errno::INVAL, "io_validate_user_buf_range: SZ_1T"),
            (RegisterError::NotPages { offset: 1, len: 1 }.errno(), Errno::INVAL, "io_import_area: PAGE_MASK"),
            (RegisterError::Map(range).errno(), Errno::FAULT, "io_validate_user_buf_range: ulen, io_pin_pages"),
            (RegisterError::TooManyAreas.errno(), Errno::INVAL, "io_zcrx_append_area: ZCRX_MAX_AREAS"),
            (RegisterError::Mixed.errno(), Errno::INVAL, "io_zcrx_append_area: kern_readable"),
            (RegisterError::Closed.errno(), Errno::FAULT, "zcrx_ctrl_add_area: netdev"),
            (RegisterError::Area(misaligned).errno(), Errno::RANGE, "__zcrx_create_area: io_area_max_shift"),
            (RegisterError::Area(AreaError::NoMemory { niovs: 1 }).errno(), Errno::NOMEM, "__zcrx_create_area: niovs"),
            (RegisterError::NoMemory.errno(), Errno::NOMEM, "__zcrx_create_area: kzalloc_obj"),
            (HandOutError::NotOurs.errno(), Errno::FAULT, "io_zcrx_recv_frag: io_pp_to_ifq"),
            (HandOutError::QueueFull.errno(), Errno::NOSPC, "io_zcrx_recv_frag: io_zcrx_queue_cqe"),
            (CopyError::NoBuffer.errno(), Errno::NOMEM, "io_zcrx_copy_chunk: io_alloc_fallback_niov"),
            (CopyError::Unreadable.errno(), Errno::NOMEM, "io_alloc_fallback_niov: kern_readable"),
            (ZcrxError::from(CopyError::QueueFull).errno(), Errno::NOSPC, "io_zcrx_copy_chunk: io_zcrx_queue_cqe"),
            (ZcrxError::NotOurs { frag: 0 }.errno(), Errno::FAULT, "io_zcrx_recv_skb: io_zcrx_recv_frag"),
            (ArmError { event: ZcrxEvent::Copy }.errno(), Errno::INVAL, "zcrx_arm_notif: fired_notifs"),
            // tcp_recvmsg_dmabuf() and sock_devmem_dontneed(), net/ipv4/tcp.c and net/core/sock.c
            (RecvError::Empty.errno(), Errno::AGAIN, "tcp_recvmsg_locked"),
            (RecvError::Unreadable(unreadable).errno(), Errno::FAULT, "tcp_recvmsg_locked: MSG_SOCK_DEVMEM"),
            (RecvError::HostFrag { len: 1 }.errno(), Errno::NODEV, "tcp_recvmsg_dmabuf: skb_frag_net_iov"),
            (RecvError::NotDmabuf { len: 1, ty: None }.errno(), Errno::NODEV, "tcp_recvmsg_dmabuf: net_is_devmem_iov"),
            (RecvError::from(TokenError::AllOut { limit: 1 }).errno(), Errno::BUSY, "tcp_xa_pool_refill: __xa_alloc"),
            (DontneedError::Ragged { len: 7 }.errno(), Errno::INVAL, "sock_devmem_dontneed: optlen"),
            (DontneedError::TooMany { ranges: 129 }.errno(), Errno::INVAL, "sock_devmem_dontneed: MAX_DONTNEED_TOKENS"),
            (EnqueueError::NoMemory { len: 1 }.errno(), Errno::NOMEM, "__sock_queue_rcv_skb: sk_rcvbuf"),
        ];
        let wrong: Vec<_> = table.iter().filter(|(ours, theirs, _)| *ours != theirs.raw_os_error()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        // User space has no name for it: include/linux/errno.h.
        assert_eq!(RecvError::from(ControlError { left: 0 }).errno(), 525, "put_cmsg_notrunc");
        // Linux does not refuse these. The numbers are those that the documentation names.
        for (ours, nearest) in [
            (CopyError::Memory(PeerError { offset: 0, len: 1 }).errno(), Errno::FAULT),
            (RegisterError::Overlap { offset: 0, len: 1, area: 0 }.errno(), Errno::INVAL),
            (HandOutError::TooMany.errno(), Errno::BUSY),
            (ZcrxError::TooMany { frag: 0 }.errno(), Errno::BUSY),
            (RecvError::TransmitFrag { len: 1 }.errno(), Errno::NODEV),
            (PieceError::Range { at: 0, len: 2, has: 1 }.errno(), Errno::FAULT),
            (PieceError::Closed.errno(), Errno::NODEV),
        ] {
            assert_eq!(ours, nearest.raw_os_error());
        }
    }
}
