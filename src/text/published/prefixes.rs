//! Texts by their beginnings.

/// Finds those of many texts with which another begins.
#[derive(Debug, Clone)]
pub(super) struct Prefixes {
    /// In the order of their bytes, each with what it stands for.
    texts: Vec<(Box<str>, u32)>,
    /// By first byte, which of these begin with it.
    ranges: Box<[(u32, u32); 256]>,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { texts: Vec::new(), ranges: Box::new([(0, 0); 256]) }
    }
}

impl Prefixes {
    /// Of a text that is there twice, the last one counts. The empty text is left out.
    pub(super) fn new<'t>(texts: impl Iterator<Item = (&'t str, u32)>) -> Self {
        let mut texts: Vec<(Box<str>, u32)> =
            texts.filter(|(text, _)| !text.is_empty()).map(|(text, value)| (text.into(), value)).collect();
        crate::order::sort_by(&mut texts, |a, b| a.0.cmp(&b.0));
        texts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = next.1;
            }
            same
        });
        let mut ranges = Box::new([(0, 0); 256]);
        for (at, (text, _)) in (0..).zip(&texts) {
            let range: &mut (u32, u32) = &mut ranges[usize::from(text.as_bytes()[0])];
            if range.1 == 0 {
                range.0 = at;
            }
            range.1 = at + 1;
        }
        Self { texts, ranges }
    }

    /// Calls `found` with the length of each text at the beginning of others, the shortest first, and what it stands for.
    pub(super) fn each(&self, bytes: &[u8], mut found: impl FnMut(usize, u32)) {
        let Some(first) = bytes.first() else { return };
        let (low, high) = self.ranges[usize::from(*first)];
        let mut texts = &self.texts[low as usize..high as usize];
        for length in 1.. {
            // The one that ends here is before those that go on.
            if let [(text, value), rest @ ..] = texts
                && text.len() == length
            {
                found(length, *value);
                texts = rest;
            }
            let Some(next) = bytes.get(length).filter(|_| !texts.is_empty()) else { return };
            let start = texts.partition_point(|(text, _)| text.as_bytes()[length] < *next);
            let end = start + texts[start..].partition_point(|(text, _)| text.as_bytes()[length] == *next);
            texts = &texts[start..end];
        }
    }

    /// Where the first of the texts is in another from a byte on, of those at one place the longest: its beginning, its
    /// length, and what it stands for.
    pub(super) fn find(&self, text: &str, from: usize) -> Option<(usize, usize, u32)> {
        if self.texts.is_empty() {
            return None;
        }
        let bytes = text.as_bytes();
        (from..bytes.len()).filter(|at| self.ranges[usize::from(bytes[*at])].1 > 0).find_map(|at| {
            let mut longest = None;
            self.each(&bytes[at..], |length, value| longest = Some((at, length, value)));
            longest
        })
    }
}
