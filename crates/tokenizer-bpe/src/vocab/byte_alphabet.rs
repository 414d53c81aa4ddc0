//! The alphabet in which byte-level vocabularies spell bytes: printable Latin-1 characters stand
//! for themselves, the other 68 bytes for U+0100 and up, in order.

/// First code point of those that stand for bytes without a printable character.
const SHIFTED: u32 = 0x100;

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF)
}

static CHARS: [char; 256] = {
    let mut chars = ['\0'; 256];
    let mut shifted = SHIFTED;
    let mut byte = 0;
    while byte < 256 {
        chars[byte] = if is_printable(byte as u8) {
            byte as u8 as char
        } else {
            shifted += 1;
            match char::from_u32(shifted - 1) {
                Some(c) => c,
                None => '\0',
            }
        };
        byte += 1;
    }
    chars
};

/// Bytes of the characters from [`SHIFTED`] on.
static SHIFTED_BYTES: [u8; 68] = {
    let mut bytes = [0; 68];
    let mut at = 0;
    let mut byte = 0;
    while byte < 256 {
        if !is_printable(byte as u8) {
            bytes[at] = byte as u8;
            at += 1;
        }
        byte += 1;
    }
    bytes
};

/// The character that stands for `byte`.
pub(crate) fn char_of_byte(byte: u8) -> char {
    CHARS[usize::from(byte)]
}

/// The byte that `c` stands for, if any.
pub(crate) fn byte_of_char(c: char) -> Option<u8> {
    match u32::from(c).checked_sub(SHIFTED) {
        None => u8::try_from(c).ok().filter(|byte| is_printable(*byte)),
        Some(at) => SHIFTED_BYTES.get(at as usize).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        for byte in 0..=255 {
            assert_eq!(byte_of_char(char_of_byte(byte)), Some(byte));
        }
        assert_eq!(char_of_byte(b' '), 'Ġ');
        assert_eq!(char_of_byte(b'\n'), 'Ċ');
        assert_eq!(byte_of_char('い'), None);
        assert_eq!(byte_of_char(' '), None);
        assert_eq!(
            ('\0'..=char::MAX)
                .filter(|c| byte_of_char(*c).is_some())
                .count(),
            256
        );
    }
}
