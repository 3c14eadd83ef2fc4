//! Completions of a device. The driver is that of `tests/hostile`.
#![no_main]

#[path = "../../tests/hostile/completions.rs"]
mod driver;
#[path = "../../tests/hostile/input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    driver::drive(&mut input::Bytes(bytes));
});
