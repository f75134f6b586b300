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
        ("é.*a.{80}", ""),
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
        ("true", "the schema at `#` allows anything, and no depth is given"),
        ("false", "there is no text that the schema allows"),
        ("3", "at `#` is no schema"),
        ("{}", "the schema at `#` allows anything, and no depth is given"),
        (r#"{"type": "text"}"#, "`type` at `#` is `text`, which is none"),
        (r#"{"type": "string", "pattern": "a(?=b)"}"#, "`pattern` at `#` with a look around is not done here"),
        (r#"{"type": "array", "items": {"not": {"type": "null"}}}"#, "the keyword `not` at `#/items` is not done here"),
        (r#"{"enum": []}"#, "there is no text that the schema allows"),
        (r##"{"$ref": "#/$defs/a"}"##, "`$ref` at `#` leads to no definition: `#/$defs/a`"),
        (
            r##"{"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "items": {"$ref": "#/$defs/a"}}}}"##,
            "`$ref` at `#/items` is recursive: `#/$defs/a` is part of itself, and no depth is given",
        ),
        (r#"{"type": "object", "required": ["a"]}"#, "`required` at `#` has `a`, which is not described"),
        (r#"{"type": "array"}"#, "the schema at `#/items` allows anything, and no depth is given"),
        (r#"{"type": "string", "minLength": 2.5}"#, "`minLength` at `#` is 2.5, expected a whole number"),
        (r#"{"type": "string", "minLength": 2, "maxLength": 1}"#, "`maxLength` at `#` is below `minLength`"),
        (
            r#"{"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 3}]}"#,
            "`oneOf` at `#` has choices that may both hold, 0 and 1; anyOf may",
        ),
        (r#"{"type": "integer", "minimum": 3, "maximum": 2}"#, "there is no text that the schema allows"),
    ] {
        assert_eq!(refused(schema), format!("Constraint::json_schema: {message}"));
    }
    // Whatever is written of a choice, what counts is what the others allow.
    let integers = r#"{"type": "array", "items": {"type": "integer"}, "minItems": 1}"#;
    let tagged = |tag: &str| {
        format!(r#"{{"type": "object", "properties": {{"is": {{"const": "{tag}"}}}}, "required": ["is"]}}"#)
    };
    for (first, second, is_exclusive) in [
        (r#"{"enum": [1.5e-9]}"#, r#"{"type": "number", "minimum": 0, "maximum": 1}"#, false),
        (r#"{"enum": [2, "a"]}"#, r#"{"type": "number", "exclusiveMinimum": 2}"#, true),
        (r#"{"enum": [1.5]}"#, r#"{"type": "integer"}"#, true),
        (
            r#"{"type": "number", "minimum": 1.2e-7, "maximum": 1.8e-7}"#,
            r#"{"type": "number", "minimum": 0, "maximum": 0.5}"#,
            false,
        ),
        (r#"{"type": "integer", "maximum": 2}"#, r#"{"type": "number", "exclusiveMinimum": 2}"#, true),
        (r#"{"type": "number", "maximum": 2}"#, r#"{"type": "number", "minimum": 2}"#, false),
        (r#"{"type": "string", "format": "date"}"#, r#"{"const": "x"}"#, false),
        (r#"{"type": "string", "pattern": "x", "minLength": 3}"#, r#"{"const": "aax"}"#, false),
        (r#"{"type": "string", "pattern": "^a"}"#, r#"{"type": "string", "pattern": "^b"}"#, true),
        (r#"{"type": "string", "maxLength": 2}"#, r#"{"type": "string", "minLength": 3}"#, true),
        (integers, r#"{"type": "array", "items": {"type": "string"}}"#, true),
        (integers, r#"{"type": "array", "items": {"type": "string"}, "prefixItems": [{"type": "integer"}]}"#, false),
        (integers, r#"{"type": "array", "items": {"type": "integer"}, "maxItems": 0}"#, true),
        (&tagged("a"), &tagged("b"), true),
        (&tagged("a"), r#"{"type": "object", "properties": {}, "additionalProperties": false}"#, true),
        (&tagged("a"), r#"{"type": "object", "properties": {}}"#, false),
    ] {
        for (a, b) in [(first, second), (second, first)] {
            let schema = format!("{{\"oneOf\": [{a}, {b}]}}");
            assert_eq!(Constraint::json_schema(&schema, &bytes).is_ok(), is_exclusive, "{schema}");
        }
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
    assert!(refused(&" ".repeat(300_000)).contains("a schema of 300000 bytes"));
    let choices = |length| format!("{{\"anyOf\": [{}{{}}]}}", format!("{{\"maxLength\": {length}}},").repeat(40));
    let all: Vec<String> = (1..9).map(choices).collect();
    assert!(refused(&format!("{{\"allOf\": [{}]}}", all.join(","))).contains("choices of choices"));
    let nothings = bomb.replace(r#"{"type": "integer"}"#, "false");
    assert!(refused(&format!("{{\"oneOf\": [{nothings}, {nothings}]}}")).len() < 500);
    // Lists in lists in definitions in definitions: as deep as anything is followed.
    let (open, close) = (r#"{"type": "array", "items": "#.repeat(100), "}".repeat(100));
    let mut definitions = r#""d0": {"type": "integer"}"#.to_string();
    for i in 1..60 {
        definitions.push_str(&format!(", \"d{i}\": {open}{{\"$ref\": \"#/$defs/d{}\"}}{close}", i - 1));
    }
    let deep = format!("{{\"$ref\": \"#/$defs/d59\", \"$defs\": {{{definitions}}}}}");
    assert!(refused(&deep).contains("schemas in schemas"), "{}", refused(&deep));
    for depth in [0, 1, 2, 3, 400] {
        let anything = Constraint::json_schema_to_depth("{}", depth, &bytes).unwrap();
        assert!(anything.matches("3") && anything.matches("[[]]") == (depth > 1), "{depth}");
    }
}

/// Random schemas with texts that `jsonschema` has judged (`tests/golden/make_schemas.py`).
#[test]
fn what_schemas_let_through_is_valid() {
    let bytes = BpeTokenizer::bytes();
    let cases = include_str!("../../golden/schemas.json");
    let cases: Vec<serde_json::Value> = serde_json::from_str(cases).unwrap();
    let (mut refused, mut seen, mut missed) = (0, 0, 0);
    for case in &cases {
        let schema = case["schema"].as_str().unwrap();
        let Ok(constraint) = Constraint::json_schema_to_depth(schema, 2, &bytes) else {
            refused += 1;
            continue;
        };
        let matches = |text: &&serde_json::Value| constraint.matches(text.as_str().unwrap());
        let invalid = case["invalid"].as_array().unwrap().iter().find(matches);
        assert_eq!(invalid, None, "{schema}");
        let valid = case["valid"].as_array().unwrap();
        let matched = valid.iter().filter(matches).count();
        (seen, missed) = (seen + matched, missed + valid.len() - matched);
    }
    // Not made: properties that are not described, trees that are deeper, letters like \u{e9} for `\w`, which is ASCII.
    assert!(cases.len() == 120 && refused < 19 && seen > 505 && missed < 13, "{refused} {seen} {missed}");
}
