//! What this crate's terms are called by the kernels.

use cuda_kernels::launch::{self, Heads, LaunchCost};

use super::Outcome;
use super::device::failed;
use crate::backend::AttentionShape;
use crate::config::RopePairing;
use crate::error::Result;

pub(super) fn pairing(shape: &AttentionShape) -> launch::RopePairing {
    match shape.rope_pairing {
        RopePairing::Adjacent => launch::RopePairing::Adjacent,
        RopePairing::Halves => launch::RopePairing::Halves,
    }
}

pub(super) fn heads(shape: &AttentionShape) -> Heads {
    Heads {
        n_heads: shape.n_heads,
        n_kv_heads: shape.n_kv_heads,
        head_dim: shape.head_dim,
    }
}

/// The end of an operation that is one launch.
pub(super) fn done(launched: Outcome<LaunchCost>, op: &'static str) -> Result<()> {
    launched.map(|_| ()).map_err(failed(op))
}
