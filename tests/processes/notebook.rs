//! What shows itself in a notebook, by the lines that the Rust kernel of Jupyter (`evcxr`) looks for in the output of a cell.
#![cfg(unix)]

use std::process::Command;

use demotic::data::{Column, Table};
use demotic::prelude::*;
use demotic::train::plot::{Chart, Heatmap};
use demotic::train::{History, Report};

use crate::roles;

fn history() -> Result<History> {
    let mut rng = Rng::seed(1);
    let x = Tensor::normal([20, 2], 0.0, 1.0, &mut rng)?;
    let data = TensorDataset::new(x.clone(), x.sum_dims(&[1], true)?)?;
    let mut model = Linear::new(2, 1, &mut rng)?;
    Trainer::new(losses::mse, Sgd::new(0.01)).epochs(3).fit(&mut model, &data, &mut rng)
}

/// A text that would end what is shown, and would be markup, if it were taken for that.
const HOSTILE: &str = "x\nEVCXR_END_CONTENT\n<script>";

fn cells(role: &str) -> Result<()> {
    let table =
        Table::from_columns([("area", Column::from([86.5, 51.0])), ("street", Column::from(["1 < 2", HOSTILE]))])?;
    match role {
        "tensor" => Tensor::from_vec(vec![1.5f32, -2.0], [1, 2])?.evcxr_display(),
        "table" => table.evcxr_display(),
        "history" => history()?.evcxr_display(),
        "chart" => Chart::new(HOSTILE).line("one", [1.0, 2.0, 4.0]).evcxr_display(),
        "heatmap" => Heatmap::new("Squares", &Tensor::from_vec(vec![1.0f32, 2.0, 3.0, 4.0], [2, 2])?)?.evcxr_display(),
        "report" => Report::new("Houses").data(&table, None).evcxr_display(),
        other => panic!("{other}"),
    }
    Ok(())
}

/// What a notebook takes from the output of a cell, as the kernel reads it: of each kind of content, the last that was shown.
fn read(output: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    let mut lines = output.lines();
    while let Some(line) = lines.next() {
        let Some((_, kind)) = line.split_once("EVCXR_BEGIN_CONTENT ") else { continue };
        let content: Vec<&str> = lines.by_ref().take_while(|line| *line != "EVCXR_END_CONTENT").collect();
        found.retain(|(known, _)| known != kind);
        found.push((kind.to_string(), content.join("\n")));
    }
    found
}

#[test]
fn everything_shows_itself_whole() -> Result<()> {
    if let Some((role, _)) = roles::role() {
        return cells(&role);
    }
    let folder = tempfile::tempdir().unwrap();
    let history = history()?.summary();
    let expected: [(&str, &[&str]); 6] = [
        ("tensor", &["<pre style=\"font-family:monospace\">[[ 1.5, -2.0]]\n[1, 2] f32</pre>"]),
        ("table", &["<td", ">86.5", "1 &lt; 2", "&lt;script&gt;", "</table>", "[2 rows × 2 columns]"]),
        (
            "history",
            &["<pre style=\"font-family:monospace\">epoch    loss", &history, "<svg", "</svg>", "<title>Loss</title>"],
        ),
        ("chart", &["<svg", "</svg>", "&lt;script&gt;"]),
        ("heatmap", &["<svg", "</svg>", "Squares"]),
        ("report", &["<iframe", "srcdoc=\"&lt;!DOCTYPE html&gt;", "86.5", "</iframe>"]),
    ];
    for (role, parts) in expected {
        let program = Command::new(std::env::current_exe().unwrap());
        let test = "notebook::everything_shows_itself_whole";
        let out = roles::command(program, test, role, folder.path()).output().unwrap();
        assert!(out.status.success(), "{role}: {}", String::from_utf8_lossy(&out.stderr));
        let found = read(&String::from_utf8(out.stdout).unwrap());
        let [(kind, content)] = &found[..] else { panic!("{role}: {found:?}") };
        assert_eq!(kind, "text/html", "{role}");
        for part in parts {
            assert!(content.contains(part), "{role}: no {part} in {content}");
        }
        assert!(!content.contains("<script"), "{role}: {content}");
    }
    Ok(())
}
