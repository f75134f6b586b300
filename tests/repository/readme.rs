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
