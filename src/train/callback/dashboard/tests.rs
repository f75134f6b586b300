//! The dashboard on a terminal that is none.

use ratatui::backend::TestBackend;

use super::*;

fn report(step: u64, loss: f64) -> StepReport {
    StepReport {
        step,
        epoch: 1 + step as usize / 10,
        loss,
        mean_loss: loss,
        learning_rate: 0.001,
        seconds: step as f64,
        examples: 32,
        tokens: None,
    }
}

fn record(step: u64, loss: f64) -> Epoch {
    Epoch {
        epoch: step as usize / 10,
        step,
        train_loss: loss,
        validation_loss: Some(2.0 * loss),
        metrics: vec![("accuracy".to_string(), 1.0 - loss)],
        learning_rate: 0.001,
        seconds: 1.0,
    }
}

fn shown(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw::draw(view, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(line).collect()
}

#[test]
fn a_run_is_shown_as_it_goes_on() {
    let plan = Plan { epochs: 4, steps: 40, by_steps: false, evaluates_steps: false };
    let mut view = View::new(plan, 0);
    let before = shown(&view, 100, 30);
    assert!(before[1].contains("epoch 1, step 0/40, 0:00"), "{before:#?}");
    assert!(!before.iter().any(|line| line.contains("metrics")));
    for step in 1..=20 {
        view.step(&report(step, 1.0 / step as f64), 32, "examples");
        if step % 10 == 0 {
            view.measured(&record(step, 1.0 / step as f64));
        }
    }
    (view.elapsed, view.memory) = (3661.0, (3 << 20, 5 << 20));
    view.say("first line\nsecond line");
    let lines = shown(&view, 100, 30);
    let text = lines.join("\n");
    for part in [
        "epoch 3, step 20/40, 1:01:01, 1:01:01 left",
        " loss ",
        " metrics ",
        "learning rate 1.000e-3",
        "0 examples/s",
        "memory 3.0 MiB, most 5.0",
        "training 0.0500",
        "validation 0.1000",
        "accuracy 0.9500",
        // What is longer than the box goes on in the next line.
        "epoch 2, step 20: loss 0.0500, validation 0.1000, accuracy ",
        "│  0.9500 ",
        "second line",
        "q ends it",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    // The curve falls from the left: the highest dots of the loss stand in its first quarter.
    let dots = |line: &str| line.chars().take(58).position(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
    let highest = lines.iter().find_map(|line| dots(line)).unwrap();
    assert!(highest < 20, "{text}");
}

/// What matters most stays longest when the terminal becomes smaller, and nothing is drawn over something else.
#[test]
fn small_terminals_show_what_matters_most() {
    let mut view = View::new(Plan { epochs: 4, steps: 40, by_steps: false, evaluates_steps: false }, 0);
    for step in 1..=20 {
        view.step(&report(step, 1.0 / step as f64), 32, "examples");
    }
    view.measured(&record(20, 0.05));
    for (width, height, parts) in [
        (80, 24, &["step 20/40", " loss ", " metrics ", "validation 0.1000", " messages ", "accuracy 0.9500"][..]),
        (40, 24, &["step 20/40", " loss ", " run ", "validation 0.1000"]),
        (80, 16, &["step 20/40", " loss ", " metrics ", " run ", "learning rate", " messages "]),
        (40, 12, &["step 20/40", " loss "]),
        (30, 6, &["step 20/40", "training 0.0500", "validation 0.1000"]),
        (30, 1, &["step 20/40"]),
    ] {
        let text = shown(&view, width, height).join("\n");
        for part in parts {
            assert!(text.contains(part), "no `{part}` at {width} by {height} in\n{text}");
        }
        assert_eq!(text.matches('┌').count(), text.matches('┘').count(), "{text}");
    }
    // A message that is longer than its box is wide goes on in the next line.
    view.say("one two three four five six seven eight nine ten eleven twelve");
    let text = shown(&view, 80, 24).join("\n");
    assert!(text.contains("│one two three") && text.contains("twelve"), "{text}");
}

#[test]
fn it_is_drawn_whatever_the_numbers_and_the_room() {
    let plan = Plan::default();
    let mut view = View::new(plan, 5);
    for value in [f64::NAN, f64::INFINITY, f64::MAX, f64::MIN, 0.0, 1e-300, -1e300] {
        view.step(&report(7, value), u64::MAX, "tokens");
        view.measured(&record(7, value));
        view.say(&"误差 ".repeat(100));
        for (width, height) in [(1, 1), (3, 40), (200, 2), (80, 24), (20, 10)] {
            assert_eq!(shown(&view, width, height).len(), usize::from(height));
        }
    }
    assert!(shown(&view, 100, 30)[1].contains("step 7, 0:00"));
}

#[test]
fn curves_and_messages_stay_small() {
    let mut curve = Curve::default();
    for step in 0..1_000_000 {
        curve.add(f64::from(step), f64::from(step) * 2.0);
    }
    assert!(curve.points().len() <= 1024 && curve.points().len() >= 400, "{}", curve.points().len());
    assert!(curve.points().iter().all(|(x, y)| *y == 2.0 * x));
    assert!(curve.points().is_sorted_by(|a, b| a.0 < b.0));
    let mut view = View::new(Plan::default(), 0);
    for i in 0..1000 {
        view.say(&i.to_string());
    }
    assert_eq!((view.messages.len(), view.messages[99].as_str()), (MESSAGES, "999"));
    for i in 0..10 {
        let metrics = (0..10).map(|m| (m.to_string(), 0.5)).collect();
        view.measured(&Epoch { metrics, ..record(i, 0.5) });
    }
    assert_eq!(view.metrics.len(), METRICS);
}

#[test]
fn keys_ask_for_the_end() {
    let key = |code, modifiers| KeyEvent::new(code, modifiers);
    let (none, control) = (KeyModifiers::NONE, KeyModifiers::CONTROL);
    assert_eq!(Wish::of(&key(KeyCode::Char('q'), none), false), Wish::End);
    assert_eq!(Wish::of(&key(KeyCode::Char('q'), none), true), Wish::End);
    assert_eq!(Wish::of(&key(KeyCode::Char('c'), control), false), Wish::End);
    assert_eq!(Wish::of(&key(KeyCode::Char('c'), control), true), Wish::EndAtOnce);
    assert_eq!(Wish::of(&key(KeyCode::Char('c'), none), true), Wish::Nothing);
    assert_eq!(Wish::of(&key(KeyCode::Enter, none), false), Wish::Nothing);
    let mut released = key(KeyCode::Char('q'), none);
    released.kind = KeyEventKind::Release;
    assert_eq!(Wish::of(&released, false), Wish::Nothing);
}

/// Tests have no terminal, so there is nothing to draw on.
#[test]
fn without_a_terminal_there_is_none() {
    if !io::IsTerminal::is_terminal(&stderr()) {
        assert!(Dashboard::open(Plan::default(), 0).is_none());
    }
}
