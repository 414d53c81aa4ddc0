//! From statements to instructions: registers, constants and labels get numbers.

mod arithmetic;
mod constants;
mod memory;
mod words;

use std::collections::HashMap;

use self::words::{Words, ty};
use crate::code::{Address, Inst, KernelCode, Op, Param, Row};
use crate::text::{Piece, Reader, Statement, Wrong, literal, operands};

/// The first word of a text's `.target`.
pub(crate) fn target(text: &str) -> &str {
    let after = text.split(".target").nth(1).unwrap_or_default();
    after.split_whitespace().next().unwrap_or_default()
}

/// Every kernel of a module.
pub(crate) fn module(text: &str) -> Result<Vec<KernelCode>, Wrong> {
    let mut reader = Reader::new(text);
    let mut kernels = Vec::new();
    let mut dynamic = Vec::new();
    while let Some((header, is_kernel)) = reader.header() {
        if is_kernel {
            let mut decoder = Decoder::new(header, &dynamic)?;
            decoder.body(&mut reader)?;
            kernels.push(decoder.code);
        } else if header.starts_with(".extern .shared") {
            let name = header.split_whitespace().last().unwrap_or_default();
            dynamic.push(name.trim_end_matches("[]").to_owned());
        } else if ![".version", ".target", ".address_size"]
            .iter()
            .any(|d| header.starts_with(d))
        {
            return Err(format!("a declaration that is not known: {header}"));
        }
    }
    Ok(kernels)
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Class {
    P,
    Half,
    Word,
    Double,
}

/// A kernel being decoded.
struct Decoder {
    code: KernelCode,
    /// Ranges of registers as `%r`, single ones with the scope that they are of.
    ranges: HashMap<String, Class>,
    registers: HashMap<String, (Class, Row)>,
    singles: Vec<HashMap<String, Class>>,
    scopes: Vec<u32>,
    n_scopes: u32,
    symbols: HashMap<String, Option<u32>>,
    constants32: HashMap<u32, Row>,
    constants64: HashMap<u64, Row>,
    special_rows: HashMap<String, Row>,
    labels: HashMap<String, u32>,
    jumps: Vec<(usize, String)>,
    line: u32,
}

impl Decoder {
    fn new(header: &str, dynamic: &[String]) -> Result<Self, Wrong> {
        let (_, rest) = header
            .split_once(".entry")
            .ok_or("functions are not known")?;
        let (name, rest) = rest.split_once('(').ok_or("a kernel has no parameters")?;
        let (params, directives) = rest.split_once(')').ok_or("parameters do not end")?;
        let mut code = KernelCode {
            name: name.trim().to_owned(),
            rows_p: 2,
            ..KernelCode::default()
        };
        for param in params.split(',').map(str::trim).filter(|p| !p.is_empty()) {
            let mut words = param.split_whitespace().rev();
            let name = words.next().unwrap_or_default();
            let kind = match words.next() {
                Some(".u64") => Param::Double,
                Some(".u32") => Param::Word,
                Some(".f32") => Param::Float,
                _ => return Err(format!("a parameter that is not known: {param}")),
            };
            code.params.push((name.to_owned(), kind));
        }
        if let Some((_, threads)) = directives.split_once(".maxntid") {
            let end = threads.find('.').unwrap_or(threads.len());
            let counts = threads[..end]
                .split(',')
                .filter_map(|n| n.trim().parse::<u32>().ok());
            code.max_threads = Some(counts.product());
        }
        Ok(Self {
            code,
            ranges: HashMap::new(),
            registers: HashMap::new(),
            singles: vec![HashMap::new()],
            scopes: vec![0],
            n_scopes: 0,
            symbols: dynamic.iter().map(|name| (name.clone(), None)).collect(),
            constants32: HashMap::new(),
            constants64: HashMap::new(),
            special_rows: HashMap::new(),
            labels: HashMap::new(),
            jumps: Vec::new(),
            line: 0,
        })
    }

    fn body(&mut self, reader: &mut Reader<'_>) -> Result<(), Wrong> {
        let mut depth = 0;
        loop {
            let Statement { line, text } = reader.statement()?;
            self.line = line;
            match text {
                Piece::Open => {
                    depth += 1;
                    self.n_scopes += 1;
                    self.scopes.push(self.n_scopes);
                    self.singles.push(HashMap::new());
                }
                Piece::Close => {
                    depth -= 1;
                    self.scopes.pop();
                    self.singles.pop();
                    if depth == 0 {
                        break;
                    }
                }
                Piece::Label(name) => {
                    let here = self.code.insts.len() as u32;
                    if self.labels.insert(name.to_owned(), here).is_some() {
                        return Err(format!("line {line}: two labels {name}"));
                    }
                }
                Piece::Words(words) => {
                    let done = self.words(words);
                    let name = &self.code.name;
                    done.map_err(|wrong| format!("{name}, line {line}: {wrong} ({words})"))?;
                }
            }
        }
        self.push(Op::Exit, 0, 0);
        for (at, label) in std::mem::take(&mut self.jumps) {
            let to = self
                .labels
                .get(&label)
                .ok_or_else(|| format!("no label {label}"))?;
            self.code.insts[at].op = Op::Jump(*to);
        }
        Ok(())
    }

    fn push(&mut self, op: Op, guard: Row, flip: u32) {
        let line = self.line;
        self.code.insts.push(Inst {
            op,
            guard,
            flip,
            line,
        });
    }

    fn words(&mut self, text: &str) -> Result<(), Wrong> {
        if text.starts_with('.') {
            return self.directive(text);
        }
        let (mut guard, mut flip, mut rest) = (0, 0, text);
        if let Some(after) = text.strip_prefix('@') {
            let (name, after) = after.split_once(char::is_whitespace).ok_or("no opcode")?;
            (guard, flip) = self.predicate(name)?;
            rest = after.trim_start();
        }
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let words = Words {
            parts: rest[..end].split('.').collect(),
            args: operands(&rest[end..]),
        };
        if words.parts[0] == "bra" {
            let label = words.arg(0)?.to_owned();
            self.jumps.push((self.code.insts.len(), label));
            self.push(Op::Jump(0), guard, flip);
            return Ok(());
        }
        let op = match self.arithmetic(&words)? {
            Some(op) => op,
            None => self.other(&words)?,
        };
        self.push(op, guard, flip);
        Ok(())
    }

    fn directive(&mut self, text: &str) -> Result<(), Wrong> {
        if text.starts_with(".pragma") || text.starts_with(".loc") {
            return Ok(());
        }
        let mut words = text.split_whitespace();
        match words.next() {
            Some(".reg") => {
                let class = match words.next().and_then(|t| ty(&t[1..])) {
                    Some(('p', _)) => Class::P,
                    Some((_, 16)) => Class::Half,
                    Some((_, 32)) => Class::Word,
                    Some((_, 64)) => Class::Double,
                    _ => return Err("registers of a type that is not known".to_owned()),
                };
                let names: String = words.collect();
                for name in names.split(',') {
                    match name.split_once('<') {
                        Some((prefix, _)) => {
                            self.ranges.insert(prefix.to_owned(), class);
                        }
                        None => {
                            let scope = self.singles.last_mut().ok_or("no scope")?;
                            scope.insert(name.to_owned(), class);
                        }
                    }
                }
                Ok(())
            }
            Some(".shared") => self.shared(words),
            _ => Err("a directive that is not known".to_owned()),
        }
    }

    fn shared<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Result<(), Wrong> {
        let words: Vec<&str> = words.collect();
        let mut align = 1;
        if let Some(at) = words.iter().position(|w| *w == ".align") {
            align = words
                .get(at + 1)
                .and_then(|n| n.parse().ok())
                .ok_or("no alignment")?;
        }
        let [.., kind, name] = words[..] else {
            return Err("a variable without a name".to_owned());
        };
        let (_, bits) = ty(&kind[1..]).ok_or("a variable without a type")?;
        let (name, count) = match name.split_once('[') {
            Some((name, count)) => (
                name,
                count
                    .trim_end_matches(']')
                    .parse()
                    .map_err(|_| "no length")?,
            ),
            None => (name, 1),
        };
        let start = self.code.shared_bytes.next_multiple_of(align);
        self.symbols.insert(name.to_owned(), Some(start));
        self.code.shared_bytes = start + count * bits / 8;
        Ok(())
    }

    fn fresh(&mut self, class: Class) -> Row {
        let next = match class {
            Class::P => &mut self.code.rows_p,
            Class::Half | Class::Word => &mut self.code.rows32,
            Class::Double => &mut self.code.rows64,
        };
        *next += 1;
        *next - 1
    }

    /// A register.
    fn register(&mut self, name: &str) -> Option<(Class, Row)> {
        if let Some(&found) = self.registers.get(name) {
            return Some(found);
        }
        let scopes = self.singles.iter().zip(&self.scopes).rev();
        for (singles, scope) in scopes {
            if let Some(&class) = singles.get(name) {
                let scoped = format!("{scope} {name}");
                if let Some(&found) = self.registers.get(&scoped) {
                    return Some(found);
                }
                let row = self.fresh(class);
                self.registers.insert(scoped, (class, row));
                return Some((class, row));
            }
        }
        let prefix = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let class = *self
            .ranges
            .get(prefix)
            .filter(|_| prefix.len() < name.len())?;
        let row = self.fresh(class);
        self.registers.insert(name.to_owned(), (class, row));
        Some((class, row))
    }

    /// A row of words: a register, a constant, the address of a shared variable.
    fn word(&mut self, text: &str, bits: u32) -> Result<Row, Wrong> {
        match self.register(text) {
            Some((Class::Half | Class::Word, row)) => return Ok(row),
            Some(_) => return Err(format!("`{text}` is not of 32 bits")),
            None => {}
        }
        if let Some(row) = self.special(text) {
            return Ok(row);
        }
        if let Some(Some(at)) = self.symbols.get(text) {
            let at = *at;
            return Ok(self.constant32(at));
        }
        let value = literal(text, bits).ok_or_else(|| format!("`{text}` is not known"))?;
        Ok(self.constant32(value as u32))
    }

    fn double(&mut self, text: &str) -> Result<Row, Wrong> {
        match self.register(text) {
            Some((Class::Double, row)) => return Ok(row),
            Some(_) => return Err(format!("`{text}` is not of 64 bits")),
            None => {}
        }
        let value = literal(text, 64).ok_or_else(|| format!("`{text}` is not known"))?;
        Ok(self.constant64(value))
    }

    /// A predicate and whether it is negated, as all ones.
    fn predicate(&mut self, text: &str) -> Result<(Row, u32), Wrong> {
        let (name, flip) = match text.strip_prefix('!') {
            Some(name) => (name, u32::MAX),
            None => (text, 0),
        };
        match self.register(name) {
            Some((Class::P, row)) => Ok((row, flip)),
            Some(_) => Err(format!("`{text}` is no predicate")),
            None => match literal(name, 32) {
                Some(value) => Ok((Row::from(value == 0), flip)),
                None => Err(format!("`{text}` is not known")),
            },
        }
    }

    /// A predicate that is not negated.
    fn plain_predicate(&mut self, text: &str) -> Result<Row, Wrong> {
        match self.predicate(text)? {
            (row, 0) => Ok(row),
            _ => Err(format!("`{text}` is negated")),
        }
    }

    fn is_double(&mut self, text: &str) -> bool {
        matches!(self.register(text), Some((Class::Double, _)))
    }

    /// `[base+offset]`
    fn address(&mut self, text: &str) -> Result<Address, Wrong> {
        let inner = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let inner = inner.ok_or_else(|| format!("`{text}` is no address"))?;
        let (base, offset) = match inner.split_once('+') {
            Some((base, offset)) => (base.trim(), offset.trim()),
            None => (inner.trim(), "0"),
        };
        let offset = literal(offset, 64).ok_or_else(|| format!("`{text}` is no address"))?;
        let is_wide = self.is_double(base);
        let base = if is_wide {
            self.double(base)?
        } else {
            self.word(base, 32)?
        };
        Ok(Address {
            is_wide,
            base,
            offset: offset.cast_signed(),
        })
    }
}
