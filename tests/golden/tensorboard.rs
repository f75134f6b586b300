//! Event files: TensorBoard shows what was written, and we read what TensorBoard writes. `make_tensorboard.py` made the answers.

use std::path::Path;

use demotic::prelude::*;
use demotic::train::tensorboard::{Event, EventValue, EventWriter, read_events};
use demotic::train::{Histogram, LrCurve};
use serde_json::{Value, json};

const TEXT: &str = "# Words\nwith *stars*, 误差 and a quote \"\n";

fn scalars() -> Vec<(u64, f64)> {
    vec![(0, 1.0), (1, 0.1), (2, -1e30), (3, 1e-30), (5, f64::NAN), (8, f64::INFINITY), (1 << 40, 7.0)]
}

fn grey() -> Tensor {
    tensor![[0.0, 0.5, 1.0], [2.0, -1.0, 0.2]]
}

fn colours() -> Tensor {
    Tensor::from_vec((0..12).map(|i| i as f32 / 11.0).collect(), [3, 2, 2]).unwrap()
}

/// So large that the picture takes several blocks.
fn large() -> Tensor {
    Tensor::from_vec((0..300 * 260).map(|i| (i % 251) as f32 / 255.0).collect(), [300, 260]).unwrap()
}

fn values() -> [Tensor; 2] {
    let spread: Vec<f32> = (0..100).map(|i| ((i * 37) % 101) as f32 / 10.0 - 3.0).collect();
    [Tensor::from_vec(spread, [100]).unwrap(), tensor![2.5, 2.5, f32::NAN]]
}

/// A run that was killed after step 12 and resumed from a checkpoint of step 10: two files.
fn write(folder: &Path) -> Result<[EventWriter; 2]> {
    let log = EventWriter::create(folder)?;
    for (step, value) in scalars() {
        log.scalar("numbers", step, value)?;
    }
    for step in 0..=12 {
        log.scalars(step, &[("loss/train", 1.0 / (step + 1) as f64), ("rate", 0.125)])?;
    }
    for (step, x) in (0..).zip(values()) {
        log.histogram("weights/0.weight", step, &Histogram::of(&x))?;
    }
    log.image("grey", 3, &grey())?;
    log.image("colours", 4, &colours())?;
    log.image("large", 5, &large())?;
    log.text("notes", 2, TEXT)?;
    let again = EventWriter::create(folder)?;
    again.resumed(10)?;
    for step in 11..=15 {
        again.scalar("loss/train", step, -(step as f64))?;
    }
    Ok([log, again])
}

fn answers(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/events").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: f64) -> Value {
    let single = f64::from(value as f32);
    if single.is_nan() {
        json!("nan")
    } else if single.is_infinite() {
        json!("inf")
    } else {
        json!(single)
    }
}

#[test]
fn tensorboard_shows_what_was_written() -> Result<()> {
    if let Ok(folder) = std::env::var("DEMOTIC_EVENTS") {
        write(Path::new(&folder))?;
        return Ok(());
    }
    let shown = answers("shown.json");
    let points = |points: Vec<(u64, f64)>| {
        Value::Array(points.into_iter().map(|(step, value)| json!([step, number(value)])).collect())
    };
    // Steps after the tenth are shown as the resumed run wrote them; of other curves they are left out.
    let before = (0..=10).map(|step| (step, 1.0 / (step + 1) as f64));
    let after = (11..=15).map(|step| (step, -(step as f64)));
    assert_eq!(shown["scalars"]["loss/train"], points(before.chain(after).collect()));
    assert_eq!(shown["scalars"]["rate"], points((0..=10).map(|step| (step, 0.125)).collect()));
    let numbers = scalars().into_iter().filter(|(step, _)| *step <= 10).collect();
    assert_eq!(shown["scalars"]["numbers"], points(numbers));

    for (step, x) in values().iter().enumerate() {
        let own = Histogram::of(x);
        let sums = [own.min, own.max, own.count as f64, own.sum, own.sum_squares];
        let theirs: Vec<f64> = shown["sums"]["weights/0.weight"][step]
            .as_array()
            .unwrap()
            .iter()
            .skip(1)
            .map(|value| value.as_f64().unwrap())
            .collect();
        assert_eq!(theirs, sums);
        // Left edge, right edge and count of what the page draws.
        let bins = shown["histograms"]["weights/0.weight"][step][1].as_array().unwrap();
        let bins: Vec<[f64; 3]> = bins.iter().map(|bin| [0, 1, 2].map(|i| bin[i].as_f64().unwrap())).collect();
        assert_eq!(bins.iter().map(|bin| bin[2]).sum::<f64>(), own.count as f64);
        if step == 0 {
            let counts: Vec<f64> = own.counts.iter().map(|count| *count as f64).collect();
            assert_eq!(bins.iter().map(|bin| bin[2]).collect::<Vec<_>>(), counts);
            for (bin, edges) in bins.iter().zip(own.edges.windows(2)) {
                assert!((bin[0] - edges[0]).abs() < 1e-9 && (bin[1] - edges[1]).abs() < 1e-9, "{bin:?} {edges:?}");
            }
        }
    }

    assert_eq!(shown["images"]["grey"], json!([[3, "L", [2, 3], [0, 128, 255, 255, 0, 51]]]));
    let pixel = |i: usize| ((i as f64 / 11.0) * 255.0).round() as u8;
    let colours: Vec<u8> = (0..4).flat_map(|place| [0, 1, 2].map(|channel| pixel(channel * 4 + place))).collect();
    assert_eq!(shown["images"]["colours"], json!([[4, "RGB", [2, 2, 3], colours]]));
    let large: Vec<u8> = (0..300 * 260).map(|i| (i % 251) as u8).collect();
    assert_eq!(shown["images"]["large"][0][2], json!([300, 260]));
    let sum: u64 = large.iter().zip(1..).map(|(byte, i)| u64::from(*byte) * i).sum();
    assert_eq!(shown["images"]["large"][0][3], json!(sum));
    let text = shown["texts"]["notes"][0][1].as_str().unwrap();
    assert_eq!(shown["texts"]["notes"][0][0], json!(2));
    assert!(text.contains("<h1>Words</h1>") && text.contains("<em>stars</em>") && text.contains("误差"), "{text}");
    Ok(())
}

