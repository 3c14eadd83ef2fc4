//! The negative assertions that stand under the types.
//!
//! One name for all of them, so that the proof suite can build a copy of the crate in which a forbidden impl exists:
//! it replaces this file, and nothing else, by one whose macro asserts nothing.

pub(crate) use static_assertions::assert_not_impl_any;
