//! Device memory in user space's hands: tokens, sockets, rings, bindings. Rules C4, O3 and D1.

use super::rig::{FRAMES, Host, Vram, keep};
use netmem::dma::DmaBus;
use netmem::mm::PAGE_SIZE;
use netmem::provider::zcrx::{UserArea, Zcrx, ZcrxParams, ZcrxRqe};
use netmem::skb::devmem::{CMSG_SPACE, Control, DevmemCmsg, DmabufToken, RecvError, Sock};
use netmem::skb::{Skb, SkbFrag, ZcrxReceive};
use netmem::{Frag, NetIov, PagePool};
use std::mem::{swap, take};
use std::sync::Arc;
use zerocopy::IntoBytes;

fn packet(frags: impl IntoIterator<Item = Frag<NetIov>>) -> Skb {
    let mut skb = Skb::copy_from(b"head").unwrap();
    frags.into_iter().for_each(|frag| skb.push_frag(SkbFrag::Pool(frag.into())).unwrap());
    skb
}

/// Reads all that is queued, and gives the tokens.
fn tokens(sock: &mut Sock) -> Vec<u32> {
    let mut tokens = Vec::new();
    while sock.queued() != 0 {
        let mut space = [0; 18 * CMSG_SPACE];
        let mut control = Control::new(&mut space);
        sock.recv_devmem(&mut [0; 1 << 17], &mut control).unwrap();
        tokens.extend(control.messages().filter_map(|message| match message {
            DevmemCmsg::Dmabuf(frag) => Some(frag.frag_token),
            DevmemCmsg::Linear(_) => None,
        }));
    }
    tokens
}

fn token(start: u32, count: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(DmabufToken { token_start: start, token_count: count }.as_bytes());
    bytes
}

/// Attempt: tokens returned twice, to the wrong socket, in overlapping ranges, and all numbers there are. Holds: each stands for its
/// frag in its socket, once.
#[test]
fn tokens_of_others_and_twice() {
    let host = Host::new();
    let dmabuf = host.dmabuf(16);
    let mut pool = host.iov_pool(&dmabuf);
    let (mut one, mut two) = (Sock::new(), Sock::new());
    one.queue(packet((0..4).map(|_| pool.alloc_frag(4096).unwrap()))).unwrap();
    two.queue(packet((0..2).map(|_| pool.alloc_frag(2048).unwrap()))).unwrap();
    assert_eq!((tokens(&mut one), tokens(&mut two)), (vec![1, 2, 3, 4], vec![1, 2]));
    assert_eq!(two.dontneed(&token(3, 2)).unwrap(), 0, "those are the other's");
    assert_eq!(two.dontneed(&[token(1, 1), token(1, 1), token(0, 2)].concat()).unwrap(), 1);
    assert_eq!(one.dontneed(&token(u32::MAX - 2, 6)).unwrap(), 2, "past the end come 0, 1 and 2");
    assert_eq!((one.tokens_out(), two.tokens_out(), pool.outstanding()), (2, 1, 3));
    swap(&mut one, &mut two);
    assert_eq!(two.dontneed(&token(1, 1024)).unwrap(), 2);
    drop((one, two));
    assert_eq!(pool.outstanding(), 0);
    drop((pool, dmabuf));
    host.all_back();
}

/// Attempt: sockets dropped, taken and sent away with packets queued and tokens out, before and after their pools and bindings.
/// Holds: what user space had returns, and is nowhere mapped any more.
#[test]
fn sockets_that_go_with_tokens_out() {
    for first in 0..3 {
        let host = Host::new();
        let dmabuf = host.dmabuf(32);
        let mut pool = host.iov_pool(&dmabuf);
        let mut sock = Sock::new();
        for _ in 0..3 {
            sock.queue(packet((0..3).map(|_| pool.alloc_frag(3000).unwrap()))).unwrap();
        }
        let mut space = [0; 4 * CMSG_SPACE];
        sock.recv_devmem(&mut [0; 5000], &mut Control::new(&mut space)).unwrap();
        assert!(sock.tokens_out() > 0 && sock.queued() > 0);
        let away = take(&mut sock);
        match first {
            0 => drop((pool, dmabuf)),
            1 => drop((dmabuf, pool)),
            _ => {
                std::thread::spawn(move || drop(away)).join().unwrap();
                assert_eq!(pool.outstanding(), 0);
                drop((pool, dmabuf, sock));
                host.all_back();
                continue;
            }
        }
        assert_eq!(host.bus.stats().mapped(), 1, "user space has some");
        std::thread::spawn(move || drop(away)).join().unwrap();
        host.all_back();
    }
}

