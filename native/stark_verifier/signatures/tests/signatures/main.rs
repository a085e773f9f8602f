//! Which signatures hold. What a machine short of memory says stands in `machine`, a program of its own: it replaces
//! the allocator.

mod borders;
mod holds;
