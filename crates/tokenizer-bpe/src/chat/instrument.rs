//! Rewrites a template so that everything it builds is charged to a budget.
//!
//! The engine counts steps but not bytes: forty steps that double a string would take a tebibyte.
//! So each operand of `+` and `~`, each result of a call or a filter and each list is passed
//! through a filter, [`CHARGE`], that counts its size, and `*` becomes a filter, [`TIMES`].
//! `a + b.c()` becomes `((a)|__charge + (b.c()|__charge)|__charge)`. What the template means
//! does not change. On the way `{% generation %}`, a mark for training, becomes `{% if true %}`.

/// The filter that charges a value and returns it.
pub(super) const CHARGE: &str = "__charge";
/// The filter that charges as many bytes as it is given and returns an empty text.
pub(super) const CHARGE_TEXT: &str = "__charge_text";
/// The filter that multiplies.
pub(super) const TIMES: &str = "__times";
/// Text outside tags is charged from this length on.
const LONG_TEXT: usize = 256;
/// Brackets within brackets.
const MAX_DEPTH: usize = 64;
/// Tokens in one tag; the engine walks through long chains recursively.
const MAX_TOKENS: usize = 1_000;
/// `elif` after `elif`, for the same reason.
const MAX_ELIFS: usize = 100;

/// A template with charges.
pub(super) struct Instrumented {
    pub(super) source: String,
    /// Bytes of the longest text outside tags that is not charged.
    pub(super) longest_text: usize,
}

/// Rewrites `source`; the error says what is wrong with it.
pub(super) fn instrument(source: &str) -> Result<Instrumented, String> {
    let mut out = Instrumented {
        source: String::with_capacity(2 * source.len()),
        longest_text: 0,
    };
    let mut rest = source;
    let mut elifs = 0;
    while let Some((text, kind, tag)) = next_tag(rest) {
        out.push_text(text);
        rest = match kind {
            b'#' => {
                let end = tag.find("#}").ok_or("a comment has no end")? + 2;
                out.source.push_str(&tag[..end]);
                &tag[end..]
            }
            b'{' => rewrite_tag(tag, "}}", &mut out.source)?,
            _ => match raw_block(tag)? {
                Some(end) => {
                    out.source.push_str(&tag[..end]);
                    out.longest_text = out.longest_text.max(end);
                    &tag[end..]
                }
                None => {
                    elifs = match keyword(tag) {
                        "elif" => elifs + 1,
                        "endif" => 0,
                        _ => elifs,
                    };
                    if elifs > MAX_ELIFS {
                        return Err("there are too many elif in a row".to_owned());
                    }
                    rewrite_tag(tag, "%}", &mut out.source)?
                }
            },
        };
    }
    out.push_text(rest);
    Ok(out)
}

impl Instrumented {
    /// Writes text with a charge in it. Between two characters that are no white space the charge
    /// changes nothing about what tags trim around them.
    fn push_text(&mut self, text: &str) {
        let blank = |at: usize| text.as_bytes()[at].is_ascii_whitespace();
        let solid = |at: &usize| text.is_char_boundary(*at) && !blank(*at) && !blank(at - 1);
        // A brace would read as the charge's own.
        let apart = |at: &usize| !text[..*at].ends_with('{') && !text[*at..].starts_with('}');
        let place = (1..text.len()).find(|at| solid(at) && apart(at));
        match place.filter(|_| text.len() >= LONG_TEXT) {
            Some(at) => {
                self.source.push_str(&text[..at]);
                self.source
                    .push_str(&format!("{{{{ {}|{CHARGE_TEXT} }}}}", text.len()));
                self.source.push_str(&text[at..]);
            }
            None => {
                self.source.push_str(text);
                self.longest_text = self.longest_text.max(text.len());
            }
        }
    }
}

/// The text before the next tag, the tag's second character, and all from the tag on.
fn next_tag(rest: &str) -> Option<(&str, u8, &str)> {
    let mut from = 0;
    loop {
        let at = from + rest.get(from..)?.find('{')?;
        match rest.as_bytes().get(at + 1) {
            Some(kind @ (b'{' | b'%' | b'#')) => return Some((&rest[..at], *kind, &rest[at..])),
            _ => from = at + 1,
        }
    }
}

/// The first word of the tag that `tag` begins with.
fn keyword(tag: &str) -> &str {
    let body = tag
        .get(2..)
        .unwrap_or_default()
        .trim_start_matches(['-', '+'])
        .trim_start();
    let end = body
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(body.len());
    &body[..end]
}

