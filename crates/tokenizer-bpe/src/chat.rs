//! Chat templates.

/// A rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedChat {
    text: String,
    literal: Vec<usize>,
}

impl RenderedChat {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn literal(&self) -> &[usize] {
        &self.literal
    }
}
