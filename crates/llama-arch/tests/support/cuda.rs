//! The GPU, where there is one.

use std::io::Write;
use std::sync::OnceLock;

use llama_arch::backend::cuda::CudaBackend;

/// With `CUDA_DEVICE=emulated` the device is one that interprets the kernels on the host.
fn open() -> llama_arch::Result<CudaBackend> {
    if std::env::var("CUDA_DEVICE").is_ok_and(|value| value == "emulated") {
        let driver = std::sync::Arc::new(ptx_emulator::EmulatedDriver::new());
        let backend = CudaBackend::open_with(driver, 0)?;
        backend
            .device()
            .set_patience(std::time::Duration::from_secs(3600));
        return Ok(backend);
    }
    CudaBackend::open(0)
}

/// A backend, opened once; none, and one line that says why, where there is no device. With
/// `REQUIRE_CUDA=1` that is a failure.
pub(crate) fn cuda() -> Option<CudaBackend> {
    static BACKEND: OnceLock<Option<CudaBackend>> = OnceLock::new();
    let open = || match open() {
        Ok(backend) => Some(backend),
        Err(error) => {
            let required = std::env::var("REQUIRE_CUDA").is_ok_and(|value| value == "1");
            assert!(!required, "REQUIRE_CUDA=1, but: {error}");
            // Past the test runner, which would swallow it.
            let _ = writeln!(std::io::stderr(), "skipped on CUDA: {error}");
            None
        }
    };
    BACKEND.get_or_init(open).clone()
}