/// How long the block is if `tag` begins `{% raw %}`: it holds no tags.
fn raw_block(tag: &str) -> Result<Option<usize>, &'static str> {
    if keyword(tag) != "raw" {
        return Ok(None);
    }
    let mut at = 0;
    while let Some(found) = tag.get(at + 2..).and_then(|rest| rest.find("{%")) {
        at += 2 + found;
        if keyword(&tag[at..]) == "endraw" {
            let end = tag[at..].find("%}").ok_or("{% endraw has no end")?;
            return Ok(Some(at + end + 2));
        }
    }
    Err("a raw block has no end")
}

/// Writes the tag that `tag` begins with to `out` and returns what follows it.
fn rewrite_tag<'s>(tag: &'s str, end: &str, out: &mut String) -> Result<&'s str, String> {
    let (open, body) = tag.split_at(2);
    let control = usize::from(body.starts_with(['-', '+']));
    let (control, body) = body.split_at(control);
    let (tokens, rest) = tokenize(body, end)?;
    out.push_str(open);
    out.push_str(control);
    out.push(' ');
    let mut writer = Writer {
        tokens: &tokens,
        wraps: true,
        depth: 0,
    };
    if end == "%}" {
        let keyword = writer.next().unwrap_or_default();
        out.push_str(match keyword {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => keyword,
        });
        out.push(' ');
        // What looks like a call in these declares or names something.
        writer.wraps = !matches!(keyword, "macro" | "call" | "filter" | "block" | "do");
    }
    out.push_str(&writer.sequence(None)?);
    let closing = rest.find(end).ok_or("a tag has no end")? + end.len();
    out.push_str(&rest[..closing]);
    Ok(&rest[closing..])
}

/// The tokens of a tag, and the rest from the tag's end on.
fn tokenize<'s>(body: &'s str, end: &str) -> Result<(Vec<&'s str>, &'s str), String> {
    let mut tokens = Vec::new();
    let mut depth = 0_usize;
    let mut rest = body.trim_start();
    loop {
        let unsigned = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        if depth == 0 && unsigned.starts_with(end) {
            return Ok((tokens, rest));
        }
        let c = rest.chars().next().ok_or("a tag has no end")?;
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.checked_sub(1).ok_or("a bracket closes nothing")?,
            _ => {}
        }
        let (token, tail) = rest.split_at(token_length(rest, c)?);
        tokens.push(token);
        if tokens.len() > MAX_TOKENS {
            return Err("a tag is too long".to_owned());
        }
        rest = tail.trim_start();
    }
}

fn token_length(rest: &str, c: char) -> Result<usize, String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    if c == '"' || c == '\'' {
        let mut escaped = false;
        let close = rest.char_indices().skip(1).find(|(_, next)| {
            let closes = *next == c && !escaped;
            escaped = *next == '\\' && !escaped;
            closes
        });
        return Ok(close.ok_or("a string has no end")?.0 + 1);
    }
    if c.is_ascii_digit() {
        let mut length = word(rest);
        let fraction = rest[length..]
            .strip_prefix('.')
            .filter(|f| f.starts_with(is_word));
        length += fraction.map_or(0, |fraction| 1 + word(fraction));
        if rest[..length].ends_with(['e', 'E']) && rest[length..].starts_with(['-', '+']) {
            length += 1 + word(&rest[length + 1..]);
        }
        return Ok(length);
    }
    if is_word(c) {
        return Ok(word(rest));
    }
    let double = ["**", "//", "==", "!=", "<=", ">="]
        .iter()
        .any(|two| rest.starts_with(two));
    Ok(if double { 2 } else { c.len_utf8() })
}

/// Binary operators by rising precedence.
const OPERATORS: [&[&str]; 4] = [&["+", "-"], &["~"], &["*", "/", "//", "%"], &["**"]];
/// Words that end an operand rather than begin one.
const KEYWORDS: [&str; 7] = ["and", "or", "not", "in", "is", "if", "else"];

fn begins_operand(token: &str) -> bool {
    let first = token.chars().next().unwrap_or(' ');
    let is_word = first.is_alphanumeric() || first == '_';
    matches!(first, '"' | '\'' | '(' | '[' | '{') || is_word && !KEYWORDS.contains(&token)
}

struct Writer<'t, 's> {
    tokens: &'t [&'s str],
    /// Whether results of calls and lists are charged.
    wraps: bool,
    depth: usize,
}