#[test]
fn what_is_written_is_read_again() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let [log, again] = write(folder.path())?;
    let events = read_events(log.path())?;
    assert_eq!(events[0].value, EventValue::FileVersion("brain.Event:2".to_string()));
    let of = |tag: &str| events.iter().filter(|event| event.tag == tag).cloned().collect::<Vec<Event>>();
    for (event, (step, value)) in of("numbers").iter().zip(scalars()) {
        let EventValue::Scalar(read) = event.value else { panic!("{event:?}") };
        assert_eq!((event.step as u64, read.to_bits()), (step, f64::from(value as f32).to_bits()));
    }
    let own = Histogram::of(&values()[0]);
    let EventValue::Histogram(read) = &of("weights/0.weight")[0].value else { panic!() };
    assert_eq!((&read.edges, &read.counts, read.sum), (&own.edges, &own.counts, own.sum));
    let EventValue::Image { width, height, encoded } = &of("colours")[0].value else { panic!() };
    assert_eq!((*width, *height, &encoded[1..4]), (2, 2, &b"PNG"[..]));
    assert_eq!(of("notes")[0].value, EventValue::Text(TEXT.to_string()));
    for session in &read_events(again.path())?[1..3] {
        assert_eq!((session.step, &session.value), (11, &EventValue::SessionStart));
    }
    Ok(())
}

#[test]
fn files_of_tensorboard_are_read() -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/events/theirs/events.out.tfevents");
    let events = read_events(&path)?;
    let single = |x: f32| EventValue::Scalar(f64::from(x));
    let expected =
        [(1, "simple", single(0.1)), (2, "tensor", single(0.3)), (3, "text", EventValue::Text("grün".to_string()))];
    assert_eq!(events[0].value, EventValue::FileVersion("brain.Event:2".to_string()));
    for (event, (step, tag, value)) in events[1..].iter().zip(expected) {
        assert_eq!((event.step, event.tag.as_str(), &event.value), (step, tag, &value));
        assert_eq!(event.wall_time, 1_700_000_000.25 + step as f64);
    }
    let EventValue::Histogram(histogram) = &events[4].value else { panic!() };
    assert_eq!(
        (events[4].step, &histogram.edges[..], &histogram.counts[..]),
        (-4, &[-1.0, 0.0, 1.0, 3.0][..], &[1, 0, 3][..])
    );
    assert_eq!((histogram.mean(), histogram.deviation()), (1.25, (11.0f64 / 4.0 - 1.25 * 1.25).sqrt()));
    assert_eq!(events[5].value, EventValue::Image { width: 3, height: 2, encoded: b"png".to_vec() });
    assert_eq!((events[5].step, events[6].step, &events[6].value), (1 << 40, 7, &EventValue::SessionStart));
    assert_eq!(events.len(), 7);
    Ok(())
}

#[test]
fn histograms_are_those_of_numpy() -> Result<()> {
    let answers = answers("histograms.json");
    let cases = answers["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let list = |name: &str| -> Vec<f64> {
            case[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let values = list("values");
        let values = Tensor::from_vec(values.iter().map(|x| *x as f32).collect(), [values.len()])?;
        let (counts, edges) = (list("counts"), list("edges"));
        let own = Histogram::with_bins(&values, counts.len())?;
        assert_eq!(own.counts.iter().map(|count| *count as f64).collect::<Vec<_>>(), counts);
        for (own, edge) in own.edges.iter().zip(&edges) {
            assert!((own - edge).abs() <= 1e-12 * edges[0].abs().max(edges[counts.len()].abs()), "{own} {edge}");
        }
    }
    Ok(())
}

#[test]
fn a_learning_rate_is_suggested_where_others_do() {
    for case in answers("rates.json").as_array().unwrap() {
        let losses = &case["losses"];
        let rates: Vec<usize> = (0..losses.as_array().unwrap().len()).collect();
        let curve: LrCurve =
            serde_json::from_value(json!({"rates": rates, "losses": losses, "smoothed": losses})).unwrap();
        assert_eq!(curve.suggestion(), case["place"].as_f64());
    }
    let none: LrCurve = serde_json::from_value(json!({"rates": [], "losses": [], "smoothed": []})).unwrap();
    assert_eq!(none.suggestion(), None);
}
