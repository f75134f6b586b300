//! The grammar of the stories that the examples learn from: what it writes it accepts, and nothing else.

#[allow(dead_code)]
#[path = "../../examples/stories/mod.rs"]
mod stories;

use std::collections::HashSet;

use demotic::{Result, Rng};
use stories::{Language, Quality, corpus, sentences};

fn quality(title: &str, story: &str, language: Language, read: &HashSet<&str>) -> Result<Quality> {
    Ok(Quality::of(title, story, &language.grammar()?, read))
}

#[test]
fn what_the_grammar_writes_has_no_fault() -> Result<()> {
    for language in Language::ALL {
        let grammar = language.grammar()?;
        let mut rng = Rng::seed(7);
        let (mut titles, mut quality, mut seen) = (HashSet::new(), Quality::default(), HashSet::new());
        for _ in 0..300 {
            let text = grammar.story(&mut rng);
            let Some((title, story)) = text.split_once('\n') else { panic!("no title: {text}") };
            assert_eq!(sentences(story).len(), grammar.num_sentences(), "{story}");
            quality += Quality::of(title, story, &grammar, &HashSet::new());
            seen.extend(sentences(story).into_iter().map(str::to_string));
            titles.insert(title.to_string());
        }
        assert_eq!((quality.whole, quality.stories), (300, 300), "{quality}");
        assert_eq!(quality.sentences, 300 * grammar.num_sentences());
        assert_eq!(
            (quality.known, quality.accepted, quality.in_keeping, quality.new),
            (quality.words, quality.sentences, quality.sentences, quality.sentences)
        );
        // There are so many that hardly any comes twice.
        assert!(titles.len() > 280 && seen.len() > quality.sentences * 9 / 10, "{} {}", titles.len(), seen.len());
    }
    Ok(())
}

/// What a prompt has that the stories have not, for `text_generation --load`.
#[path = "../../examples/text_generation/starts.rs"]
mod starts;

#[test]
fn words_that_no_story_has_are_told() -> Result<()> {
    for known in [
        "",
        "The story of",
        "The story of Nora the fox and the lost lantern",
        "the story of otto",
        "小熊",
        "《小熊豆包和",
        "《小熊豆包和不见了的望远镜》",
        starts::TITLES[0],
        starts::TITLES[1],
    ] {
        assert_eq!(starts::unknown(known)?, None, "{known}");
    }
    let told = starts::unknown("The story of Mia the fox and the lost lantern")?.unwrap();
    assert!(
        told.starts_with("`Mia` is not in its stories. Their titles are put together from\n  Mila, Nora, "),
        "{told}"
    );
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines.len() == 6 && lines[2].contains("hedgehog") && lines[3].contains("telescope"), "{told}");
    assert!(starts::unknown("Once upon a time, a dragon")?.unwrap().starts_with("`dragon` is not"));
    let told = starts::unknown("《小熊大壮和不见了的望远镜》")?.unwrap();
    assert!(told.contains("豆包, 米拉") && told.ends_with(starts::TITLES[1]), "{told}");
    // Titles that it writes are known, and a model of them can tell their stories.
    for language in Language::ALL {
        let grammar = language.grammar()?;
        let story = grammar.story(&mut Rng::seed(3));
        assert_eq!(starts::unknown(story.lines().next().unwrap())?, None);
        assert_eq!(grammar.of_titles().len(), 3);
    }
    Ok(())
}

