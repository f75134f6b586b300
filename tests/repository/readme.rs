//! The README's program is the one in `examples/readme.rs`, which is compiled with the tests and run by continuous
//! integration.

#[test]
fn the_program_of_the_readme() {
    let program = include_str!("../../examples/readme.rs");
    assert!(program.lines().count() <= 35, "{} lines", program.lines().count());
    assert!(include_str!("../../README.md").contains(program));
    let chinese: Vec<&str> = include_str!("../../README.zh.md").lines().filter(|line| !line.contains("//")).collect();
    for line in program.lines().filter(|line| !line.contains("//") && !line.contains("println!")) {
        assert!(chinese.contains(&line), "README.zh.md lacks `{line}`");
    }
}

/// Cargo turns on whatever any package of the workspace asks for, so that a feature of the tests would be compiled by those who run
/// an example.
#[test]
fn tests_and_benches_turn_on_no_more_features_than_the_examples() {
    let features = |manifest: &'static str| -> Vec<&str> {
        let line = manifest.lines().find(|line| line.starts_with("demotic = {")).unwrap();
        let list = line.split("features = [").nth(1).map_or("", |rest| rest.split(']').next().unwrap());
        list.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty()).collect()
    };
    let examples = features(include_str!("../../Cargo.toml"));
    for manifest in [include_str!("../Cargo.toml"), include_str!("../../benches/Cargo.toml")] {
        for name in features(manifest) {
            assert!(examples.contains(&name), "`{name}`");
        }
    }
}

#[test]
fn every_feature_is_named() {
    let (_, features) = include_str!("../../Cargo.toml").split_once("[features]\n").unwrap();
    let names = features.lines().take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once(" = ["));
    let names: Vec<&str> = names.map(|(name, _)| name).filter(|name| *name != "default").collect();
    assert!(names.contains(&"progress") && names.contains(&"tokenizers"), "{names:?}");
    for name in names {
        for (page, line) in [
            (include_str!("../../README.md"), format!("`{name}`")),
            (include_str!("../../README.zh.md"), format!("`{name}`")),
            (include_str!("../../src/lib.rs"), format!("//! | `{name}` |")),
        ] {
            assert!(page.contains(&line), "a page lacks {line}");
        }
    }
}
