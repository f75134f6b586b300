//! Continuations that expressions and schemas describe.

use demotic::models::{BeamSearch, Constraint, FinishReason, Generate, GenerateOptions, TokenConstraint};
use demotic::prelude::*;
use demotic::text::{BpeTokenizer, CharTokenizer, Sampler, Tokenizer};

use super::running::llama_of;

fn options(tokens: usize) -> GenerateOptions {
    GenerateOptions::new().max_new_tokens(tokens)
}

/// Tokens that rise.
#[derive(Debug)]
struct Rising;

impl TokenConstraint for Rising {
    fn start(&self) -> u64 {
        0
    }
    fn forbidden(&self, place: u64, _vocab: usize, tokens: &mut Vec<i64>) {
        tokens.extend(0..place as i64);
    }
    fn advance(&self, _place: u64, token: i64) -> u64 {
        token as u64 + 1
    }
    fn may_end(&self, _place: u64) -> bool {
        true
    }
}

fn options_rising(end: i64) -> GenerateOptions {
    options(60).end_tokens(&[end, end]).constraint(Rising)
}

fn constrained(pattern: &str, seed: u64) -> (String, FinishReason) {
    let bytes = BpeTokenizer::bytes();
    let model = llama_of(bytes.vocab_size(), 1, 5);
    let options = options(60).constraint(Constraint::regex(pattern, &bytes).unwrap());
    let text = model.generate_text(&bytes, "x", &options, &mut Rng::seed(seed)).unwrap();
    (text.text, text.finish)
}

