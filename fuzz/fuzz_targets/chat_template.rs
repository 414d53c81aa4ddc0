//! Templates out of pieces of the language, on conversations that try to speak in control tokens.

#![no_main]

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use tokenizer_bpe::{ChatTemplate, Conversation, LocalTime, Message, Tokenizer, Value};
use worker_orcd_fuzz::vocabularies::Vocabulary;

/// What templates are made of.
const PIECES: [&str; 88] = [
    "{{",
    "}}",
    "{%",
    "%}",
    "{%-",
    "-%}",
    "{{-",
    "-}}",
    "{#",
    "#}",
    "for",
    "in",
    "if",
    "else",
    "elif",
    "endfor",
    "endif",
    "set",
    "endset",
    "macro",
    "endmacro",
    "call",
    "endcall",
    "filter",
    "endfilter",
    "block",
    "break",
    "continue",
    "not",
    "and",
    "or",
    "is",
    "defined",
    "string",
    "mapping",
    "none",
    "m",
    "x",
    "ns",
    "messages",
    "m.content",
    "m['role']",
    "message",
    "loop",
    "loop.index0",
    "loop.last",
    "loop.previtem",
    "namespace(x=0)",
    "ns.x",
    "range(9)",
    "range(",
    "raise_exception(",
    "strftime_now('%d')",
    "tools",
    "bos_token",
    "add_generation_prompt",
    "[",
    "]",
    "(",
    ")",
    "{",
    "}",
    ":",
    ",",
    ".",
    "|",
    "~",
    "+",
    "-",
    "*",
    "/",
    "//",
    "**",
    "%",
    "==",
    "<",
    "=",
    "'a'",
    "\"b\"",
    "1",
    "9223372036854775807",
    "0.5",
    "tojson",
    "trim",
    "length",
    "|replace('a', 'bb')",
    "[::-1]",
    ".split('a')",
];
/// Whole statements, so that programs run as well as parse.
const STATEMENTS: [&str; 16] = [
    "{% for m in messages %}",
    "{% endfor %}",
    "{% if m %}",
    "{% endif %}",
    "{{ m.content }}",
    "{{ messages[0].content }}",
    "{% set x = x ~ m.content %}",
    "{% set x = 'a' * 9 %}",
    "{% set ns = namespace(x=1) %}",
    "{% set ns.x = ns.x * 2 %}",
    "{% macro f(x) %}",
    "{% endmacro %}",
    "{{ f(x) }}",
    "{% for i in range(99) %}",
    "{{ x|tojson }}",
    "{{ m|string }}",
];
const CONTENTS: [&str; 8] = [
    "",
    "a",
    "aa bb",
    "</s>",
    "<|a|><|",
    "\u{fdd0}<|a|>",
    "é ▁ {{ x }}",
    "<s><s>",
];
const CHAT: &str = "{{ bos_token }}{% for m in messages %}<|a|>{{ m.role }}\n{{ m.content|trim }}\
                    </s>{% endfor %}";

static TOKENIZER: LazyLock<Tokenizer> =
    LazyLock::new(|| Vocabulary::byte_level("qwen2").tokenizer());

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Bytes that do not suffice for all choices are no input.
    let _ = run(&mut Unstructured::new(bytes));
});

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let conversation = conversation(u)?;
    if u.ratio(1_u8, 8)? {
        check_injection(&conversation);
        return Ok(());
    }
    let source = source(u)?;
    if let Ok(template) = ChatTemplate::new(&source, "<s>", "</s>")
        && let Ok(chat) = template.render(&TOKENIZER, &conversation)
    {
        assert!(chat.text().len() <= 4 << 20);
        assert!(TOKENIZER.encode_chat(&chat).is_ok());
    }
    Ok(())
}

/// The template writes one control token, and two for each message; a message never writes one.
fn check_injection(conversation: &Conversation) {
    let template = ChatTemplate::new(CHAT, "<s>", "</s>");
    let rendered = template.and_then(|template| template.render(&TOKENIZER, conversation));
    let ids = rendered.and_then(|chat| TOKENIZER.encode_chat(&chat));
    let Ok(ids) = ids else {
        panic!("{conversation:?}: {ids:?}");
    };
    let controls = ids.iter().filter(|&&id| TOKENIZER.is_control(id)).count();
    assert_eq!(
        controls,
        1 + 2 * conversation.messages.len(),
        "{conversation:?}"
    );
}

fn conversation(u: &mut Unstructured<'_>) -> Result<Conversation> {
    let mut messages = Vec::new();
    for _ in 0..u.int_in_range(0..=2_u8)? {
        let mut message = Message::new(*u.choose(&["user", "system", "<|a|>"])?, text(u)?);
        if u.ratio(1_u8, 16)? {
            let parts = vec![Value::Null, Value::Int(i128::MAX), Value::String(text(u)?)];
            message
                .extra
                .push(("tool_calls".to_owned(), Value::List(parts)));
        }
        messages.push(message);
    }
    let now = LocalTime {
        year: 2024,
        month: 7,
        day: 26,
        hour: 1,
        minute: 2,
        second: 3,
    };
    Ok(Conversation {
        messages,
        add_generation_prompt: u.arbitrary()?,
        now: u.arbitrary::<bool>()?.then_some(now),
        ..Conversation::default()
    })
}

fn text(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(if u.ratio(3_u8, 4)? {
        (*u.choose(&CONTENTS)?).to_owned()
    } else {
        u.arbitrary()?
    })
}

/// The rest of the bytes: each a piece, a statement or itself.
fn source(u: &mut Unstructured<'_>) -> Result<String> {
    let mut source = String::new();
    while !u.is_empty() {
        let byte: u8 = u.arbitrary()?;
        match usize::from(byte) {
            at if at < STATEMENTS.len() => source += STATEMENTS[at],
            at if at >= 128 && at - 128 < PIECES.len() => {
                source += PIECES[at - 128];
                source.push(' ');
            }
            at if at < 128 => source.push(char::from(byte)),
            at => source.push(char::from_u32(at as u32 * 97).unwrap_or(' ')),
        }
    }
    Ok(source)
}
