//! Whose turn it is.

use super::{Fault, PATIENCE, Shared, Warp};
use crate::code::KernelCode;
use crate::rows::Place;

/// Runs a block with the fastest instructions that this machine has.
pub(crate) fn run(
    warps: &mut Vec<Warp>,
    shared: &mut Shared<'_>,
    place: Place,
) -> Result<(), Fault> {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: this machine has been found to have these instructions.
        return unsafe { run_wide(warps, shared, place) };
    }
    run_here(warps, shared, place)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_wide(warps: &mut Vec<Warp>, shared: &mut Shared<'_>, place: Place) -> Result<(), Fault> {
    run_here(warps, shared, place)
}

#[inline(always)]
fn run_here(warps: &mut Vec<Warp>, shared: &mut Shared<'_>, mut place: Place) -> Result<(), Fault> {
    let threads: u32 = place.block_shape.iter().product();
    warps.resize_with(threads.div_ceil(32) as usize, Warp::default);
    shared.n_alive = 0;
    for (i, warp) in warps.iter_mut().enumerate() {
        place.warp = i as u32;
        shared.n_alive += warp.start(shared.code, &place);
    }
    let mut idle = 0;
    while shared.n_alive > 0 {
        let before = shared.progress;
        let mut ran = false;
        for (i, warp) in warps.iter_mut().enumerate() {
            if !warp.groups.is_empty() {
                ran |= warp
                    .run(shared)
                    .map_err(|fault| format!("warp {i}, {fault}"))?;
            }
        }
        idle = if shared.progress == before {
            idle + 1
        } else {
            0
        };
        if !ran && idle > 1 || idle > PATIENCE {
            return Err(stuck(warps, shared.code));
        }
    }
    Ok(())
}

/// Says where everybody waits.
fn stuck(warps: &[Warp], code: &KernelCode) -> Fault {
    let mut text = "nobody can go on:".to_owned();
    for (i, warp) in warps.iter().enumerate() {
        for group in &warp.groups {
            let line = code.insts[group.pc as usize].line;
            text += &format!(
                " warp {i} lanes {:#x} line {line} {:?};",
                group.mask, group.state
            );
        }
    }
    text
}
