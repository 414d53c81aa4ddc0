//! Rows of the embedding table: exactly what `gguf` decodes.

use llama_arch::backend::Backend;

use crate::cases::{Rng, sizes};
use crate::harness::{Case, Report, output};
use crate::weights::{Weights, row_lens, types};

pub(crate) fn check<B: Backend>(backends: &[Vec<B>], report: &mut Report) {
    let mut rng = report.rng(1);
    for tensor_type in types() {
        let row_lens = rng.picks(&row_lens(tensor_type, 1024), 12);
        let vocabs = rng.picks(&sizes(6), 12);
        for (row_len, vocab) in row_lens.into_iter().zip(vocabs) {
            check_table(
                backends,
                report,
                &mut rng,
                (&[(tensor_type, vocab)], row_len),
            );
        }
    }
    for parts in types().windows(3) {
        let parts = [(parts[0], 5), (parts[1], 1), (parts[2], 8)];
        check_table(backends, report, &mut rng, (&parts, 256));
    }
}

type Table<'a> = (&'a [(gguf::TensorType, usize)], usize);

fn check_table<B: Backend>(
    backends: &[Vec<B>],
    report: &mut Report,
    rng: &mut Rng,
    (parts, row_len): Table<'_>,
) {
    let table = Weights::new(rng, parts, row_len);
    let vocab = table.source.n_rows();
    // Ids may come twice; the last one and the first are always among them.
    let mut tokens: Vec<u32> = (0..rng.below(9)).map(|_| rng.below(vocab) as u32).collect();
    tokens.extend([vocab as u32 - 1, 0]);
    let row = |&token: &u32| {
        let start = token as usize * row_len;
        table.values[start..start + row_len]
            .iter()
            .map(|&value| f64::from(value))
    };
    let case = Case {
        label: format!("rows {tokens:?} of {parts:?} x {row_len}"),
        width: row_len,
        expected: tokens.iter().flat_map(row).collect(),
        bar: 0.0,
    };
    report.check(backends, &case, |backend, rows| {
        let matrix = backend.matrix(table.source.clone()).unwrap();
        let tokens = &tokens[rows];
        output(backend, (tokens.len(), row_len), |out| {
            backend.embed(&matrix, tokens, out).unwrap();
        })
    });
}
