//! Device memory in user space's hands: tokens, sockets, rings, bindings, pieces. Rules C4, O3, O5, D1 and S4.

use super::rig::{FRAMES, Host, keep};
use netmem::dma::{PeerError, PeerMemory};
use netmem::mm::PAGE_SIZE;
use netmem::skb::{Skb, SkbFrag};
use netmem::{Frag, NetIov, PagePool};
use netmem_consumers::PieceError;
use netmem_consumers::devmem::{CMSG_SPACE, Control, DevmemCmsg, DevmemPart, DevmemUser, DmabufToken, RecvError, Sock};
use netmem_consumers::zcrx::{UserArea, Zcrx, ZcrxParams, ZcrxPiece, ZcrxReceive, ZcrxRqe};
use netmem_sim::kit::Vram;
use std::mem::{swap, take};
use std::sync::{Arc, Mutex};
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
    assert_eq!((one.tokens_out(), two.tokens_out(), pool.in_use()), (2, 1, 3));
    swap(&mut one, &mut two);
    assert_eq!(two.dontneed(&token(1, 1024)).unwrap(), 2);
    drop((one, two));
    assert_eq!(pool.in_use(), 0);
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
                assert_eq!(pool.in_use(), 0);
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
    two.add_rx_frag(pages.alloc_frag(1000).unwrap(), 1000).unwrap();
    one.edit_frag(0, |one| two.edit_frag(0, |two| swap(one, two))).unwrap().unwrap();
    assert!(one.frags_readable() && !two.frags_readable());
    assert_eq!((one.len(), two.len()), (1004, 4100));
    assert!(one.copy_bits(0, &mut [0; 1004]).is_ok());
    assert!(two.copy_bits(0, &mut [0; 5]).is_err() && two.checksum(3, 2).is_err());
    assert!(two.edit_frag(0, |frag| frag.bytes_mut().is_none() && frag.page().is_none()).unwrap());
    swap(&mut one, &mut two);
    let mut sock = Sock::new();
    sock.queue(one).unwrap();
    assert!(matches!(sock.recv(&mut [0; 9000]), Err(RecvError::Unreadable(_))));
    assert_eq!(sock.discard(usize::MAX), 4100);
    let left: Vec<SkbFrag> = two.take_frags().collect();
    assert!(two.take_frags().next().is_none() && two.len() == 4);
    drop((left, two, sock));
    assert_eq!((iovs.in_use(), pages.in_use()), (0, 0));
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
    assert_eq!((rest.borrow().pp_ref_count(), pool.in_use()), (1, 1), "the piece that it never had is out");
    assert!(rest.borrow().desc().is_pp() && rest.len() == 3096);
    // Closed with a piece out, which goes afterwards; then the program writes on.
    let piece = zcrx.post(rest).unwrap();
    let last = pool.alloc_frag(64).unwrap();
    drop(zcrx);
    user.ring().store(64, piece.rqe());
    user.ring().store_tail(u32::MAX);
    assert_eq!(pool.in_use(), 1);
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
    assert_eq!(foreign.in_use(), 0);
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

/// A program's memory that does something while a piece of it is read.
#[derive(Default)]
struct Restless(Mutex<Vec<Box<dyn FnOnce() + Send>>>);

impl PeerMemory for Restless {
    fn len(&self) -> usize {
        8 * PAGE_SIZE
    }
    fn write(&self, _offset: usize, _bytes: &[u8]) -> Result<(), PeerError> {
        Ok(())
    }
    fn read(&self, _offset: usize, _bytes: &mut [u8]) -> Result<(), PeerError> {
        let now = take(&mut *self.0.lock().unwrap());
        now.into_iter().for_each(|act| act());
        Ok(())
    }
}

