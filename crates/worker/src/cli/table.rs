//! Aligned columns of text.

use std::fmt;

/// Rows under a header; columns are as wide as their widest cell.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    /// Columns from the left that are aligned to the left; numbers go to the right.
    n_text: usize,
}

impl Table {
    /// A table whose first `n_text` columns are text.
    pub(crate) fn new(header: &[&str], n_text: usize) -> Self {
        Self {
            rows: vec![header.iter().map(|&cell| cell.to_owned()).collect()],
            n_text,
        }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.rows[0].len()).map(|at| self.width(at)).collect();
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = String::new();
            for (at, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                line += &if at < self.n_text {
                    format!("{cell:<width$}  ")
                } else {
                    format!("{cell:>width$}  ")
                };
            }
            let end = if number + 1 < self.rows.len() {
                "\n"
            } else {
                ""
            };
            write!(f, "{}{end}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Bytes in the unit that suits their size.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = (bytes.max(1).ilog2() / 10).min(4) as usize;
    if unit == 0 {
        return format!("{bytes} B");
    }
    let value = bytes as f64 / (1_u64 << (10 * unit)) as f64;
    format!("{value:.2} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["op", "mean"], 1);
        table.row(["é".to_owned(), "-1.5".to_owned()]);
        table.row(["logits".to_owned(), "10".to_owned()]);
        assert_eq!(
            table.to_string(),
            "op      mean\né       -1.5\nlogits    10"
        );
    }

    #[test]
    fn sizes() {
        let rows = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (491_400_032, "468.64 MiB"),
            (u64::MAX, "16777216.00 TiB"),
        ];
        for (n, expected) in rows {
            assert_eq!(bytes(n), expected);
        }
    }
}
