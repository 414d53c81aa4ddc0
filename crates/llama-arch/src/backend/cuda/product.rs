//! Matrix products, by the kernel that suits the number of rows and the type of the weights.

use std::ops::Range;

use cuda_kernels::launch::{
    Epilogue, Gemm, MAX_MATVEC_ROWS, Matmul, Matvec, MatvecEpilogue, MatvecShape, Norm, PackRows,
    PackSource, packed_rows_bytes,
};
use cuda_kernels::{Buffer, Kernels, View, ViewMut};

use super::Outcome;
use super::weights::{CudaMatrix, Stored};

/// What is multiplied.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    /// `[n_rows][row_len]`
    pub(super) x: View<'a, f32>,
    /// RMSNorm of every row before.
    pub(super) norm: Option<Norm<'a>>,
    pub(super) n_rows: usize,
}

/// What becomes of the sums.
#[derive(Clone, Copy)]
pub(super) enum Output<'a> {
    Store,
    Bias(View<'a, f32>),
    Accumulate,
}

impl Input<'_> {
    /// Whether a launch that streams the weight past the rows suits them, or they are packed.
    pub(super) fn is_few(&self, kernels: &Kernels, weight: &CudaMatrix) -> bool {
        let shape = MatvecShape {
            n_outputs: weight.n_rows,
            row_len: weight.row_len,
            is_normed: self.norm.is_some(),
        };
        // Most prompts need no look at the plans of fewer rows.
        self.n_rows <= MAX_MATVEC_ROWS && self.n_rows <= Matvec::max_rows(kernels, shape)
    }

    /// Packs the rows for [`Gemm`].
    pub(super) fn pack(
        &self,
        kernels: &Kernels,
        width: usize,
        out: ViewMut<'_, u8>,
    ) -> Outcome<()> {
        let source = match self.norm {
            None => PackSource::Rows(self.x),
            Some(norm) => PackSource::Norm {
                x: self.x,
                weight: norm.weight,
                eps: norm.eps,
            },
        };
        let pack = PackRows {
            source,
            out,
            n_rows: self.n_rows,
            width,
        };
        pack.launch(kernels).map(|_| ())
    }
}

/// `out = weight * input`; `packed` has room for the packed rows of many.
pub(super) fn multiply(
    kernels: &Kernels,
    (weight, input): (&CudaMatrix, Input<'_>),
    output: Output<'_>,
    out: &mut Buffer<f32>,
    packed: &mut Buffer<u8>,
) -> Outcome<()> {
    if input.is_few(kernels, weight) {
        return stream(kernels, (weight, input), output, out.view_mut());
    }
    input.pack(kernels, weight.row_len, packed.view_mut())?;
    multiply_packed(kernels, (weight, input.n_rows), packed.view(), output, out)
}

/// `out = weight * input` as a single operation, for tests and traces: it takes the room for packed
/// rows where they are needed.
pub(super) fn multiply_alone(
    kernels: &Kernels,
    (weight, input): (&CudaMatrix, Input<'_>),
    output: Output<'_>,
    out: &mut Buffer<f32>,
) -> Outcome<()> {
    if input.n_rows == 0 {
        return Ok(());
    }
    let packed_len = if weight.is_packed() && input.is_few(kernels, weight) {
        0
    } else {
        packed_rows_bytes(input.n_rows, weight.row_len)
    };
    let mut packed = kernels.device().zeroed(packed_len)?;
    let product = (weight, input);
    if weight.is_packed() {
        multiply(kernels, product, output, out, &mut packed)
    } else {
        multiply_rows(kernels, product, output, out, &mut packed)
    }
}

/// All parts in one launch that streams the weights past a few rows.
fn stream(
    kernels: &Kernels,
    (weight, input): (&CudaMatrix, Input<'_>),
    output: Output<'_>,
    out: ViewMut<'_, f32>,
) -> Outcome<()> {
    let weights: Vec<_> = weight
        .parts()
        .filter_map(|(_, part)| part.packed())
        .collect();
    let product = Matvec {
        stack: &weights,
        x: input.x,
        norm: input.norm,
        out,
        n_rows: input.n_rows,
        out_width: weight.n_rows,
        is_chained: true,
        epilogue: match output {
            Output::Store => MatvecEpilogue::Store,
            Output::Bias(bias) => MatvecEpilogue::Bias(bias),
            Output::Accumulate => MatvecEpilogue::Accumulate,
        },
    };
    product.launch(kernels).map(|_| ())
}

/// A launch for each part of a packed weight, which takes packed rows.
pub(super) fn multiply_packed(
    kernels: &Kernels,
    (weight, n_rows): (&CudaMatrix, usize),
    rows: View<'_, u8>,
    output: Output<'_>,
    out: &mut Buffer<f32>,
) -> Outcome<()> {
    for (outputs, part) in weight.parts() {
        let Some(part) = part.packed() else { continue };
        let product = Gemm {
            weight: part,
            x: rows,
            out: out.view_mut(),
            n_rows,
            first_output: outputs.start,
            out_width: weight.n_rows,
            epilogue: output.of(outputs)?,
        };
        product.launch(kernels)?;
    }
    Ok(())
}

/// [`multiply`] of a weight that keeps the rows of the file, in some of its parts.
fn multiply_rows(
    kernels: &Kernels,
    (weight, input): (&CudaMatrix, Input<'_>),
    output: Output<'_>,
    out: &mut Buffer<f32>,
    packed: &mut Buffer<u8>,
) -> Outcome<()> {
    input.pack(kernels, weight.row_len, packed.view_mut())?;
    multiply_packed(kernels, (weight, input.n_rows), packed.view(), output, out)?;
    for (outputs, part) in weight.parts() {
        let Stored::Rows(part) = part else { continue };
        let product = Matmul {
            weight: part,
            x: input.x,
            out: out.view_mut(),
            n_rows: input.n_rows,
            first_output: outputs.start,
            out_width: weight.n_rows,
            epilogue: output.of(outputs)?,
        };
        product.launch(kernels)?;
    }
    Ok(())
}

impl<'a> Output<'a> {
    /// For a part of the outputs.
    fn of(self, outputs: Range<usize>) -> Outcome<Epilogue<'a>> {
        Ok(match self {
            Self::Store => Epilogue::Store,
            Self::Bias(bias) => Epilogue::Bias(bias.range(outputs)?),
            Self::Accumulate => Epilogue::Accumulate,
        })
    }
}
