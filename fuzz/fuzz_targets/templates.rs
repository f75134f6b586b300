//! Any text as a chat template, as an expression and as a JSON schema: an error, or something that works in bounds.
#![no_main]

use demotic::models::{Constraint, TokenConstraint};
use demotic::text::{BpeTokenizer, ChatTemplate, Message};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(template) = ChatTemplate::new(text) {
        let template = template.with_token("bos_token", "<s>");
        for messages in [&[][..], &[Message::system("a"), Message::user("b c\n"), Message::assistant("é")]] {
            if let Ok(written) = template.render(messages, true) {
                assert!(written.len() < 1 << 30);
            }
        }
    }
    let bytes = BpeTokenizer::bytes();
    for constraint in [Constraint::regex(text, &bytes), Constraint::json_schema(text, &bytes)].into_iter().flatten() {
        // Whatever is allowed leads on, until the end is.
        let mut place = constraint.start();
        for step in 0..64 {
            let mut forbidden = Vec::new();
            constraint.forbidden(place, 256, &mut forbidden);
            let allowed = (0..256).filter(|token| forbidden.binary_search(token).is_err()).nth(step % 3);
            let first = (0..256).find(|token| forbidden.binary_search(token).is_err());
            match allowed.or(first) {
                Some(token) => place = constraint.advance(place, token),
                None => {
                    assert!(constraint.may_end(place));
                    break;
                }
            }
        }
    }
});
