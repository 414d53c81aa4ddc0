//! Comparisons, ordered and unordered: the latter hold where a number is missing.

use crate::code::{Compare, Kind, Row};
use crate::rows::Rows;

#[allow(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "true where a number is missing"
)]
impl Rows {
    #[inline(always)]
    pub(super) fn compare32(
        &mut self,
        (how, kind): (Compare, Kind),
        to: Row,
        ab: (Row, Row),
        m: u32,
    ) {
        match kind {
            Kind::U => self.ordered(how, to, ab, m, i64::from),
            Kind::S => self.ordered(how, to, ab, m, |a| i64::from(a.cast_signed())),
            Kind::S16 => self.ordered(how, to, ab, m, |a| i64::from(a as i16)),
            Kind::F => {
                let f = f32::from_bits;
                match how {
                    Compare::Eq => self.compare(to, ab, m, |a, b| f(a) == f(b)),
                    Compare::Ne => self.compare(to, ab, m, |a, b| f(a) < f(b) || f(a) > f(b)),
                    Compare::Lt => self.compare(to, ab, m, |a, b| f(a) < f(b)),
                    Compare::Le => self.compare(to, ab, m, |a, b| f(a) <= f(b)),
                    Compare::Gt => self.compare(to, ab, m, |a, b| f(a) > f(b)),
                    Compare::Ge => self.compare(to, ab, m, |a, b| f(a) >= f(b)),
                    Compare::Equ => self.compare(to, ab, m, |a, b| !(f(a) < f(b) || f(a) > f(b))),
                    Compare::Neu => self.compare(to, ab, m, |a, b| f(a) != f(b)),
                    Compare::Ltu => self.compare(to, ab, m, |a, b| !(f(a) >= f(b))),
                    Compare::Leu => self.compare(to, ab, m, |a, b| !(f(a) > f(b))),
                    Compare::Gtu => self.compare(to, ab, m, |a, b| !(f(a) <= f(b))),
                    Compare::Geu => self.compare(to, ab, m, |a, b| !(f(a) < f(b))),
                    Compare::Num => {
                        self.compare(to, ab, m, |a, b| !f(a).is_nan() && !f(b).is_nan());
                    }
                    Compare::Nan => {
                        self.compare(to, ab, m, |a, b| f(a).is_nan() || f(b).is_nan());
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn ordered(&mut self, how: Compare, to: Row, ab: (Row, Row), m: u32, f: impl Fn(u32) -> i64) {
        match how {
            Compare::Eq => self.compare(to, ab, m, |a, b| f(a) == f(b)),
            Compare::Ne => self.compare(to, ab, m, |a, b| f(a) != f(b)),
            Compare::Lt => self.compare(to, ab, m, |a, b| f(a) < f(b)),
            Compare::Le => self.compare(to, ab, m, |a, b| f(a) <= f(b)),
            Compare::Gt => self.compare(to, ab, m, |a, b| f(a) > f(b)),
            _ => self.compare(to, ab, m, |a, b| f(a) >= f(b)),
        }
    }

    #[inline(always)]
    pub(super) fn compare_double(
        &mut self,
        how: Compare,
        signed: bool,
        to: Row,
        ab: (Row, Row),
        m: u32,
    ) {
        // Signed values keep their order when the sign is turned.
        let turn = if signed { 1 << 63 } else { 0 };
        match how {
            Compare::Eq => self.compare64(to, ab, m, |a, b| a == b),
            Compare::Ne => self.compare64(to, ab, m, |a, b| a != b),
            Compare::Lt => self.compare64(to, ab, m, |a, b| a ^ turn < b ^ turn),
            Compare::Le => self.compare64(to, ab, m, |a, b| a ^ turn <= b ^ turn),
            Compare::Gt => self.compare64(to, ab, m, |a, b| a ^ turn > b ^ turn),
            _ => self.compare64(to, ab, m, |a, b| a ^ turn >= b ^ turn),
        }
    }
}
