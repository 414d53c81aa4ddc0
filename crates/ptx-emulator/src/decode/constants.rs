//! Rows of constants, and of values that the launch gives.

use super::{Class, Decoder};
use crate::code::{Row, Special};

impl Decoder {
    pub(super) fn constant32(&mut self, value: u32) -> Row {
        if let Some(&row) = self.constants32.get(&value) {
            return row;
        }
        let row = self.fresh(Class::Word);
        self.constants32.insert(value, row);
        self.code.constants32.push((row, value));
        row
    }

    pub(super) fn constant64(&mut self, value: u64) -> Row {
        if let Some(&row) = self.constants64.get(&value) {
            return row;
        }
        let row = self.fresh(Class::Double);
        self.constants64.insert(value, row);
        self.code.constants64.push((row, value));
        row
    }

    pub(super) fn special(&mut self, name: &str) -> Option<Row> {
        let special = special(name).or_else(|| {
            let is_dynamic = self.symbols.get(name) == Some(&None);
            is_dynamic.then_some(Special::DynamicShared)
        })?;
        if let Some(&row) = self.special_rows.get(name) {
            return Some(row);
        }
        let row = self.fresh(Class::Word);
        self.special_rows.insert(name.to_owned(), row);
        self.code.specials.push((row, special));
        Some(row)
    }
}

fn special(name: &str) -> Option<Special> {
    let axis = |make: fn(usize) -> Special| {
        let axis = match name.rsplit_once('.')?.1 {
            "x" => 0,
            "y" => 1,
            "z" => 2,
            _ => return None,
        };
        Some(make(axis))
    };
    match name.split('.').next()? {
        "%tid" => axis(Special::Tid),
        "%ntid" => axis(Special::Ntid),
        "%ctaid" => axis(Special::Ctaid),
        "%nctaid" => axis(Special::Nctaid),
        "%laneid" => Some(Special::Lane),
        "%warpid" => Some(Special::Warp),
        "%smid" => Some(Special::Sm),
        "%lanemask_lt" => Some(Special::LaneMaskLt),
        "%lanemask_le" => Some(Special::LaneMaskLe),
        "%lanemask_eq" => Some(Special::LaneMaskEq),
        "%lanemask_gt" => Some(Special::LaneMaskGt),
        "%lanemask_ge" => Some(Special::LaneMaskGe),
        _ => None,
    }
}
