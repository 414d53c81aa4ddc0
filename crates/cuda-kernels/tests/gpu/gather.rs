//! Rows by number.

use cuda_kernels::launch::Gather;

use super::support::{Guarded, Random, assert_same, kernels};

#[test]
fn rows_in_any_order() {
    let Some(kernels) = kernels() else { return };
    let device = kernels.device();
    for width in [1, 7, 256, 1000] {
        let x = Random(7).floats(5 * width);
        let rows = [4_u32, 0, 4, 2];
        let expected: Vec<f32> = rows
            .iter()
            .flat_map(|&row| x[row as usize * width..][..width].to_vec())
            .collect();
        let (x, ids) = (device.upload(&x).unwrap(), device.upload(&rows).unwrap());
        let mut out = Guarded::new(device, rows.len() * width);
        let launch = Gather {
            x: x.view(),
            rows: ids.view(),
            out: out.buffer.view_mut(),
            n_rows: rows.len(),
            width,
        };
        launch.launch(&kernels).unwrap();
        assert_same(&out.read(), &expected, &format!("{width}"));
    }
}
