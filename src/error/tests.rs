use super::*;

#[test]
fn internal_errors_name_their_place() {
    let value = 3;
    let (e, line) = (bug!("matmul", "a matrix of {value} dimensions"), line!());
    assert_eq!(e.kind(), ErrorKind::Internal);
    let message = format!("matmul: internal error at {}:{line}: a matrix of 3 dimensions", file!());
    assert_eq!(e.message(), message);
    assert_eq!(e.help(), Some("this is a mistake in demotic itself: please report it with this message"));
}

#[test]
fn long_names_are_cut() {
    assert_eq!(short("区 b"), "区 b");
    assert_eq!(short("a\nb\u{1b}"), "a\\nb\\u{1b}");
    assert_eq!(short(&"ä".repeat(81)), "ä".repeat(80) + "…");
    assert_eq!(short(&"ä".repeat(80)), "ä".repeat(80));
    for letter in ["x", "ä", "区", "😀"] {
        let long = letter.repeat(5_000_000 / letter.len());
        let e = Error::argument("op", format!("before {long} after")).with_help(format!("do not {long}"));
        let (message, help) = (e.message(), e.help().unwrap().to_string());
        assert!(message.len() < 4100 && help.len() < 4100, "{} {}", message.len(), help.len());
        assert!(message.starts_with("op: before ") && message.ends_with(" after"), "{message}");
        assert!(message.contains(" bytes left out) … "), "{message}");
    }
    let longest = "y".repeat(4000);
    assert_eq!(Error::argument("op", longest.clone()).message(), format!("op: {longest}"));
}

#[test]
fn message_has_op_layer_place_and_help() {
    let e = Error::shape("matmul", "inner sizes differ, [32, 784] × [128, 10] (784 ≠ 128)")
        .with_help("Linear::new(in, out) takes the number of input features first")
        .in_layer("fc2")
        .in_layer("head");
    let line = line!() - 1;
    assert_eq!(
        e.to_string(),
        format!(
            "matmul: inner sizes differ, [32, 784] × [128, 10] (784 ≠ 128)\n  \
             in layer `head.fc2`, at {}:{line}\n  \
             help: Linear::new(in, out) takes the number of input features first",
            file!()
        )
    );
}
