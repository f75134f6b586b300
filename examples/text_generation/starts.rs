//! Which stories a model can tell.

use demotic::Result;

use super::stories::{Language, words};

/// A title in each language, which are not in the corpus.
pub const TITLES: [&str; 2] = ["The story of Nora the fox and the lost lantern", "《小熊豆包和不见了的望远镜》"];

/// Of a prompt with words that the stories have not, which these are, and which titles there are.
pub fn unknown(prompt: &str) -> Result<Option<String>> {
    let grammars = [Language::English.grammar()?, Language::Chinese.grammar()?];
    let mut strange: Vec<&str> =
        words(prompt).filter(|word| !grammars.iter().any(|grammar| grammar.knows(word))).collect();
    // Chinese names are made of characters that everything else is made of.
    let title = prompt.trim();
    if title.starts_with('《') && title.ends_with('》') && !grammars[1].accepts(title) {
        strange.push(title);
    }
    strange.dedup();
    if strange.is_empty() {
        return Ok(None);
    }
    let chinese = strange.iter().any(|word| word.contains(|c: char| ('\u{4e00}'..='\u{9fff}').contains(&c)));
    let known: Vec<String> = grammars[usize::from(chinese)].of_titles().iter().map(|all| all.join(", ")).collect();
    Ok(Some(format!(
        "`{}` is not in its stories. Their titles are put together from\n  {}\nas in\n  {}",
        strange.join("`, `"),
        known.join("\n  "),
        TITLES[usize::from(chinese)],
    )))
}