/// Attempt: packets changed behind the socket's and the program's back: frags taken, swapped between packets, replaced, emptied. Holds:
/// a packet has what is in it, and bytes of device memory come by no way.
#[test]
fn packets_whose_frags_are_swapped() {
    let host = Host::new();
    let (mut pages, dmabuf) = (host.pool(), host.dmabuf(16));
    let mut iovs = host.iov_pool(&dmabuf);
    let mut one = packet([iovs.alloc_frag(4096).unwrap()]);
    let mut two = Skb::copy_from(b"host").unwrap();
    two.add_rx_frag(pages.alloc_frag(1000).unwrap()).unwrap();
    swap(one.frags_mut().next().unwrap(), two.frags_mut().next().unwrap());
    assert!(one.frags_readable() && !two.frags_readable());
    assert_eq!((one.len(), two.len()), (1004, 4100));
    assert!(one.copy_bits(0, &mut [0; 1004]).is_ok());
    assert!(two.copy_bits(0, &mut [0; 5]).is_err() && two.checksum(3, 2).is_err());
    assert!(two.frags_mut().all(|frag| frag.bytes_mut().is_none() && frag.page().is_none()));
    swap(&mut one, &mut two);
    let mut sock = Sock::new();
    sock.queue(one).unwrap();
    assert!(matches!(sock.recv(&mut [0; 9000]), Err(RecvError::Unreadable(_))));
    assert_eq!(sock.discard(usize::MAX), 4100);
    let left: Vec<SkbFrag> = two.take_frags().collect();
    assert!(two.take_frags().next().is_none() && two.len() == 4);
    drop((left, two, sock));
    assert_eq!((iovs.outstanding(), pages.outstanding()), (0, 0));
    drop((iovs, pages, dmabuf));
    host.all_back();
}

/// Attempt: a program that gives back what it has not, more than it has, before and after the instance is closed, while pieces of
/// the same net_iov are elsewhere. Holds: it loses what it had, and nobody else does.
#[test]
fn a_program_that_gives_back_what_it_has_not() {
    let host = Host::new();
    let memory = Arc::new(Vram(80 * PAGE_SIZE));
    let (zcrx, user) = Zcrx::register(ZcrxParams::new(host.device(), 64), UserArea::whole(memory)).unwrap();
    let mut pool = PagePool::<NetIov>::new(host.params(), zcrx.provider().clone()).unwrap();
    let mut frag = pool.alloc().unwrap().into_frag().unwrap();
    let (rest, more) = (frag.split_off(1000).unwrap(), frag.split_off(500).unwrap());
    let pieces = [zcrx.post(frag).unwrap(), zcrx.post(more).unwrap()];
    // Both pieces, five times each, and every net_iov there is; 64 is what the ring holds.
    for position in 0..64 {
        let piece = pieces[position as usize % 2];
        user.ring().store(position, ZcrxRqe { off: piece.off + u64::from(position / 10) * 4096, ..piece.rqe() });
    }
    user.ring().store_tail(64);
    zcrx.flush();
    zcrx.flush();
    let stats = zcrx.stats();
    assert_eq!((stats.returned, stats.not_held, zcrx.provider().with_user()), (2, 62, 0));
    assert_eq!((rest.netmem().pp_ref_count(), pool.outstanding()), (1, 1), "the piece that it never had is out");
    assert!(rest.netmem().desc().is_pp() && rest.len() == 3096);
    // Closed with a piece out, which goes afterwards; then the program writes on.
    let piece = zcrx.post(rest).unwrap();
    let last = pool.alloc_frag(64).unwrap();
    drop(zcrx);
    user.ring().store(64, piece.rqe());
    user.ring().store_tail(u32::MAX);
    assert_eq!(pool.outstanding(), 1);
    drop(pool);
    drop((last, user));
    host.all_back();
}

/// Attempt: packets of the wrong memory handed to a program, forgotten half way, and dropped. Holds: what is not the program's is
/// told apart, stays in the packet, and returns.
#[test]
fn a_program_that_is_given_memory_of_others() {
    let host = Host::new();
    let memory = Arc::new(Vram(80 * PAGE_SIZE));
    let (zcrx, user) = Zcrx::register(ZcrxParams::new(host.device(), 64), UserArea::whole(memory)).unwrap();
    let mut own = PagePool::<NetIov>::new(host.params(), zcrx.provider().clone()).unwrap();
    let dmabuf = host.dmabuf(4);
    let mut foreign = host.iov_pool(&dmabuf);
    let mut receive = ZcrxReceive::new(packet([own.alloc_frag(64).unwrap(), foreign.alloc_frag(64).unwrap()]));
    assert_eq!(receive.run(&zcrx).unwrap(), 4 + 64);
    assert!(receive.run(&zcrx).is_err() && receive.left() == 64);
    drop(receive);
    assert_eq!(foreign.outstanding(), 0);
    // A program that never looks at its completions cannot give anything back, until the instance closes.
    drop(user);
    assert_eq!(zcrx.provider().with_user(), 2);
    drop(zcrx);
    drop((own, foreign, dmabuf));
    assert_eq!(host.zone.free_frames(), FRAMES);
    host.all_back();
}

/// Attempt: a socket that is never dropped. Holds: its tokens' frags leak, counted, and the binding stays for them alone.
#[test]
fn a_socket_that_is_forgotten() {
    let host = Host::new();
    let dmabuf = host.dmabuf(4);
    let mut pool = host.iov_pool(&dmabuf);
    let mut sock = Sock::new();
    sock.queue(packet([pool.alloc_frag(4096).unwrap()])).unwrap();
    assert_eq!(tokens(&mut sock).len(), 1);
    keep(sock); // for ever, which is what `forget` does
    drop(pool);
    assert_eq!(dmabuf.available(), 3);
    drop(dmabuf);
    host.back_but(0, 1);
}
