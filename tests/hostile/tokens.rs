//! Tokens of device memory that user space returns, and the reads that give them out.

use netmem::page_pool::{AnyProvider, PagePool, PagePoolParams};
use netmem::provider::DmabufProvider;
use netmem::skb::Skb;
use netmem_consumers::devmem::{CMSG_SPACE, Control, DevmemCmsg, DontneedError, Messages, RecvError, Sock};
use netmem_sim::dma::{Coherent, DmaBus};
use netmem_sim::kit::{Gpu, Rng};
use std::sync::Arc;

const NIOVS: usize = 64;
const SOCKETS: usize = 3;

/// How many tokens the first socket may have out.
const LIMIT: u32 = 20;

/// What must be true of a socket, kept beside it: where the bytes are of each token that is out.
#[derive(Default)]
struct Model {
    pieces: Vec<Option<(u64, u32)>>,
    out: usize,
}

impl Model {
    /// A token was given.
    fn give(&mut self, token: u32, piece: (u64, u32)) {
        let token = token as usize;
        self.pieces.resize(self.pieces.len().max(token + 1), None);
        assert_eq!(self.pieces[token].replace(piece), None, "token {token} is out twice");
        self.out += 1;
    }

    /// A token came back, or a number that is none.
    fn take_back(&mut self, token: u32) {
        let piece = self.pieces.get_mut(token as usize).and_then(Option::take);
        self.out -= usize::from(piece.is_some());
    }
}

/// Sockets over one dma-buf, and what they must have given out.
pub(crate) struct Target {
    pool: PagePool,
    dmabuf: Arc<DmabufProvider>,
    socks: [(Sock, Model); SOCKETS],
    /// How many tokens were given, and how many came back.
    pub(crate) given: u64,
    pub(crate) returned: u64,
}

impl Target {
    pub(crate) fn new() -> Self {
        let bus = Arc::new(Coherent::new()).driver_side();
        let dmabuf = Gpu::new(bus.clone(), NIOVS).dmabuf;
        let pool = PagePool::new(PagePoolParams::for_device(bus, 4096), AnyProvider::from(dmabuf.clone())).unwrap();
        // One of them runs out of tokens.
        let socks = [LIMIT, u32::MAX, u32::MAX].map(|limit| (Sock::with_token_limit(limit), Model::default()));
        Target { pool, dmabuf, socks, given: 0, returned: 0 }
    }

    /// A packet for a socket, of up to three frags, if there is memory.
    pub(crate) fn queue(&mut self, sock: usize, rng: &mut Rng) {
        let mut skb = Skb::copy_from(&[0x5a; 32][..rng.below(33)]).unwrap();
        for _ in 0..rng.below(4) {
            let Some(frag) = self.pool.alloc_frag(1 + rng.below(2048) as u32) else { break };
            skb.add_rx_frag(frag, 2048).unwrap();
        }
        self.socks[sock].0.queue(skb).unwrap();
    }

    /// A read with buffers of any size. No piece of memory is out under two tokens.
    pub(crate) fn read(&mut self, sock: usize, rng: &mut Rng) {
        let (mut buffer, mut space) = ([0; 256], [0; 5 * CMSG_SPACE]);
        let (len, room) = (rng.below(257), rng.below(space.len() + 1));
        let limit = if sock == 0 { LIMIT as usize } else { usize::MAX };
        let (sock, model) = &mut self.socks[sock];
        let before = sock.queued();
        let mut control = Control::new(&mut space[..room]);
        match sock.recv_devmem(&mut buffer[..len], &mut control) {
            Ok(got) => assert_eq!(sock.queued(), before - got),
            Err(RecvError::Empty | RecvError::Control(_) | RecvError::Token(_)) => assert_eq!(sock.queued(), before),
            Err(error) => panic!("there is no such packet: {error}"),
        }
        for told in control.messages() {
            let DevmemCmsg::Dmabuf(told) = told else { continue };
            model.give(told.frag_token, (told.frag_offset, told.frag_size));
            self.given += 1;
        }
        assert!(model.out <= limit, "{} tokens are out, of at most {limit}", model.out);
        assert_eq!(sock.tokens_out(), model.out);
    }

