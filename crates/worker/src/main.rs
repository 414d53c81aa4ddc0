//! worker-orcd.

fn main() {}