impl<'s> Writer<'_, 's> {
    fn peek(&self) -> Option<&'s str> {
        self.tokens.first().copied()
    }

    fn next(&mut self) -> Option<&'s str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    /// All up to `closing`, which is left, or up to the end.
    fn sequence(&mut self, closing: Option<&str>) -> Result<String, String> {
        let mut out = String::new();
        while self.peek() != closing {
            let token = self.peek().ok_or("a bracket is not closed")?;
            if begins_operand(token) || matches!(token, "-" | "+") {
                out.push_str(&self.arithmetic(0)?);
            } else {
                self.next();
                out.push_str(token);
            }
            out.push(' ');
        }
        Ok(out)
    }

    fn arithmetic(&mut self, level: usize) -> Result<String, String> {
        let Some(operators) = OPERATORS.get(level) else {
            return self.signed();
        };
        let first = self.arithmetic(level + 1)?;
        if !self.peek().is_some_and(|token| operators.contains(&token)) {
            return Ok(first);
        }
        let builds = operators.contains(&"+") || operators.contains(&"~");
        let charge = |operand: &str| match builds {
            true => format!("({operand})|{CHARGE}"),
            false => operand.to_owned(),
        };
        let mut chain = charge(&first);
        while let Some(operator) = self.peek().filter(|token| operators.contains(token)) {
            self.next();
            let right = self.arithmetic(level + 1)?;
            chain = match operator {
                "*" => format!("({chain})|{TIMES}({right})"),
                _ => format!("{chain} {operator} {}", charge(&right)),
            };
        }
        Ok(format!("({chain})"))
    }

    fn signed(&mut self) -> Result<String, String> {
        let mut signs = String::new();
        while let Some(sign) = self.peek().filter(|token| matches!(*token, "-" | "+")) {
            self.next();
            signs.push_str(sign);
        }
        let operand = self.operand()?;
        Ok(if signs.is_empty() {
            operand
        } else {
            format!("({signs}{operand})")
        })
    }

    fn operand(&mut self) -> Result<String, String> {
        let mut text = match self.peek() {
            Some("(") => self.group()?,
            Some("[" | "{") => {
                let list = self.group()?;
                self.charged(list)
            }
            Some(token) if begins_operand(token) => self.next().unwrap_or_default().to_owned(),
            _ => return Err("an operand is missing".to_owned()),
        };
        while let Some(token) = self.peek() {
            match token {
                "." => {
                    self.next();
                    text.push('.');
                    text.push_str(self.next().unwrap_or_default());
                }
                "[" => text.push_str(&self.group()?),
                "(" => {
                    text.push_str(&self.group()?);
                    text = self.charged(text);
                }
                "|" => {
                    self.next();
                    text = format!("{text}|{}", self.next().unwrap_or_default());
                    if self.peek() == Some("(") {
                        text.push_str(&self.group()?);
                    }
                    text = self.charged(text);
                }
                "is" => text = format!("{text} {}", self.test()?),
                _ => break,
            }
        }
        Ok(text)
    }

    /// `is [not] name [argument]`
    fn test(&mut self) -> Result<String, String> {
        let mut text = self.next().unwrap_or_default().to_owned();
        let mut name = self.next().unwrap_or_default();
        if name == "not" {
            text.push_str(" not");
            name = self.next().unwrap_or_default();
        }
        text = format!("{text} {name}");
        match self.peek() {
            Some("(") => text.push_str(&self.group()?),
            Some(token) if begins_operand(token) => {
                text = format!("{text} {}", self.operand()?);
            }
            _ => {}
        }
        Ok(text)
    }

    /// A bracket, what it holds, and the bracket that closes it.
    fn group(&mut self) -> Result<String, String> {
        let (open, close) = match self.next() {
            Some("[") => ("[", "]"),
            Some("{") => ("{", "}"),
            _ => ("(", ")"),
        };
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err("brackets are nested too deeply".to_owned());
        }
        let inner = self.sequence(Some(close))?;
        self.next();
        self.depth -= 1;
        Ok(format!("{open}{inner}{close}"))
    }

    /// Adds the charge; in parentheses where more follows that would read as part of its name.
    fn charged(&self, text: String) -> String {
        match self.peek() {
            _ if !self.wraps => text,
            Some("." | "[" | "(") => format!("({text}|{CHARGE})"),
            _ => format!("{text}|{CHARGE}"),
        }
    }
}
