//! Chat templates against `transformers` (see `golden/make_chat.py`), and those that nobody vouches for.

use demotic::ErrorKind;
use demotic::text::{ChatTemplate, Message};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    tools: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    source: String,
    messages: Vec<Message>,
    reply: bool,
    text: Option<String>,
}

#[test]
fn conversations_are_written_as_transformers_writes_them() {
    let Golden { tools, cases } = serde_json::from_str(include_str!("tokenizers/chat.json")).unwrap();
    assert_eq!(cases.len(), 32);
    for Case { source, messages, reply, text } in cases {
        let template =
            ChatTemplate::new(&source).unwrap().with_token("bos_token", "<s>").with_token("eos_token", "</s>");
        let template = template.with_json("tools", &tools).unwrap();
        let template = template.with_json("enable_thinking", &reply.to_string()).unwrap().at_time(1_709_210_096);
        assert_eq!(template.render(&messages, reply).ok(), text, "{source}\n{messages:?}");
    }
}

/// What a template says of a conversation.
fn refused(source: &str) -> String {
    let result = ChatTemplate::new(source).and_then(|template| template.render(&[Message::user("ab")], true));
    let e = result.unwrap_err();
    assert!(matches!(e.kind(), ErrorKind::Format | ErrorKind::Argument), "{e}");
    e.message()
}

#[test]
fn templates_end_in_time_and_memory() {
    let many = "render: line 1 of the template: it computes more than it may";
    let loops = "{% for a in range(9999) %}{% for b in range(9999) %}{% if a %}{% endif %}{% endfor %}{% endfor %}";
    assert_eq!(refused(loops), "render: the template takes more than 2000000 steps");
    for source in [
        "{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}",
        "{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}",
        "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('aa') }}",
        "{% for i in range(99999) %}{{ 'a' ~ messages[0].content ~ range(99)|join }}{% endfor %}",
        "{% set n = namespace(x='a') %}{% for i in range(99) %}{% set n.x = n.x.replace('a', n.x ~ 'a') %}{% endfor %}",
    ] {
        assert_eq!(refused(source), many, "{source}");
    }
    let block = "{% set n = namespace(x='aa') %}{% for i in range(99) %}{% set b %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = b %}{% endfor %}";
    assert_eq!(refused(block), many);
    assert_eq!(refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").split(':').next(), Some("render"));
    assert!(refused("{% set n = namespace() %}{% set n.n = n %}{{ n }}").contains("more than 32 deep"));
    assert_eq!(refused("{{ 'a' * 99999999 }}"), "ChatTemplate::new: `*` is not done in templates of conversations");
    assert_eq!(refused("{{é}}"), "ChatTemplate::new: line 1 of the template: unexpected character");
    let e = refused("{{ [][::0] }}");
    assert!(e.contains("the step of a slice is 0"), "{e}");
    let deep = format!("{{{{ {}1 }}}}", "[".repeat(200));
    assert_eq!(refused(&deep), "ChatTemplate::new: line 1 of the template: template exceeds maximum recursion limits");
    let joined = format!("{{{{ '' {} }}}}", "~ 'a'".repeat(101));
    assert_eq!(refused(&joined), "ChatTemplate::new: a tag joins 102 texts, expected 100 at most");
    assert_eq!(refused(&"a".repeat(1 << 19)), "ChatTemplate::new: 524288 bytes, expected 262144 at most");
}

#[test]
fn templates_read_nothing_else() {
    for keyword in ["include", "import", "extends", "from"] {
        let message = format!("ChatTemplate::new: `{keyword}` reads other templates, and there are none");
        assert_eq!(refused(&format!("{{% {keyword} '/etc/passwd' %}}")), message);
    }
    assert_eq!(
        refused("{% call f() %}{% endcall %}"),
        "ChatTemplate::new: there is no `call` in templates of conversations"
    );
    assert_eq!(refused("{{ raise_exception('no ' + messages[0].role) }}"), "render: line 1 of the template: no user");
    assert_eq!(refused("{{ strftime_now('%Q') }}"), "render: line 1 of the template: strftime_now has no `%Q`");
    assert!(refused("{% if %}").starts_with("ChatTemplate::new: line 1 of the template: "));
    assert!(refused("{{ messages[0].content.format(1) }}").starts_with("render: line 1 of the template: "));
    let e = ChatTemplate::new("").unwrap().with_json("tools", "[").unwrap_err();
    assert!(e.message().starts_with("with_json: `tools` is not JSON: "));
}

#[test]
fn no_changed_template_makes_anything_panic() {
    let Golden { cases, .. } = serde_json::from_str(include_str!("tokenizers/chat.json")).unwrap();
    let mut rng = demotic::Rng::seed(3);
    let pieces =
        ["{%", "%}", "{{", "}}", "-", "'", "\"", "set", "(", "|", "endset", "{#", "é", "\\", "=", "for", ",", "raw"];
    let mut made = 0;
    for round in 0..600 {
        let mut source: Vec<char> = cases[round % cases.len()].source.chars().collect();
        for _ in 0..=rng.below(4) {
            let at = rng.below(source.len());
            match rng.below(3) {
                0 => _ = source.remove(at),
                1 => drop(source.splice(at..at, pieces[rng.below(pieces.len())].chars())),
                _ => drop(source.drain(at..(at + rng.below(9)).min(source.len()))),
            }
        }
        let source: String = source.into_iter().collect();
        if let Ok(template) = ChatTemplate::new(&source) {
            let _ = template.render(&[Message::user("a b"), Message::assistant("c")], true);
            made += 1;
        }
    }
    assert!(made > 50, "{made}");
}
