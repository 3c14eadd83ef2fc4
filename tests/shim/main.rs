//! The shim: which helpers of C's it has, that the page helpers are one cast and one call, and that both compile to the
//! same instructions.

mod codegen;
mod map;
mod wrappers;
