//! The page that goes with a model: its header is YAML, nothing of a text becomes markup, and what nobody filled says so.

use demotic::card::{Energy, ModelCard};
use demotic::fairness::{Fairness, Groups};
use demotic::prelude::*;

#[test]
fn an_empty_card_says_that_nobody_has_filled_it() {
    let page = ModelCard::new("model").to_markdown();
    assert!(page.starts_with("---\nlibrary_name: demotic\n---\n\n# model\n"), "{page}");
    assert_eq!(page.matches("Not measured: nobody has").count(), 6);
    assert_eq!(page.matches("Not stated: nobody has written it down.").count(), 5);
    assert_eq!(page.matches("\n## ").count(), 11);
    assert_eq!(ModelCard::new("model").to_html().matches("nobody has").count(), 11);
}

#[test]
fn what_was_measured_is_there() -> Result<()> {
    let groups = Groups::named(["f", "f", "m", "m"])?;
    let found = Fairness::measure(&tensor![0.9, 0.2, 0.8, 0.7], &tensor![1, 0, 1, 0], &groups)?;
    let card = ModelCard::new("loans: \"first\"\n---\n")
        .license("apache-2.0")
        .language("en")
        .task("tabular-classification")
        .dataset("loans <b>")
        .tag("a: b")
        .data("| no | table | <script>alert(1)</script> `code` # [link](x)\nsecond line")
        .metric("ROC AUC", 0.75, None)
        .metric("broken", f64::NAN, None)
        .by_group("sex", &found)
        .energy(Energy::estimate(3600.0, 65.0)?.grid(350.0));
    let page = card.to_markdown();
    let header: Vec<&str> = page.split("\n---\n").next().unwrap().lines().collect();
    assert_eq!(
        header,
        [
            "---",
            "license: \"apache-2.0\"",
            "language: \"en\"",
            "library_name: demotic",
            "pipeline_tag: \"tabular-classification\"",
            "tags:",
            "- \"a: b\"",
            "datasets:",
            "- \"loans <b>\"",
            "model-index:",
            "- name: \"loans: \\\"first\\\"\\n---\\n\"",
            "  results:",
            "  - task:",
            "      type: \"tabular-classification\"",
            "    dataset:",
            "      name: \"loans <b>\"",
            "      type: \"loans <b>\"",
            "    metrics:",
            "    - type: \"roc_auc\"",
            "      value: 0.75",
            "      name: \"ROC AUC\"",
        ]
    );
    assert!(
        page.contains("\\| no \\| table \\| &lt;script>alert(1)&lt;/script> \\`code\\` \\# \\[link\\](x) second line"),
        "{page}"
    );
    assert!(page.contains("| m | 2 | 1.000 (0.342 to 1.000) |"), "{page}");
    assert!(page.contains("About 65.000 Wh, about 22.750 g of CO₂ at 350 g"), "{page}");
    let html = card.to_html();
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;") && html.contains("<td>f</td><td>2</td>"));
    assert!(html.contains("nobody has measured its power"));
    let folder = tempfile::tempdir().unwrap();
    card.save(folder.path().join("new"))?;
    assert_eq!(std::fs::read_to_string(folder.path().join("new/README.md")).unwrap(), page);
    assert!(Energy::estimate(-1.0, 65.0).is_err() && Energy::estimate(1.0, f64::NAN).is_err());
    Ok(())
}
