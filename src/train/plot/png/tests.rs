use super::*;

#[test]
fn dashes_go_round_corners() {
    let line = [(0.0, 0.0), (5.0, 0.0), (5.0, 6.0)];
    assert_eq!(dashes(&line, &[]), [line.to_vec()]);
    assert_eq!(dashes(&line, &[4.0, 2.0]), [vec![(0.0, 0.0), (4.0, 0.0)], vec![(5.0, 1.0), (5.0, 5.0)]]);
    assert_eq!(dashes(&line, &[6.0, 2.0])[0], [(0.0, 0.0), (5.0, 0.0), (5.0, 1.0)]);
    assert!(dashes(&[], &[1.0, 1.0])[0].is_empty());
}

/// The share of dark in a picture of pixels.
fn paper(items: Vec<Item>) -> Paper {
    let mut paper = Paper { columns: 40, rows: 20, scale: PIXELS, rgb: vec![255; 3 * 40 * 20] };
    items.iter().for_each(|item| paper.draw(item));
    paper
}

#[test]
fn areas_cover_what_they_should() {
    let square = vec![(1.0, 1.0), (4.0, 1.0), (4.0, 3.0), (1.0, 3.0)];
    let filled = paper(vec![Item::Area { points: square, paint: Paint::Ink, opacity: 1.0 }]);
    let dark = |p: &Paper, x: usize, y: usize| p.rgb[3 * (y * 40 + x)];
    assert_eq!(
        [dark(&filled, 2, 2), dark(&filled, 7, 5), dark(&filled, 1, 2), dark(&filled, 8, 5)],
        [26, 26, 255, 255]
    );
    // Both directions, one over the other, do not cancel out; half a pixel is grey.
    let there = vec![(1.0, 1.25), (10.0, 1.25), (1.0, 1.25)];
    let line = paper(vec![Item::Line { points: there, stroke: Stroke::new(Paint::Ink, 1.0, 0.5) }]);
    assert_eq!(dark(&line, 10, 2), 26);
    let half = vec![(1.0, 1.0), (10.0, 1.0)];
    let line = paper(vec![Item::Line { points: half, stroke: Stroke::new(Paint::Ink, 1.0, 0.5) }]);
    assert!((140..=141).contains(&dark(&line, 10, 1)), "{}", dark(&line, 10, 1));
    // What lies outside harms nobody.
    let far = vec![(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (f64::NAN, 1e9)];
    paper(vec![Item::Area { points: far, paint: Paint::Ink, opacity: 1.0 }]);
}

#[test]
fn pixels_are_enlarged() {
    let pixels = vec![255, 0, 0, 255, 0, 0, 255, 0];
    let drawn = paper(vec![Item::Pixels { at: (0.0, 0.0), size: (20.0, 10.0), pixels, columns: 2, rows: 1 }]);
    assert_eq!(drawn.rgb[..3], [255, 0, 0]);
    assert_eq!(drawn.rgb[3 * 19..3 * 21], [255, 0, 0, 255, 255, 255]);
}