/// Attempt: memory that gives back other pieces, reads again and closes the instance while a piece is read. Holds: no lock is held, each
/// piece comes back once, and the read that was overtaken by the closing says so.
#[test]
fn a_read_that_calls_back() {
    let host = Host::new();
    let memory = Arc::new(Restless::default());
    let (zcrx, mut user) = Zcrx::register(ZcrxParams::new(host.device(), 4), UserArea::whole(memory.clone())).unwrap();
    zcrx.copy(&[1; 4 * PAGE_SIZE]).unwrap();
    let mut pieces: Vec<ZcrxPiece> = std::iter::from_fn(|| user.receive().unwrap()).collect();
    let (first, other) = (Arc::new(pieces.remove(0)), pieces.remove(0));
    let again = first.clone();
    memory.0.lock().unwrap().push(Box::new(move || {
        drop(other);
        assert_eq!(again.read(0, &mut [0; 8]), Ok(()));
    }));
    assert_eq!(first.read(0, &mut [0; 8]), Ok(()));
    zcrx.flush();
    assert_eq!((zcrx.stats().returned, user.pieces()), (1, 3));
    let provider = zcrx.provider().clone();
    memory.0.lock().unwrap().push(Box::new(move || drop(zcrx)));
    assert_eq!(first.read(0, &mut [0; 8]), Err(PieceError::Closed), "the memory is another packet's");
    assert_eq!((provider.with_user(), user.pieces()), (0, 3));
    drop((first, pieces, user, provider, memory));
    host.all_back();
}

/// Attempt: pieces shared, swapped between programs and sockets, kept beyond their ends, and dropped while a thread unwinds. Holds: each goes
/// back to its own end, once.
#[test]
fn pieces_in_all_the_wrong_places() {
    let host = Host::new();
    let memory = || UserArea::whole(Arc::new(Vram(4 * PAGE_SIZE)));
    let mut programs = [0; 2].map(|_| Zcrx::register(ZcrxParams::new(host.device(), 8), memory()).unwrap());
    let mut pieces: Vec<_> = programs
        .iter_mut()
        .map(|(zcrx, user)| {
            zcrx.copy(&[7; 3 * PAGE_SIZE]).unwrap();
            [0; 3].map(|_| user.receive().unwrap().unwrap())
        })
        .collect();
    let [one, two] = &mut pieces[..] else { panic!("two programs") };
    swap(&mut one[0], &mut two[0]);
    let [(_, first), (_, second)] = &mut programs;
    swap(first, second);
    // Shared, and gone with the last owner, on a thread that unwinds.
    let [a, b, c] = pieces.remove(0);
    let shared = Arc::new(a);
    let unwound = shared.clone();
    drop(shared);
    let thread = std::thread::spawn(move || {
        let _held = (unwound, b);
        std::panic::resume_unwind(Box::new("with two pieces in hand"));
    });
    assert!(thread.join().is_err());
    for (zcrx, _) in &programs {
        zcrx.flush();
    }
    let returned = programs.each_ref().map(|(zcrx, _)| zcrx.stats().returned);
    assert_eq!(returned, [1, 1], "the one that was swapped is the other program's");
    let providers = programs.each_ref().map(|(zcrx, _)| zcrx.provider().clone());
    drop(programs);
    assert_eq!(providers.each_ref().map(|provider| provider.with_user()), [0, 0]);
    drop((c, pieces, providers));

    // The same with sockets.
    let dmabuf = host.dmabuf(8);
    let mut pool = host.iov_pool(&dmabuf);
    let mut users = [0; 2].map(|_| DevmemUser::new(Sock::new()));
    let mut parts: Vec<Vec<DevmemPart>> = Vec::new();
    for user in &mut users {
        user.queue(packet((0..3).map(|_| pool.alloc_frag(4096).unwrap()))).unwrap();
        let mut received = Vec::with_capacity(8);
        assert_eq!(user.recv(&mut [0; 1 << 16], &mut received), Ok(4 + 3 * 4096));
        parts.push(received);
    }
    let [one, two] = &mut parts[..] else { panic!("two sockets") };
    swap(&mut one[1], &mut two[2]);
    drop(parts.remove(0));
    assert_eq!(users.each_mut().map(DevmemUser::settle), [2, 1]);
    let [mut one, two] = users;
    drop(two);
    assert_eq!((one.sock().tokens_out(), pool.in_use()), (1, 1));
    drop(parts);
    assert_eq!((one.settle(), one.sock().stats().unknown), (1, 0));
    drop(one);
    assert_eq!(pool.in_use(), 0);
    drop((pool, dmabuf));
    host.all_back();
}
