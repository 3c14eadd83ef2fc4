//! What comes from outside and may be anything: ten million calls with garbage from a seeded generator. Nothing may
//! crash, hang, be lost or be handed out twice. A section is a module; each drives one border. The same drivers run over
//! the bytes of a fuzzer, see `fuzz/`.

mod captures;
mod completions;
mod input;
mod tokens;
mod zcrx;
