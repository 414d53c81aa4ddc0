//! Launching a kernel, alone or chained to the one before.

use std::ffi::{c_char, c_void};
use std::ptr;

use cudarc::driver::sys::{
    CUfunction, CUlaunchAttribute, CUlaunchAttributeID, CUlaunchAttributeValue, CUlaunchConfig,
    CUstream,
};

use super::{NativeDriver, check};
use crate::driver::{Arg, Function, LaunchConfig, Outcome, ResultCode, Stream};

/// More than any kernel takes.
const MAX_ARGS: usize = 40;

/// `Driver::launch`
///
/// # Safety
/// As there.
pub(super) unsafe fn launch(
    driver: &NativeDriver,
    function: Function,
    config: LaunchConfig,
    stream: Stream,
    args: &[Arg],
) -> Outcome<()> {
    // Every argument in eight bytes, of which the driver reads as many as the kernel declares.
    let mut values = [0_u64; MAX_ARGS];
    let mut pointers = [ptr::null_mut::<c_void>(); MAX_ARGS];
    if args.len() > MAX_ARGS {
        return Err(ResultCode::INVALID_VALUE);
    }
    for ((value, pointer), arg) in values.iter_mut().zip(&mut pointers).zip(args) {
        *value = match *arg {
            Arg::Ptr(at) => at.0,
            Arg::U32(number) => number.into(),
            Arg::U64(number) => number,
            Arg::F32(number) => number.to_bits().into(),
        };
        *pointer = ptr::from_mut(value).cast();
    }
    let args = pointers.as_mut_ptr();
    let (function, stream) = (function.0 as CUfunction, stream.0 as CUstream);
    let ([gx, gy, gz], [bx, by, bz]) = (config.grid, config.block);
    let (shared, extra) = (config.shared_bytes, ptr::null_mut());
    // A driver without the newer call waits for the launch before, which is right, if slower.
    let Some(launch_ex) = driver.launch_ex.filter(|_| config.is_chained) else {
        // SAFETY: the caller's promise; a pointer to a value for every argument.
        return check(unsafe {
            (driver.launch)(
                function, gx, gy, gz, bx, by, bz, shared, stream, args, extra,
            )
        });
    };
    let mut chained = chained();
    let config = CUlaunchConfig {
        gridDimX: gx,
        gridDimY: gy,
        gridDimZ: gz,
        blockDimX: bx,
        blockDimY: by,
        blockDimZ: bz,
        sharedMemBytes: shared,
        hStream: stream,
        attrs: &raw mut chained,
        numAttrs: 1,
    };
    // SAFETY: as above; one attribute, which is alive.
    check(unsafe { launch_ex(&raw const config, function, args, extra) })
}

/// The attribute that lets a launch begin before the one before it has ended.
fn chained() -> CUlaunchAttribute {
    let mut value = CUlaunchAttributeValue {
        pad: [0; size_of::<CUlaunchAttributeValue>() / size_of::<c_char>()],
    };
    value.programmaticStreamSerializationAllowed = 1;
    CUlaunchAttribute {
        id: CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
        pad: [0; 4],
        value,
    }
}
