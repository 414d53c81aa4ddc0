//! A CUDA device that is none: it interprets the PTX of kernels on the host, for tests.
//!
//! [`EmulatedDriver`] is a driver with one device of compute capability 8.0. It is stricter than a
//! real one: what is read must have been written, what is accessed must lie in an allocation, and
//! threads that wait for each other for ever are found. Whatever is wrong ends the launch, is
//! printed with the line of the PTX, and makes every later call fail.
//!
//! Blocks run on all processors of the host. The lanes of a warp run together, those first that
//! are furthest behind in the text; warps take turns.

mod block;
mod code;
mod compute;
mod decode;
mod driver;
mod float;
mod grid;
mod memory;
mod rows;
mod text;
mod touch;

pub use driver::EmulatedDriver;
