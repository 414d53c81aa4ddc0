//! The text of a module, cut into kernels and statements.

/// Something wrong with a text.
pub(crate) type Wrong = String;

/// A statement with the number of its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement<'a> {
    pub(crate) line: u32,
    pub(crate) text: Piece<'a>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece<'a> {
    Open,
    Close,
    Label(&'a str),
    /// Without its semicolon.
    Words(&'a str),
}

/// Where statements are read from.
pub(crate) struct Reader<'a> {
    rest: &'a str,
    line: u32,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            line: 1,
        }
    }

    fn skip(&mut self, bytes: usize) -> &'a str {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.bytes().filter(|&b| b == b'\n').count() as u32;
        self.rest = rest;
        skipped
    }

    fn skip_blank(&mut self) {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.skip(blank);
            let end = if self.rest.starts_with("//") {
                self.rest.find('\n').unwrap_or(self.rest.len())
            } else if self.rest.starts_with("/*") {
                self.rest.find("*/").map_or(self.rest.len(), |at| at + 2)
            } else {
                return;
            };
            self.skip(end);
        }
    }

    /// What stands before the body of the next kernel, or a declaration of the module.
    pub(crate) fn header(&mut self) -> Option<(&'a str, bool)> {
        self.skip_blank();
        if self.rest.is_empty() {
            return None;
        }
        for directive in [".version", ".target", ".address_size"] {
            if self.rest.starts_with(directive) {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                return Some((self.skip(end), false));
            }
        }
        let end = self.rest.find([';', '{']).unwrap_or(self.rest.len());
        let header = self.skip(end);
        let is_kernel = self.rest.starts_with('{');
        if !is_kernel {
            let semicolon = usize::from(!self.rest.is_empty());
            self.skip(semicolon);
        }
        Some((header, is_kernel))
    }

    /// The next statement of a body.
    pub(crate) fn statement(&mut self) -> Result<Statement<'a>, Wrong> {
        self.skip_blank();
        let line = self.line;
        let text = match self.rest.as_bytes().first() {
            None => return Err("the text ends in a kernel".to_owned()),
            Some(b'{') => {
                self.skip(1);
                Piece::Open
            }
            Some(b'}') => {
                self.skip(1);
                Piece::Close
            }
            Some(_) => {
                let end = self.rest.find([';', ':', ' ', '\t', '\n']);
                let end = end.unwrap_or(self.rest.len());
                if self.rest[end..].starts_with(':') && !self.rest[end..].starts_with("::") {
                    let label = self.skip(end);
                    self.skip(1);
                    Piece::Label(label)
                } else {
                    let end = self.rest.find(';').ok_or("a statement has no end")?;
                    let words = self.skip(end);
                    self.skip(1);
                    Piece::Words(words.trim())
                }
            }
        };
        Ok(Statement { line, text })
    }
}

/// Cuts at commas that are in no brackets.
pub(crate) fn operands(text: &str) -> Vec<&str> {
    let mut depth = 0;
    let cut = |c: char| {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    let parts = text.split(cut).map(str::trim);
    parts.filter(|part| !part.is_empty()).collect()
}

/// A number as PTX writes it, as the bits of one of so many bits.
pub(crate) fn literal(text: &str, bits: u32) -> Option<u64> {
    let value = if let Some(hex) = text.strip_prefix("0f").or(text.strip_prefix("0F")) {
        u32::from_str_radix(hex, 16).ok()?.into()
    } else {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let digits = digits.trim_end_matches('U');
        let value = match digits.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        if negative {
            value.wrapping_neg()
        } else {
            value
        }
    };
    Some(value & (u64::MAX >> (64 - bits)))
}