#[test]
fn other_sentences_are_refused() -> Result<()> {
    let english = Language::English.grammar()?;
    assert!(english.accepts("She sat down by the fence and felt so sad."));
    for wrong in [
        "",
        "She sat down by the fence and felt so sad",
        "she sat down by the fence and felt so sad.",
        "She sat down by the fence and felt so so sad.",
        "She sat down by the fence and felt so sad. ",
        "She sat down by and felt so sad.",
        "She sat down by the fence and felt so fence.",
        "Otto was so sad that she went and sat by the fence.",
        // Heroes are no helpers, and helpers are no heroes.
        "From that day on, Otto and Otto went swimming every spring.",
        "Otto the fox and Gustav the fox became good friends and went swimming every spring.",
        // The thing is not the one for the wish.
        "“My kite has sunk into the mud, and now I cannot bake an apple cake on market day,” said Otto the fox.",
    ] {
        assert!(!english.accepts(wrong), "{wrong}");
    }
    let chinese = Language::Chinese.grammar()?;
    assert!(chinese.accepts("豆包坐在路边，心里非常难过。"));
    for wrong in [
        "豆包坐在路边，心里非常难过",
        "豆包坐在，心里非常难过。",
        "从前，大海边住着一只勇敢的小马，大家都叫它小马豆包。",
    ] {
        assert!(!chinese.accepts(wrong), "{wrong}");
    }
    Ok(())
}

#[test]
fn stories_that_forget_who_they_are_about() -> Result<()> {
    let text = "Once upon a time, Ida the fox lived by the sea. She had only one wish: to count the stars on market day. \
                One Monday, the telescope was gone: it had sunk into the mud.";
    let read = HashSet::from(["Once upon a time, Ida the fox lived by the sea."]);
    let title = "The story of Ida the fox and the lost telescope";
    let right = quality(title, text, Language::English, &read)?;
    // It has no end.
    assert_eq!((right.sentences, right.accepted, right.in_keeping, right.new, right.whole), (3, 3, 3, 2, 0));
    for (from, to) in [
        ("Ida", "Pia"),
        ("fox", "hare"),
        ("She", "He"),
        ("telescope was", "kite was"),
        ("count the stars", "sew a warm coat"),
    ] {
        let wrong = quality(title, &text.replace(from, to), Language::English, &read)?;
        assert_eq!((wrong.accepted, wrong.in_keeping), (3, 2), "{to}");
    }
    // Words that are none, and a sentence that is none.
    let wrong = quality(title, &text.replace("wish", "wosh\u{fffd}"), Language::English, &read)?;
    assert_eq!((wrong.words, wrong.known, wrong.accepted), (right.words + 1, right.words - 1, 2));
    // The right sentences in a wrong order.
    let mut backwards = sentences(text);
    backwards.reverse();
    let wrong = quality(title, &backwards.join(" "), Language::English, &read)?;
    assert_eq!((wrong.accepted, wrong.in_keeping), (3, 1));
    Ok(())
}

#[test]
fn sentences_end_outside_of_quotes() {
    assert_eq!(
        sentences("“Why? Oh!” he said. “No.”\nA title\n他说：“不。”好！"),
        ["“Why? Oh!” he said.", "“No.”", "A title", "他说：“不。”好！"]
    );
    assert!(sentences(" \n\n").is_empty());
}

#[test]
fn a_corpus_has_both_languages_and_is_always_the_same() -> Result<()> {
    let text = corpus(&Language::ALL, 20_000, 1)?;
    assert_eq!(text, corpus(&Language::ALL, 20_000, 1)?);
    assert_ne!(text, corpus(&Language::ALL, 20_000, 2)?);
    let (chinese, english): (Vec<&str>, Vec<&str>) = text.split_terminator("\n\n").partition(|s| s.starts_with('《'));
    for stories in [chinese, english] {
        let bytes: usize = stories.iter().map(|story| story.len() + 2).sum();
        assert!((20_000..22_000).contains(&bytes), "{bytes}");
    }
    assert!(corpus(&[], 1000, 1)?.is_empty() && corpus(&Language::ALL, 0, 1)?.is_empty());
    let e = corpus(&Language::ALL, usize::MAX, 1).unwrap_err();
    assert_eq!(e.message(), format!("stories: {} bytes of stories are more than 1073741824", usize::MAX));
    Ok(())
}
