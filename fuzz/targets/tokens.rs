//! Tokens that user space returns. The driver is that of `tests/hostile`.
#![no_main]

#[allow(dead_code, unused_imports, reason = "some of it makes garbage for the tests")]
#[path = "../../tests/hostile/tokens.rs"]
mod tokens;

// Each piece of the input is one call; its first byte says what else happens, and how long it is.
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rng =
        netmem_sim::kit::Rng::new(bytes.iter().fold(1, |seed, byte| seed.wrapping_mul(257) ^ u64::from(*byte)));
    let mut target = tokens::Target::new();
    let mut bytes = bytes;
    while let [first, rest @ ..] = bytes {
        let (call, left) = rest.split_at(rest.len().min(usize::from(*first) >> 2));
        let sock = usize::from(*first) % 3;
        target.queue(sock, &mut rng);
        target.read(sock, &mut rng);
        target.dontneed(sock, call);
        target.assert_apart();
        bytes = left;
    }
    target.finish();
});