#[test]
fn expressions_hold() {
    for seed in 0..5 {
        let (text, finish) = constrained("(?:ab|ac){3}!", seed);
        assert_eq!((text.len(), finish), (7, FinishReason::Complete));
        let (text, finish) = constrained("[α-ω]{4,6}。", seed);
        assert!(
            finish == FinishReason::Complete && text.ends_with('。') && (5..=7).contains(&text.chars().count()),
            "{text}"
        );
    }
    assert_eq!(constrained("", 1), (String::new(), FinishReason::Complete));
    let (text, finish) = constrained("[0-9]*", 1);
    assert_eq!((text.len(), finish), (60, FinishReason::MaxNewTokens));
    // Tokens that are longer than what may come are none; the end only where it is complete.
    let words = CharTokenizer::fit(["abc"]).unwrap().with_special_tokens(&["<end>"]).unwrap();
    let end = words.id("<end>").unwrap();
    let model = llama_of(words.vocab_size(), 1, 5);
    let constraint = Constraint::regex("(?:abc)+", &words).unwrap();
    let options = options(60).end_tokens(&[end]).constraint(constraint.clone());
    for seed in 0..20 {
        let text = model.generate_text(&words, "c", &options, &mut Rng::seed(seed)).unwrap();
        assert!(matches!(text.finish, FinishReason::EndToken(_) | FinishReason::MaxNewTokens));
        assert!(
            !text.text.is_empty() && text.text.len().is_multiple_of(3) && constraint.matches(&text.text),
            "{text:?}"
        );
    }
    // A draft makes no difference to what is allowed.
    let draft = llama_of(words.vocab_size(), 1, 6);
    let spec = model.speculate(&draft, 4, &[0], &options, &mut Rng::seed(1)).unwrap();
    let ids: Vec<i64> = spec.map(|t| t.unwrap().id).collect();
    assert!(constraint.matches(&words.decode(&ids).unwrap()), "{ids:?}");
    // A constraint of one's own, whose ends are the options' business.
    let rising = options_rising(end);
    let ids = model.generate(&[0], &rising, &mut Rng::seed(1)).unwrap();
    assert!(ids.tokens.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    let e = model.beam_search(&[0], &BeamSearch::new(2).unwrap(), &rising.sampler(Sampler::new())).unwrap_err();
    assert_eq!(e.message(), "beam_search: there is a constraint, but beams do not follow it");
    // Nothing goes on.
    let e = model
        .generate_text(
            &words,
            "c",
            &GenerateOptions::new().constraint(Constraint::regex("abcd", &words).unwrap()),
            &mut Rng::seed(0),
        )
        .unwrap_err();
    assert_eq!(e.message(), "generate: after 3 tokens, no token goes on as the constraint wants it");
    let stop = GenerateOptions::new().constraint(constraint).stop_text("ca").max_new_tokens(9);
    let text = model.generate_text(&words, "c", &stop, &mut Rng::seed(0)).unwrap();
    assert_eq!((text.text.as_str(), text.finish), ("ab", FinishReason::StopText(0)));
}

#[test]
fn expressions_that_cannot_be() {
    let bytes = BpeTokenizer::bytes();
    for (pattern, message) in [
        ("[a&&b]", "[a&&b]: there is no text that it matches"),
        ("a$b", "a$b: there is no text that it matches"),
        ("(", "(: error: unclosed group"),
        ("a{1000}{1000}{1000}", ""),
        ("(?:.{500}|.{501}){300}", ""),
        (r"\bé", ""),
        (&"(".repeat(3000), ""),
        (&"a".repeat(1 << 19), "an expression of 524288 bytes, expected 262144 at most"),
    ] {
        let e = Constraint::regex(pattern, &bytes).unwrap_err();
        assert!(e.message().len() < 700 && e.message().starts_with("Constraint::regex: "));
        assert!(message.is_empty() || e.message() == format!("Constraint::regex: {message}"), "{}", e.message());
    }
}

#[test]
fn schemas_hold() {
    let bytes = BpeTokenizer::bytes();
    let schema = r##"{ "$schema": "x", "title": "t", "type": "object",
        "properties": {
            "z": { "enum": ["a.b", 1, null, true, 1.5, {"k": [1]}] },
            "a": { "type": ["integer", "null"] },
            "list": { "type": "array", "items": { "$ref": "#/$defs/item" }, "minItems": 1, "maxItems": 3 },
            "o": { "anyOf": [{ "type": "string", "minLength": 2, "maxLength": 3 }, { "const": "é\"" }, { "type": "boolean" }] },
            "n": { "type": "number" } },
        "required": ["a", "o"], "additionalProperties": false,
        "$defs": { "item": { "type": "object", "properties": { "x": { "type": "number" } } } } }"##;
    let constraint = Constraint::json_schema(schema, &bytes).unwrap();
    for yes in [
        r#"{"a": null, "o": true}"#,
        r#"{"z": "a.b", "a": -12, "list": [{}, {"x": 1.5e-3}], "o": "ab", "n": 0}"#,
        r#"{"z": {"k": [1]},"a": 0,"o":"é\""}"#,
        r#"{"a": 1, "o": "\n\u00e9é"}"#,
    ] {
        assert!(constraint.matches(yes), "{yes}");
    }
    for no in [
        "",
        "{}",
        r#"{"a": 01, "o": true}"#,
        r#"{"o": true, "a": 1}"#,
        r#"{"a": 1, "o": "abcd"}"#,
        r#"{"a": 1, "o": true, "list": [{}]}"#,
        r#"{"a": 1, "list": [], "o": true}"#,
        r#"{"a": 1, "o": "\ud800a"}"#,
        r#"{"a": 1, "o": true,}"#,
        r#"{"z": "axb", "a": 1, "o": true}"#,
    ] {
        assert!(!constraint.matches(no), "{no}");
    }
    let model = llama_of(bytes.vocab_size(), 1, 5);
    let mut complete = 0;
    for seed in 0..12 {
        let options = options(150).constraint(constraint.clone());
        let text = model.generate_text(&bytes, "x", &options, &mut Rng::seed(seed)).unwrap();
        if text.finish == FinishReason::Complete {
            complete += 1;
            let value: serde_json::Value = serde_json::from_str(&text.text).expect(&text.text);
            assert!(value["a"].is_null() || value["a"].is_i64() || value["a"].is_number(), "{value}");
        }
    }
    assert!(complete > 0);
    let refused = |schema: &str| Constraint::json_schema(schema, &bytes).unwrap_err().message();
    for (schema, message) in [
        ("{", "the schema is not JSON: EOF while parsing an object at line 1 column 1"),
        ("true", "a schema is an object, and `true` or `false` are none that a text can be made by"),
        ("{}", "a schema without `type`, `enum`, `const`, `anyOf` or `$ref` allows anything"),
        (r#"{"type": "text"}"#, "there is no type `text`"),
        (r#"{"type": "string", "pattern": "a"}"#, "the keyword `pattern` of schemas is not done here"),
        (r#"{"enum": []}"#, "there is nothing to choose from"),
        (r##"{"$ref": "#/$defs/a"}"##, "there is no definition `#/$defs/a`"),
        (
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}"##,
            "the schema is recursive: `#/$defs/a` is part of itself, and texts have no greatest depth",
        ),
        (r#"{"type": "object", "required": ["a"]}"#, "the property `a` is required, but not described"),
        (r#"{"type": "array"}"#, "an array needs `items`"),
        (r#"{"type": "string", "minLength": 2.5}"#, "`minLength` is 2.5, expected a whole number"),
        (r#"{"type": "string", "minLength": 2, "maxLength": 1}"#, "`maxLength` is below `minLength`"),
    ] {
        assert_eq!(refused(schema), format!("Constraint::json_schema: {message}"));
    }
    // What becomes large is refused, and soon.
    let mut definitions = r#""d0": {"type": "integer"}"#.to_string();
    for i in 1..60 {
        let r = format!("{{\"$ref\": \"#/$defs/d{}\"}}", i - 1);
        definitions.push_str(&format!(", \"d{i}\": {{\"anyOf\": [{r}, {r}, {r}]}}"));
    }
    let bomb = format!("{{\"$ref\": \"#/$defs/d59\", \"$defs\": {{{definitions}}}}}");
    assert!(refused(&bomb).contains("262144 bytes"), "{}", refused(&bomb));
    refused(r#"{"type": "string", "maxLength": 1000000}"#);
    refused(r#"{"type": "string", "maxLength": 99999999999999999999999999}"#);
    refused(&"[".repeat(100_000));
}