    /// The bytes of one call of `SO_DEVMEM_DONTNEED`.
    pub(crate) fn dontneed(&mut self, sock: usize, optval: &[u8]) {
        let (sock, model) = &mut self.socks[sock];
        let (before, counted) = (model.out, sock.stats());
        let result = sock.dontneed(optval);
        let after = sock.stats();
        assert_eq!(after.given, counted.given);
        assert_eq!(after.refused - counted.refused, u64::from(result.is_err()));
        let unknown = after.unknown - counted.unknown;
        match result {
            Err(DontneedError::Ragged { len }) => assert!(len == optval.len() && len % 8 != 0),
            Err(DontneedError::TooMany { ranges }) => assert!(ranges * 8 == optval.len() && ranges > 128),
            Err(error) => panic!("there is no such error: {error}"),
            Ok(count) => {
                assert!(optval.len() % 8 == 0 && optval.len() <= 1024);
                let mut left = 1024_u32;
                for range in optval.chunks(8) {
                    let [start, count] = [0, 4].map(|at| u32::from_ne_bytes(range[at..at + 4].try_into().unwrap()));
                    let count = count.min(left);
                    left -= count;
                    (0..count).for_each(|i| model.take_back(start.wrapping_add(i)));
                }
                assert_eq!(count, before - model.out);
                assert_eq!(after.returned - counted.returned, count as u64);
                // Every number that was looked up stands for a frag, or is counted.
                assert_eq!(unknown, u64::from(1024 - left) - count as u64);
                self.returned += count as u64;
            }
        }
        assert_eq!(sock.tokens_out(), model.out);
    }

    /// Throws away what is queued, or tries to read it without asking for device memory.
    pub(crate) fn disturb(&mut self, sock: usize, rng: &mut Rng) {
        let sock = &mut self.socks[sock].0;
        let (before, len) = (sock.queued(), rng.below(300));
        let gone = if rng.one_in(2) { sock.discard(len) } else { sock.recv(&mut [0; 300][..len]).unwrap_or(0) };
        assert_eq!(sock.queued(), before - gone);
    }

    /// No byte is out under two tokens, of whichever sockets.
    pub(crate) fn assert_apart(&self) {
        let mut pieces: Vec<_> = self.socks.iter().flat_map(|(_, model)| model.pieces.iter().flatten()).collect();
        pieces.sort();
        for pair in pieces.windows(2) {
            assert!(pair[0].0 + u64::from(pair[0].1) <= pair[1].0, "{pair:?} share bytes");
        }
    }

    /// Sockets close with what is out, and everything is back.
    pub(crate) fn finish(self) {
        let Target { pool, dmabuf, socks, .. } = self;
        drop(socks);
        assert_eq!(pool.in_use(), 0);
        drop(pool);
        assert_eq!(dmabuf.available(), NIOVS);
    }
}

/// The bytes of a hostile call: mostly few ranges around the tokens that are out, sometimes anything.
fn optval(rng: &mut Rng, bytes: &mut [u8; 1048]) -> usize {
    let ranges = if rng.one_in(500) { rng.below(131) } else { rng.below(4) };
    for range in bytes.chunks_mut(8).take(ranges) {
        let start = match rng.below(8) {
            0 => rng.next() as u32,
            1 => 0u32.wrapping_sub(rng.below(4) as u32),
            _ => rng.below(80) as u32,
        };
        let count = match rng.below(4000) {
            0 => rng.next() as u32,
            1..4 => rng.below(1030) as u32,
            _ => rng.below(4) as u32,
        };
        range[..4].copy_from_slice(&start.to_ne_bytes());
        range[4..].copy_from_slice(&count.to_ne_bytes());
    }
    // Now and then not a whole number of ranges.
    if rng.one_in(50) { (ranges * 8 + rng.below(8)).min(bytes.len()) } else { ranges * 8 }
}

#[test]
fn two_million_calls() {
    let mut rng = Rng::new(0x746f_6b65_6e73);
    let mut target = Target::new();
    let mut bytes = [0; 1048];
    for call in 0..2_000_000 {
        let sock = rng.below(SOCKETS);
        let len = optval(&mut rng, &mut bytes);
        target.dontneed(sock, &bytes[..len]);
        match rng.below(32) {
            0..4 => target.read(sock, &mut rng),
            4 => target.queue(sock, &mut rng),
            5 if rng.one_in(8) => target.disturb(sock, &mut rng),
            _ => {}
        }
        if call % 4096 == 0 {
            target.assert_apart();
        }
    }
    println!("{} tokens were given, {} came back by calls", target.given, target.returned);
    assert!(target.given > 100_000 && target.returned > 100_000, "the calls reached what they are for");
    target.finish();
}

#[test]
fn control_messages_of_anybody() {
    let mut rng = Rng::new(0x636d_7367);
    let mut bytes = [0; 256];
    let mut found = 0;
    for _ in 0..200_000 {
        for word in bytes.chunks_mut(8) {
            // Words that look like headers, so that some do.
            let value = match rng.below(6) {
                0 => rng.next(),
                1 | 2 => rng.below(48) as u64,
                3 => 1 << 32 | 1,
                4 => (78 + rng.below(2) as u64) << 32 | 1,
                _ => 40,
            };
            word.copy_from_slice(&value.to_ne_bytes());
        }
        let (start, end) = (rng.below(8), 248 + rng.below(9));
        let messages = Messages::new(&bytes[start..end]).count();
        // A message has a header at least.
        assert!(messages <= 16, "{messages} messages in 256 bytes");
        found += messages;
    }
    assert!(found > 1000, "only {found} of them were messages");
}
