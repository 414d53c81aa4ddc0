//! Launching a kernel, alone or chained to the one before, its blocks alone or in clusters.

use std::ffi::{c_char, c_uint, c_void};
use std::ptr;

use cudarc::driver::sys::{
    CUfunction, CUlaunchAttribute, CUlaunchAttributeID, CUlaunchAttributeValue,
    CUlaunchAttributeValue_union__bindgen_ty_1, CUlaunchConfig, CUstream,
};

use super::{NativeDriver, check};
use crate::driver::{Arg, Function, LaunchConfig, Outcome, ResultCode, Stream};

/// More than any kernel takes.
const MAX_ARGS: usize = 40;
/// Of an attribute, before it is set.
const NO_VALUE: CUlaunchAttributeValue = CUlaunchAttributeValue {
    pad: [0; size_of::<CUlaunchAttributeValue>() / size_of::<c_char>()],
};

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
    let mut attributes = [cluster(config.cluster), chained()];
    let attributes = match (config.cluster > 1, config.is_chained) {
        (true, true) => &mut attributes[..],
        (true, false) => &mut attributes[..1],
        (false, true) => &mut attributes[1..],
        (false, false) => &mut [],
    };
    if config.cluster > 1 && driver.launch_ex.is_none() {
        return Err(ResultCode::NOT_SUPPORTED);
    }
    // A driver without the newer call waits for the launch before, which is right, if slower.
    let Some(launch_ex) = driver.launch_ex.filter(|_| !attributes.is_empty()) else {
        // SAFETY: the caller's promise; a pointer to a value for every argument.
        return check(unsafe {
            (driver.launch)(
                function, gx, gy, gz, bx, by, bz, shared, stream, args, extra,
            )
        });
    };
    let config = CUlaunchConfig {
        gridDimX: gx,
        gridDimY: gy,
        gridDimZ: gz,
        blockDimX: bx,
        blockDimY: by,
        blockDimZ: bz,
        sharedMemBytes: shared,
        hStream: stream,
        attrs: attributes.as_mut_ptr(),
        numAttrs: attributes.len() as c_uint,
    };
    // SAFETY: as above; the attributes are alive.
    check(unsafe { launch_ex(&raw const config, function, args, extra) })
}

/// The attribute that lets a launch begin before the one before it has ended.
fn chained() -> CUlaunchAttribute {
    let mut value = NO_VALUE;
    value.programmaticStreamSerializationAllowed = 1;
    CUlaunchAttribute {
        id: CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
        pad: [0; 4],
        value,
    }
}

/// The attribute that makes clusters of this many blocks.
fn cluster(blocks: u32) -> CUlaunchAttribute {
    let mut value = NO_VALUE;
    value.clusterDim = CUlaunchAttributeValue_union__bindgen_ty_1 {
        x: blocks,
        y: 1,
        z: 1,
    };
    CUlaunchAttribute {
        id: CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
        pad: [0; 4],
        value,
    }
}
