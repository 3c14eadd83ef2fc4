//! A program's refill ring. The driver is that of `tests/hostile`.
#![no_main]

#[path = "../../tests/hostile/zcrx.rs"]
mod driver;
#[path = "../../tests/hostile/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    driver::drive(&mut input::Bytes(bytes));
});
