use super::*;

#[test]
fn numbers_are_short_and_finite() {
    let shown = [0.04, -0.04, 1.25, 100.0, f64::INFINITY, -1e300].map(|x| Short(x).to_string());
    assert_eq!(shown, ["0", "0", "1.3", "100", "1000000", "-1000000"]);
}

#[test]
fn texts_are_escaped_everywhere() {
    let mut scene = Scene::new((100.0, 50.0), "</title><script>\"&\u{1}");
    scene.text((1.0, 2.0), "<b>&amp;", 15.0, Paint::Ink, Anchor::End);
    for setting in [Setting::File, Setting::Page] {
        let svg = write(&scene, setting).unwrap();
        assert!(!svg.contains("<script") && !svg.contains("<b>") && !svg.contains('\u{1}'), "{svg}");
        assert!(svg.contains("<title>&lt;/title&gt;&lt;script&gt;&quot;&amp;\u{fffd}</title>"), "{svg}");
        assert!(svg.contains("text-anchor=\"end\">&lt;b&gt;&amp;amp;</text>"), "{svg}");
    }
}

#[test]
fn a_page_has_colours_of_its_own() {
    let mut scene = Scene::new((10.0, 10.0), "");
    scene.line(vec![(0.0, 0.0), (10.0, 10.0)], Stroke::new(Paint::Series(8), 0.5, 2.0).dashed(&[3.0, 1.0]));
    let of = |setting| write(&scene, setting).unwrap();
    let expected = "<path d=\"M0 0L10 10\" fill=\"none\" stroke=\"#d55e00\" stroke-opacity=\"0.5\" stroke-width=\"2\" \
                    stroke-linejoin=\"round\" stroke-dasharray=\"3 1\"/>";
    assert!(of(Setting::File).contains(expected), "{}", of(Setting::File));
    assert!(of(Setting::File).contains("<rect width=\"10\" height=\"10\" fill=\"#ffffff\"/>"));
    assert!(of(Setting::Page).contains("stroke=\"var(--series-1)\"") && !of(Setting::Page).contains("<rect"));
}
