//! Recorded work.

use cuda_kernels::launch::{AddInPlace, RmsNorm};
use cuda_kernels::{CudaError, Stopwatch};

use super::support::{Random, assert_same, kernels};

#[test]
fn a_graph_gives_the_bits_of_its_launches() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    let (n_rows, width) = (4, 896);
    let values = Random(14).with_outliers(n_rows * width);
    let x = device.upload(&values).unwrap();
    let mut out = device.zeroed::<f32>(values.len()).unwrap();
    let mut work = || -> Result<(), CudaError> {
        let (x, weight) = (x.view(), x.view());
        let norm = RmsNorm {
            x,
            weight,
            out: out.view_mut(),
            eps: 1e-6,
            n_rows,
            width,
        };
        norm.launch(&kernels)?;
        AddInPlace {
            x,
            out: out.view_mut(),
            len: n_rows * width,
        }
        .launch(&kernels)?;
        Ok(())
    };
    work().unwrap();
    let graph = device.capture(&mut work).unwrap();
    let eager = out.read(values.len()).unwrap();
    out.write(0, &vec![0.0; values.len()]).unwrap();
    let stopwatch = Stopwatch::new(device).unwrap();
    // SAFETY: kernels and buffers are alive until the end of this function.
    let launch = || unsafe { graph.launch() };
    let ms = stopwatch.time_ms(launch).unwrap();
    assert!(ms > 0.0 && ms < 1000.0, "{ms} ms");
    assert_same(&out.read(values.len()).unwrap(), &eager, "graph");
}
