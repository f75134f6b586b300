//! The notebooks are kept with what their cells have shown.

use serde_json::Value;

fn lines(value: &Value) -> String {
    match value {
        Value::Array(lines) => lines.iter().filter_map(Value::as_str).collect(),
        other => other.as_str().unwrap_or_default().to_string(),
    }
}

#[test]
fn every_cell_was_run_in_order_and_none_has_failed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/notebooks");
    let mut notebooks = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "ipynb") {
            continue;
        }
        notebooks += 1;
        let text = std::fs::read_to_string(&path).unwrap();
        let notebook: Value = serde_json::from_str(&text).unwrap();
        let cells = notebook["cells"].as_array().unwrap();
        let mut count = 0;
        for cell in cells.iter().filter(|cell| cell["cell_type"] == "code") {
            count += 1;
            let source = lines(&cell["source"]);
            assert_eq!(cell["execution_count"], count, "{source}");
            let outputs = cell["outputs"].as_array().unwrap();
            for output in outputs {
                assert!(
                    matches!(output["output_type"].as_str(), Some("execute_result" | "display_data" | "stream")),
                    "{source}: {output}"
                );
                assert!(output["name"] != "stderr", "{source}: {output}");
            }
            // What a cell ends with shows itself; statements do not. Commands of the kernel answer or do not.
            if !source.starts_with(':') {
                let speaks = !source.trim_end().ends_with(';') || source.contains("println!");
                assert_eq!(!outputs.is_empty(), speaks, "{source}");
            }
        }
        assert!(count > 3, "{}", path.display());
    }
    assert!(notebooks > 0);
}
