//! Nothing but std.
