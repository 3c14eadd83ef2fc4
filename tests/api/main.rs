//! The public API as rustdoc sees it: written down, held to the rule of the crate, and found by the names of C. And the
//! documents that point at it.
//!
//! What a reader meets first is not the code but a signature, a search for a name of C's, and a link. These tests read
//! rustdoc's JSON, which is unstable: they need the pinned toolchain, and say so where there is another.

mod aliases;
mod bytes;
mod casts;
mod errno;
mod json;
mod kinds;
mod links;
mod snapshot;
